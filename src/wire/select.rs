//! temporary
#![allow(missing_docs)]
use crate::filter::record::{Record, Value};
use crate::filter::schema::Schema;
use crate::wire::show::*;
pub static SERVICE: Schema = Schema(&[]);
pub static CHECK: Schema = Schema(&[]);
pub static NODE: Schema = Schema(&[]);
pub static CATALOG_SERVICE: Schema = Schema(&[]);
pub static INSTANCE: Schema = Schema(&[]);
macro_rules! absent { ($($t:ty),*) => { $(impl Record for $t { fn field(&self, _: &str) -> Value<'_> { Value::Absent } })* } }
absent!(
    AgentService<'_>,
    NodeService<'_>,
    HealthCheck<'_>,
    CatalogNode<'_>,
    CatalogService<'_>,
    HealthEntry<'_>
);
