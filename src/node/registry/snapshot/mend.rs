//! What can be kept of rows of which some are missing or make no sense: every record that stands on its own feet.

use std::collections::HashSet;

use crate::base::stdx::text::Text;
use crate::core::acl;
use crate::core::catalog::change::CatalogChange;
use crate::core::model::{NodeKey, Origin};
use crate::node::registry::rows;
use crate::store::change::{RowChange, Table};

/// The rows that make sense together, and a sentence for each that does not.
pub fn mend(found: Vec<RowChange>) -> (Vec<RowChange>, Vec<String>) {
    let (mut kept, mut left_out) = (Vec::new(), Vec::new());
    let mut nodes: HashSet<NodeKey> = HashSet::new();
    let mut services: HashSet<(NodeKey, Text)> = HashSet::new();
    for row in found {
        match fault(&row, &mut nodes, &mut services) {
            None => kept.push(row),
            Some(reason) => left_out.push(format!("{} {:?}: {reason}", row.table.name(), row.key)),
        }
    }
    (kept, left_out)
}

/// The id of the agent's own node, by rows that make sense together: what muster says of itself is on that node.
pub fn own_node_id(kept: &[RowChange]) -> Option<uuid::Uuid> {
    let read = |row: &RowChange| rows::change(row.table, &row.key, row.value.as_deref()?).ok()?;
    let of_table = |table: Table| kept.iter().filter(move |row| row.table == table).filter_map(read);
    let own = of_table(Table::Services).find_map(|change| match change {
        CatalogChange::Service { node, after: Some(service), .. } => {
            (service.origin == Origin::Server).then_some(node)
        }
        _ => None,
    })?;
    of_table(Table::Nodes).find_map(|change| match change {
        CatalogChange::Node { key, after: Some(node), .. } if key == own => node.id.parse().ok(),
        _ => None,
    })
}

/// Why a row cannot be kept. Rows come table by table, what is referred to first.
fn fault(
    row: &RowChange,
    nodes: &mut HashSet<NodeKey>,
    services: &mut HashSet<(NodeKey, Text)>,
) -> Option<String> {
    let value = row.value.as_deref()?;
    if row.table == Table::History {
        return rows::transition(&row.key, value).err();
    }
    if row.table == Table::Kv {
        return rows::pair(&row.key, value).err();
    }
    if row.table == Table::Acl {
        return acl::row::decode_sealed(&row.key, value).err();
    }
    match rows::change(row.table, &row.key, value) {
        Err(reason) => Some(reason),
        Ok(None) => None,
        Ok(Some(CatalogChange::Node { key, .. })) => {
            nodes.insert(key);
            None
        }
        Ok(Some(CatalogChange::Service { node, id, .. })) => {
            let is_orphan = !nodes.contains(&node);
            services.insert((node, id));
            is_orphan.then(|| "its node is missing".to_owned())
        }
        Ok(Some(CatalogChange::Check { node, after, .. })) => {
            let service_id = after.map(|check| check.service_id.clone()).unwrap_or_default();
            let is_of_service = !service_id.is_empty();
            match (nodes.contains(&node), is_of_service && !services.contains(&(node, service_id))) {
                (false, _) => Some("its node is missing".to_owned()),
                (true, true) => Some("its instance is missing".to_owned()),
                (true, false) => None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_node_is_the_one_that_muster_itself_is_on() {
        let id = uuid::Uuid::from_u128(7);
        let node = |name: &str, id: &str| {
            let value = format!(
                r#"{{"name":"{name}","id":"{id}","address":"","indexes":{{"create":1,"modify":1}}}}"#
            );
            RowChange::put(Table::Nodes, name, value)
        };
        let service = |key: &str, origin: &str| {
            let value =
                format!(r#"{{"id":"s","name":"s","origin":"{origin}","indexes":{{"create":1,"modify":1}}}}"#);
            RowChange::put(Table::Services, key, value)
        };
        let other = uuid::Uuid::from_u128(8).to_string();
        let mut kept = vec![node("a", &other), node("b", &id.to_string()), service("a\ts", "catalog")];
        assert_eq!(own_node_id(&kept), None);
        kept.push(service("b\ts", "server"));
        assert_eq!(own_node_id(&kept), Some(id));
    }

    #[test]
    fn what_stands_on_its_own_is_kept() {
        let indexes = r#""indexes":{"create":1,"modify":1}"#;
        let node = format!(r#"{{"name":"n","address":"","{}}}"#, &indexes[1..]);
        let service = format!(r#"{{"id":"s","name":"s","origin":"catalog",{indexes}}}"#);
        let check = |of: &str| {
            format!(
                r#"{{"id":"c","name":"c","status":"passing","service_id":"{of}","origin":"catalog",{indexes}}}"#
            )
        };
        let rows = [
            (Table::Nodes, "n", node.clone(), None),
            (Table::Nodes, "half", node[..9].to_owned(), Some("line 1")),
            (Table::Services, "n\ts", service.clone(), None),
            (Table::Services, "half\ts", service, Some("its node is missing")),
            (Table::Checks, "n\tc", check("s"), None),
            (Table::Checks, "n\td", check("gone"), Some("its instance is missing")),
            (Table::Checks, "half\tc", check("s"), Some("its node is missing")),
            (Table::History, "n\ts\tc", "{}".to_owned(), Some("fewer than four parts")),
            (Table::Acl, "role/r", r#"{"name":"r","grants":{},"create":1,"modify":1}"#.to_owned(), None),
            (
                Table::Acl,
                "role/",
                r#"{"name":"r","grants":{},"create":1,"modify":1}"#.to_owned(),
                Some("its id"),
            ),
            (Table::Meta, "anything", "{}".to_owned(), None),
        ];
        let found = rows
            .iter()
            .map(|(table, key, value, _)| RowChange::put(*table, *key, value.as_bytes()))
            .collect();
        let (kept, left_out) = mend(found);
        let expected: Vec<&str> = rows.iter().filter_map(|(.., reason)| *reason).collect();
        assert_eq!(kept.len(), rows.len() - expected.len());
        assert_eq!(left_out.len(), expected.len());
        for (said, expected) in left_out.iter().zip(expected) {
            assert!(said.contains(expected), "{said}");
        }
    }
}
