//! Selectors of checks.

use crate::filter::record::{Record, Value};
use crate::filter::schema::{Kind, Schema};
use crate::wire::show::HealthCheck;

/// Of `/v1/health/node`, `checks` and `state`, and of `/v1/agent/checks`.
pub static CHECK: Schema = Schema(&[
    ("Node", Kind::Text),
    ("CheckID", Kind::Text),
    ("Name", Kind::Text),
    ("Status", Kind::Text),
    ("Notes", Kind::Text),
    ("Output", Kind::Text),
    ("ServiceID", Kind::Text),
    ("ServiceName", Kind::Text),
    ("ServiceTags", Kind::TextList),
    ("Type", Kind::Text),
]);

impl Record for HealthCheck<'_> {
    fn field(&self, name: &str) -> Value<'_> {
        match name {
            "Node" => Value::Text(self.node),
            "CheckID" => Value::Text(self.check_id),
            "Name" => Value::Text(self.name),
            "Status" => Value::Text(self.status),
            "Notes" => Value::Text(self.notes),
            "Output" => Value::Text(self.output),
            "ServiceID" => Value::Text(self.service_id),
            "ServiceName" => Value::Text(self.service_name),
            "ServiceTags" => Value::TextList(self.service_tags),
            "Type" => Value::Text(self.kind),
            _ => Value::Absent,
        }
    }
}
