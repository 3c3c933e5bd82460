//! Selectors of members.

use crate::filter::record::{Record, Value};
use crate::filter::schema::{Kind, Schema};
use crate::wire::show::Member;

/// Of `/v1/agent/members`.
pub static MEMBER: Schema = Schema(&[
    ("Name", Kind::Text),
    ("Addr", Kind::Text),
    ("Port", Kind::Integer),
    ("Tags", Kind::TextMap),
    ("Status", Kind::Integer),
    ("ProtocolMin", Kind::Integer),
    ("ProtocolMax", Kind::Integer),
    ("ProtocolCur", Kind::Integer),
    ("DelegateMin", Kind::Integer),
    ("DelegateMax", Kind::Integer),
    ("DelegateCur", Kind::Integer),
]);

impl Record for Member<'_> {
    fn field(&self, name: &str) -> Value<'_> {
        match name {
            "Name" => Value::Text(self.name),
            "Addr" => Value::Text(self.addr),
            "Port" => Value::Integer(self.port.into()),
            "Tags" => Value::Map(self.tags),
            "Status" => Value::Integer(self.status.into()),
            "ProtocolMin" => Value::Integer(self.protocol_min.into()),
            "ProtocolMax" => Value::Integer(self.protocol_max.into()),
            "ProtocolCur" => Value::Integer(self.protocol_cur.into()),
            "DelegateMin" => Value::Integer(self.delegate_min.into()),
            "DelegateMax" => Value::Integer(self.delegate_max.into()),
            "DelegateCur" => Value::Integer(self.delegate_cur.into()),
            _ => Value::Absent,
        }
    }
}
