//! Selectors of members.

use crate::core::filter::record::{FieldValue, Record};
use crate::core::filter::schema::{FieldKind, Schema};
use crate::wire::show::Member;

/// Of `/v1/agent/members`.
pub static MEMBER: Schema = Schema(&[
    ("Name", FieldKind::Text),
    ("Addr", FieldKind::Text),
    ("Port", FieldKind::Integer),
    ("Tags", FieldKind::TextMap),
    ("Status", FieldKind::Integer),
    ("ProtocolMin", FieldKind::Integer),
    ("ProtocolMax", FieldKind::Integer),
    ("ProtocolCur", FieldKind::Integer),
    ("DelegateMin", FieldKind::Integer),
    ("DelegateMax", FieldKind::Integer),
    ("DelegateCur", FieldKind::Integer),
]);

impl Record for Member<'_> {
    fn field(&self, name: &str) -> FieldValue<'_> {
        match name {
            "Name" => FieldValue::Text(self.name),
            "Addr" => FieldValue::Text(self.addr),
            "Port" => FieldValue::Integer(self.port.into()),
            "Tags" => FieldValue::Map(self.tags),
            "Status" => FieldValue::Integer(self.status.into()),
            "ProtocolMin" => FieldValue::Integer(self.protocol_min.into()),
            "ProtocolMax" => FieldValue::Integer(self.protocol_max.into()),
            "ProtocolCur" => FieldValue::Integer(self.protocol_cur.into()),
            "DelegateMin" => FieldValue::Integer(self.delegate_min.into()),
            "DelegateMax" => FieldValue::Integer(self.delegate_max.into()),
            "DelegateCur" => FieldValue::Integer(self.delegate_cur.into()),
            _ => FieldValue::Absent,
        }
    }
}
