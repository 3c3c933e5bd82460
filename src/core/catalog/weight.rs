//! How much memory the records of the registry take, near enough to bound it: the text that somebody else wrote, and a
//! fixed part for each record.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;

use crate::base::stdx::text::Text;
use crate::core::catalog::change::CatalogChange;
use crate::core::catalog::row::probe::ProbeRow;
use crate::core::model::{Check, Meta, Node, Probe, Proxy, Service};

/// What a record takes apart from its texts: its own fields, its places in the tables and the views.
const RECORD_BYTES: usize = 512;

/// What a text, or a pair of them, takes apart from its bytes.
const TEXT_BYTES: usize = 32;

/// What a value takes that is kept as it came: a number or a word of it may be two bytes long where it is written. A
/// list that grew has room for twice as many, and a tree of keys is half full at worst.
const VALUE_BYTES: usize = 64;
const ENTRY_BYTES: usize = 128;

/// Bytes of the record that a change leaves.
pub fn of_record(change: &CatalogChange) -> usize {
    of(change).1
}

/// Bytes of the record before and after a change.
pub(super) fn of(change: &CatalogChange) -> (usize, usize) {
    match change {
        CatalogChange::Node { before, after, .. } => {
            (before.as_deref().map_or(0, of_node), after.as_deref().map_or(0, of_node))
        }
        CatalogChange::Service { before, after, .. } => {
            (before.as_deref().map_or(0, of_service), after.as_deref().map_or(0, of_service))
        }
        CatalogChange::Check { before, after, .. } => {
            (before.as_deref().map_or(0, of_check), after.as_deref().map_or(0, of_check))
        }
    }
}

fn of_node(node: &Node) -> usize {
    let texts = node.name.len() + node.id.len() + node.address.len();
    RECORD_BYTES + texts + of_meta(node.meta.as_ref()) + of_meta(node.tagged_addresses.as_ref())
}

fn of_service(service: &Service) -> usize {
    let texts = service.kind.len() + service.id.len() + service.name.len() + service.address.len();
    let tags: usize = service.tags.iter().map(|tag| TEXT_BYTES + tag.len()).sum();
    let addresses = service.tagged_addresses.iter();
    let addresses: usize = addresses.map(|(name, it)| TEXT_BYTES + name.len() + it.address.len()).sum();
    let proxy = service.proxy.as_deref().map_or(0, of_proxy);
    let locality = service.locality.as_deref().map_or(0, |at| TEXT_BYTES + at.region.len() + at.zone.len());
    let drain = service.drain.as_deref().map_or(0, |plan| RECORD_BYTES + plan.reason.len());
    let plain = texts + service.socket_path.len() + locality + tags + addresses;
    RECORD_BYTES + plain + proxy + drain + of_meta(service.meta.as_ref())
}

fn of_check(check: &Check) -> usize {
    let Check { id, name, notes, output, service_id, kind, definition, .. } = check;
    let texts: usize =
        [id, name, notes, output, service_id, kind].into_iter().map(|text: &Text| text.len()).sum();
    let told: usize = definition.told.iter().map(|(key, value)| of_entry(key, value)).sum();
    RECORD_BYTES + texts + told + definition.probe.as_ref().map_or(0, of_probe)
}

fn of_proxy(proxy: &Proxy) -> usize {
    let rest: usize = proxy.rest.iter().map(|(key, value)| of_entry(key, value)).sum();
    let Proxy { destination_service_name, destination_service_id, local_service_address, .. } = proxy;
    let texts = destination_service_name.len() + destination_service_id.len() + local_service_address.len();
    RECORD_BYTES + texts + rest
}

/// Headers have many short texts; everything else is about as long as it is written.
fn of_probe(probe: &Probe) -> usize {
    let headers = match probe {
        Probe::Http { header, .. } => {
            header.values().map(|values| ENTRY_BYTES + TEXT_BYTES * values.len()).sum()
        }
        _ => 0,
    };
    headers + written(&ProbeRow::from(probe))
}

fn of_entry(key: &str, value: &Value) -> usize {
    ENTRY_BYTES + key.len() + of_value(value)
}

/// As deep as rules of intake let values be.
fn of_value(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => VALUE_BYTES,
        Value::String(text) => VALUE_BYTES + text.len(),
        Value::Array(values) => VALUE_BYTES + values.iter().map(of_value).sum::<usize>(),
        Value::Object(map) => {
            VALUE_BYTES + map.iter().map(|(key, value)| of_entry(key, value)).sum::<usize>()
        }
    }
}

fn of_meta(meta: Option<&Meta>) -> usize {
    let pairs = meta.map(|meta| meta.iter()).into_iter().flatten();
    pairs.map(|(name, value)| TEXT_BYTES + name.len() + value.len()).sum()
}

/// Bytes that something nested takes when it is written; what it takes in memory is of that size.
fn written(value: &impl Serialize) -> usize {
    struct Count(usize);
    impl Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // Counting cannot fail, and what cannot be written takes what was counted until then.
    let _ = serde_json::to_writer(&mut count, value);
    count.0
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// A value of two bytes where it is written takes thirty in memory.
    #[test]
    fn what_is_short_where_it_is_written_weighs_what_it_takes() {
        let value: Value = serde_json::from_str(&format!("[{}1]", "1,".repeat(9_999))).expect("it is JSON");
        let rest = [(Text::from("Config"), serde_json::json!({ "a": value }))].into_iter().collect();
        let proxy = Proxy { rest, ..Proxy::default() };
        let service = Service { proxy: Some(Box::new(proxy)), ..Service::default() };
        let (node, id, before) = ("n".into(), "s".into(), None);
        let weight = of_record(&CatalogChange::Service { node, id, before, after: Some(Arc::new(service)) });
        assert!(weight > 10_000 * size_of::<Value>() && weight < 10_000 * 100, "{weight}");
    }
}
