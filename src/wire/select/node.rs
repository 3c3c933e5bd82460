//! Selectors of nodes.

use crate::core::filter::record::{FieldValue, Record};
use crate::core::filter::schema::{FieldKind, Schema};
use crate::wire::show::CatalogNode;

/// Of `/v1/catalog/nodes`.
pub static NODE: Schema = Schema(&[
    ("ID", FieldKind::Text),
    ("Node", FieldKind::Text),
    ("Address", FieldKind::Text),
    ("Datacenter", FieldKind::Text),
    ("TaggedAddresses", FieldKind::TextMap),
    ("Meta", FieldKind::TextMap),
]);

impl Record for CatalogNode<'_> {
    fn field(&self, name: &str) -> FieldValue<'_> {
        match name {
            "ID" => FieldValue::Text(self.id),
            "Node" => FieldValue::Text(self.node),
            "Address" => FieldValue::Text(self.address),
            "Datacenter" => FieldValue::Text(self.datacenter),
            "TaggedAddresses" => FieldValue::Map(self.tagged_addresses),
            "Meta" => FieldValue::Map(self.meta),
            _ => FieldValue::Absent,
        }
    }
}
