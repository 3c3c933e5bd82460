//! Selectors of instances with their nodes and checks.

use crate::filter::record::{Record, StructList, Value};
use crate::filter::schema::{Kind, Schema};
use crate::wire::select::{CHECK, NODE, SERVICE};
use crate::wire::show::HealthEntry;
use crate::wire::show::health_entry::EntryChecks;

/// Of `/v1/health/service`.
pub static INSTANCE: Schema = Schema(&[
    ("Node", Kind::Struct(&NODE)),
    ("Service", Kind::Struct(&SERVICE)),
    ("Checks", Kind::StructList(&CHECK)),
]);

impl Record for HealthEntry<'_> {
    fn field(&self, name: &str) -> Value<'_> {
        match name {
            "Node" => Value::Struct(&self.node),
            "Service" => Value::Struct(&self.service),
            "Checks" => Value::StructList(&self.checks),
            _ => Value::Absent,
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
