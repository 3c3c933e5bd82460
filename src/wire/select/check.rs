//! Selectors of checks.

use crate::core::filter::record::{FieldValue, Record};
use crate::core::filter::schema::{FieldKind, Schema};
use crate::wire::show::HealthCheck;

/// Of `/v1/health/node`, `checks` and `state`, and of `/v1/agent/checks`.
pub static CHECK: Schema = Schema(&[
    ("Node", FieldKind::Text),
    ("CheckID", FieldKind::Text),
    ("Name", FieldKind::Text),
    ("Status", FieldKind::Text),
    ("Notes", FieldKind::Text),
    ("Output", FieldKind::Text),
    ("ServiceID", FieldKind::Text),
    ("ServiceName", FieldKind::Text),
    ("ServiceTags", FieldKind::TextList),
    ("Type", FieldKind::Text),
]);

impl Record for HealthCheck<'_> {
    fn field(&self, name: &str) -> FieldValue<'_> {
        match name {
            "Node" => FieldValue::Text(self.node),
            "CheckID" => FieldValue::Text(self.check_id),
            "Name" => FieldValue::Text(self.name),
            "Status" => FieldValue::Text(self.status),
            "Notes" => FieldValue::Text(self.notes),
            "Output" => FieldValue::Text(self.output),
            "ServiceID" => FieldValue::Text(self.service_id),
            "ServiceName" => FieldValue::Text(self.service_name),
            "ServiceTags" => FieldValue::TextList(self.service_tags),
            "Type" => FieldValue::Text(self.kind),
            _ => FieldValue::Absent,
        }
    }
}
