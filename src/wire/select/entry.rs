//! Selectors of instances with their nodes and checks.

use crate::core::filter::record::{FieldValue, Record, StructList};
use crate::core::filter::schema::{FieldKind, Schema};
use crate::wire::select::{CHECK, NODE, SERVICE};
use crate::wire::show::HealthEntry;
use crate::wire::show::health_entry::EntryChecks;

/// Of `/v1/health/service`.
pub static INSTANCE: Schema = Schema(&[
    ("Node", FieldKind::Struct(&NODE)),
    ("Service", FieldKind::Struct(&SERVICE)),
    ("Checks", FieldKind::StructList(&CHECK)),
]);

impl Record for HealthEntry<'_> {
    fn field(&self, name: &str) -> FieldValue<'_> {
        match name {
            "Node" => FieldValue::Struct(&self.node),
            "Service" => FieldValue::Struct(&self.service),
            "Checks" => FieldValue::StructList(&self.checks),
            _ => FieldValue::Absent,
        }
    }
}

impl StructList for EntryChecks<'_> {
    fn is_empty(&self) -> bool {
        self.iter().len() == 0
    }

    fn any(&self, test: &mut dyn FnMut(&dyn Record) -> bool) -> bool {
        self.iter().any(|check| test(&check))
    }
}
