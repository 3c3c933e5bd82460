//! Selectors of nodes.

use crate::filter::record::{Record, Value};
use crate::filter::schema::{Kind, Schema};
use crate::wire::show::CatalogNode;

/// Of `/v1/catalog/nodes`.
pub static NODE: Schema = Schema(&[
    ("ID", Kind::Text),
    ("Node", Kind::Text),
    ("Address", Kind::Text),
    ("Datacenter", Kind::Text),
    ("TaggedAddresses", Kind::TextMap),
    ("Meta", Kind::TextMap),
]);

impl Record for CatalogNode<'_> {
    fn field(&self, name: &str) -> Value<'_> {
        match name {
            "ID" => Value::Text(self.id),
            "Node" => Value::Text(self.node),
            "Address" => Value::Text(self.address),
            "Datacenter" => Value::Text(self.datacenter),
            "TaggedAddresses" => Value::Map(self.tagged_addresses),
            "Meta" => Value::Map(self.meta),
            _ => Value::Absent,
        }
    }
}
