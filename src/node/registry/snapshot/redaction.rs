//! What a snapshot shows of the secrets of checks and tokens to those who may not have them: that there are some.
//!
//! A snapshot without them is to be looked at. Where it lacks one it cannot be restored: a check that asks without its
//! password would say that all are unwell. What is secret, [`secrets`] knows.

use std::sync::Arc;

use crate::base::stdx::redact;
use crate::base::stdx::text::Text;
use crate::core::model::acl::{AclRecord, Token, TokenSecret};
use crate::core::model::limits::SAID_BYTES_MAX;
use crate::core::model::transition::TRANSITION_OUTPUT_BYTES_MAX;
use crate::core::model::{Check, secrets};
use crate::node::registry::history::HistoryEntry;

/// The same check without its secrets.
pub fn check(check: &Arc<Check>) -> Arc<Check> {
    let mut open = check.clone();
    for (text, field) in [
        (&check.output, (|it| &mut it.output) as fn(&mut Check) -> &mut Text),
        (&check.notes, |it| &mut it.notes),
    ] {
        if let Some(without) = without_keys(text, SAID_BYTES_MAX) {
            *field(Arc::make_mut(&mut open)) = without;
        }
    }
    let definition = secrets::definition(&check.definition);
    if definition != *check.definition {
        Arc::make_mut(&mut open).definition = definition.into();
    }
    open
}

/// The same record of access control without its secret, not even sealed.
pub fn acl(record: &AclRecord) -> AclRecord {
    match record {
        AclRecord::Token(token) => {
            AclRecord::Token(Arc::new(Token { secret: TokenSecret::default(), ..Token::clone(token) }))
        }
        record => record.clone(),
    }
}

/// Whether its secret is missing.
pub fn lacks_secret(record: &AclRecord) -> bool {
    matches!(record, AclRecord::Token(token) if token.secret.reveal().is_empty())
}

/// The same transition without secrets.
pub fn transition(entry: &HistoryEntry) -> HistoryEntry {
    let mut open = entry.clone();
    if let Some(without) = without_keys(&entry.transition.output, TRANSITION_OUTPUT_BYTES_MAX) {
        Arc::make_mut(&mut open.transition).output = without;
    }
    open
}

/// Whether a secret is missing in a check.
pub fn is_redacted(check: &Check) -> bool {
    secrets::is_redacted(&check.definition)
}

/// A text whose URLs have lost their keys, cut to so many bytes; `None` when they have none.
fn without_keys(text: &Text, bytes_max: usize) -> Option<Text> {
    let without = redact::in_text(text);
    (without != **text).then(|| without[..without.floor_char_boundary(bytes_max)].into())
}
