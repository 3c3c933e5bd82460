//! One line in the log for each write that changed something: who asked, with which request, and what is different now.

use std::fmt::Write;

use crate::core::acl::change::AclChange;
use crate::core::catalog::change::CatalogChange;
use crate::core::kernel::changes::Changes;
use crate::core::kv::change::PairChange;
use crate::core::model::acl::AclKind;
use crate::core::model::{Caller, Check, NodeKey, hold};

/// Changes that one line names; a node with a thousand instances does not make a line of a thousand.
const NAMED_MAX: usize = 4;

/// Lines in one second. A fleet that registers itself anew is some thousands of writes a second, and lines for all of
/// them would cost more than the writes; how many were not told is.
const LINES_PER_SECOND_MAX: u32 = 1_000;

/// Tells of writes, once they hold. For the writer alone.
#[derive(Debug, Default)]
pub(super) struct WriteLog {
    second: u64,
    logged: u32,
    dropped: u64,
}

/// A line that will be written if its batch holds.
#[derive(Debug)]
pub(super) struct WriteLogLine {
    caller: Caller,
    index: u64,
    text: String,
}

impl WriteLogLine {
    /// The line for what a command changed; `None` when there is nothing that anybody would look for, or nobody would
    /// see it.
    pub(super) fn new(caller: &Caller, index: u64, changes: &Changes) -> Option<WriteLogLine> {
        if log::max_level() < log::Level::Info {
            return None;
        }
        summary(changes).map(|text| WriteLogLine { caller: caller.clone(), index, text })
    }
}

impl WriteLog {
    /// Says `lines`, as far as this second has room.
    pub(super) fn say(&mut self, lines: Vec<WriteLogLine>, now_ms: u64) {
        for WriteLogLine { caller, index, text } in lines {
            if !self.has_room(now_ms / 1_000) {
                continue;
            }
            let (by, id) = (caller.by.as_str(), caller.request_id.as_str());
            if caller.is_client() {
                log::info!(peer = by, request_id = id, index = index; "{text}");
            } else {
                log::info!(by = by, index = index; "{text}");
            }
        }
    }

    fn has_room(&mut self, second: u64) -> bool {
        if self.second != second {
            if self.dropped > 0 {
                log::info!(writes = self.dropped; "further writes were carried out and not told one by one");
            }
            *self = WriteLog { second, logged: 0, dropped: 0 };
        }
        let has_room = self.logged < LINES_PER_SECOND_MAX;
        self.logged += u32::from(has_room);
        self.dropped += u64::from(!has_room);
        has_room
    }
}

/// What is different, in words: `service "web-1" ("web") on n1 registered, check "web-1-beat" passing -> critical`.
/// Outputs alone are no news.
fn summary(changes: &Changes) -> Option<String> {
    let Changes { catalog, kv, acl } = changes;
    let mut first: Vec<String> = catalog.iter().filter_map(one).collect();
    first.extend(acl.iter().map(of_access));
    first.extend(kv.iter().take(NAMED_MAX).map(key));
    let all = first.len() + kv.len().saturating_sub(NAMED_MAX);
    if first.is_empty() {
        return None;
    }
    first.truncate(NAMED_MAX);
    let mut text = first.join(", ");
    if all > NAMED_MAX {
        // Writing to a String does not fail.
        let _ = write!(text, ", and {} more", all - NAMED_MAX);
    }
    Some(text)
}

fn one(change: &CatalogChange) -> Option<String> {
    Some(match change {
        CatalogChange::Node { key, before, after } => {
            format!("node {:?} {}", key.as_str(), what(before.is_some(), after.is_some()))
        }
        CatalogChange::Service { node, id, before, after } => {
            let name = after.as_ref().or(before.as_ref()).map(|service| service.name.as_str());
            let what = match (before, after) {
                (Some(before), Some(after)) if before.drain.is_none() && after.drain.is_some() => {
                    "begins to drain"
                }
                (Some(before), Some(after)) if before.drain.is_some() && after.drain.is_none() => {
                    "drains no more"
                }
                // A step of a drain that was told when it began.
                (Some(before), Some(after)) if before.drain.is_some() && after.drain.is_some() => {
                    return None;
                }
                (before, after) => what(before.is_some(), after.is_some()),
            };
            format!(
                "service {:?} ({:?}) on {:?} {what}",
                id.as_str(),
                name.unwrap_or_default(),
                node.as_str()
            )
        }
        CatalogChange::Check { node, id, before, after } => {
            check(node, id, before.as_deref(), after.as_deref())?
        }
    })
}

fn key(change: &PairChange) -> String {
    format!("key {:?} {}", change.key.as_str(), became(change.before.is_some(), change.after.is_some()))
}

/// A token is told by its accessor, and never by its secret.
fn of_access(change: &AclChange) -> String {
    let AclChange { kind, id, before, after, .. } = change;
    if *kind == AclKind::Bootstrap {
        return "the first token of access control given out".to_owned();
    }
    let name = after.as_ref().or(before.as_ref()).map_or("", |record| record.name());
    let named = if name.is_empty() { String::new() } else { format!(" ({name:?})") };
    format!("{} {:?}{named} {}", kind.name(), id.as_str(), became(before.is_some(), after.is_some()))
}

fn became(before: bool, after: bool) -> &'static str {
    match (before, after) {
        (_, false) => "deleted",
        (false, _) => "created",
        _ => "changed",
    }
}

fn check(node: &NodeKey, id: &str, before: Option<&Check>, after: Option<&Check>) -> Option<String> {
    let shown = after.or(before)?;
    let is_maintenance = hold::is_maintenance(shown);
    let of = match shown.service_id.as_str() {
        "" => format!("node {node:?}"),
        service_id => format!("service {service_id:?} on {node:?}"),
    };
    Some(match (before, after) {
        (None, Some(_)) if is_maintenance => format!("maintenance of {of} on"),
        (Some(_), None) if is_maintenance => format!("maintenance of {of} off"),
        (Some(before), Some(after)) if before.status != after.status => {
            format!("check {id:?} of {of} {} -> {}", before.status, after.status)
        }
        (Some(before), Some(after)) if before.definition == after.definition && before.name == after.name => {
            return None;
        }
        (before, after) => format!("check {id:?} of {of} {}", what(before.is_some(), after.is_some())),
    })
}

fn what(before: bool, after: bool) -> &'static str {
    match (before, after) {
        (false, _) => "registered",
        (true, true) => "changed",
        (true, false) => "deregistered",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::core::model::acl::{AclRecord, Policy, Token, TokenSecret};
    use crate::core::model::{Service, Status};

    fn check(status: Status, output: &str) -> Option<Arc<Check>> {
        let (service_id, output) = ("w".into(), output.into());
        Some(Arc::new(Check { service_id, status, output, ..Check::default() }))
    }

    fn of_check(before: Option<Arc<Check>>, after: Option<Arc<Check>>) -> CatalogChange {
        CatalogChange::Check { node: "n".into(), id: "c".into(), before, after }
    }

    #[test]
    fn a_line_says_what_is_different() {
        use Status::{Critical, Passing};
        let service = || Some(Arc::new(Service { name: "web".into(), ..Service::default() }));
        let of_service =
            |before, after| CatalogChange::Service { node: "n".into(), id: "w".into(), before, after };
        let rows: Vec<(Vec<CatalogChange>, Option<&str>)> = vec![
            (vec![], None),
            (vec![of_check(check(Passing, "a"), check(Passing, "b"))], None),
            (
                vec![of_check(check(Passing, "a"), check(Critical, "b"))],
                Some(r#"check "c" of service "w" on "n" passing -> critical"#),
            ),
            (
                vec![of_service(None, service()), of_check(None, check(Passing, ""))],
                Some(r#"service "w" ("web") on "n" registered, check "c" of service "w" on "n" registered"#),
            ),
            (vec![of_service(service(), service())], Some(r#"service "w" ("web") on "n" changed"#)),
            (vec![of_service(service(), None)], Some(r#"service "w" ("web") on "n" deregistered"#)),
        ];
        for (changes, expected) in rows {
            assert_eq!(summary(&changes.into()).as_deref(), expected);
        }
        let many: Vec<CatalogChange> = (0..NAMED_MAX + 2).map(|_| of_service(service(), None)).collect();
        assert!(summary(&many.into()).is_some_and(|text| text.ends_with(", and 2 more")));
    }

    #[test]
    fn a_line_of_access_control_shows_no_secret() {
        let (accessor, secret) = ("a-1".into(), TokenSecret::new("s-1"));
        let token = Some(AclRecord::Token(Arc::new(Token { accessor, secret, ..Token::default() })));
        let policy = Some(AclRecord::Policy(Arc::new(Policy { name: "ops".into(), ..Policy::default() })));
        let change =
            |kind, id: &str, before, after| AclChange { kind, id: id.into(), index: 1, before, after };
        let changes = vec![
            change(AclKind::Token, "a-1", None, token),
            change(AclKind::Policy, "p-1", policy, None),
            change(AclKind::Bootstrap, "", None, None),
        ];
        let said = summary(&Changes { acl: changes, ..Changes::default() });
        let expected = r#"token "a-1" created, policy "p-1" ("ops") deleted, the first token of access"#;
        assert_eq!(said, Some(format!("{expected} control given out")));
    }

    #[test]
    fn a_second_has_room_for_so_many_lines() {
        let mut writes = WriteLog::default();
        let lines = (0..=LINES_PER_SECOND_MAX).filter(|_| writes.has_room(7)).count();
        assert_eq!((lines, writes.dropped), (LINES_PER_SECOND_MAX as usize, 1));
        assert!(writes.has_room(8) && writes.dropped == 0);
    }
}
