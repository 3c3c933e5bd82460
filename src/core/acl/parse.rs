//! Reads the rules of a text, with what Consul takes and the sentences in which it refuses.

use std::fmt;

use crate::base::stdx::go_literal::quote;
use crate::base::stdx::hcl::{self, HclContent, HclError, HclItem, HclKey, HclValue};
use crate::base::stdx::text;
use crate::base::stdx::text_position::TextPosition;
use crate::core::acl::resource::{Disposition, Matching, Resource};
use crate::core::acl::rules::{AccessRule, Rules};
use crate::core::model::limits::KEY_BYTES_MAX;

/// Bytes of a text of rules. People write a page; what machines write for a hundred services takes ten kilobytes.
pub const RULES_BYTES_MAX: usize = 64 << 10;

/// Rules in a text. Each stands in the memory of every token that has the policy.
pub const RULES_MAX: usize = 2048;

/// Bytes of a segment: the longest name that anything has, which is a key's.
pub const SEGMENT_BYTES_MAX: usize = KEY_BYTES_MAX;

/// Places without effect that are told. Finding the line of each takes time by the length of the text.
pub const INEFFECTIVE_MAX: usize = 16;

/// Bytes of a name that are shown with what is wrong with it.
const NAME_SHOWN_BYTES_MAX: usize = 64;

/// What Consul prints of a part that only its paid version has.
const ENTERPRISE: &str = ", EnterpriseRule:acl.EnterpriseRule{}";

/// Why a text is no rules; the sentences are Consul's, where it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RulesError {
    /// It has more than [`RULES_BYTES_MAX`].
    TooLong {
        /// So many bytes.
        bytes: usize,
    },
    /// It has more than [`RULES_MAX`].
    TooManyRules,
    /// Something in it cannot be read.
    Unreadable(HclError),
    /// A rule does not say how much, or in no word that is known.
    UnknownWord {
        /// Which policy it is: `key_prefix`, `service intentions`.
        policy: String,
        /// What was written, as Go prints it.
        given: String,
    },
}

impl fmt::Display for RulesError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RulesError::TooLong { bytes } => write!(
                formatter,
                "Failed to parse ACL rules: {bytes} bytes, {RULES_BYTES_MAX} are allowed: make several policies of it"
            ),
            RulesError::TooManyRules => write!(
                formatter,
                "Failed to parse ACL rules: more than {RULES_MAX} rules: make several policies of it"
            ),
            RulesError::Unreadable(error) => write!(formatter, "Failed to parse ACL rules: {error}"),
            RulesError::UnknownWord { policy, given } => {
                write!(formatter, "Invalid {policy} policy: {given}")
            }
        }
    }
}

impl std::error::Error for RulesError {}

/// Reads a text: HCL 1, or JSON if it begins with `{`. Takes time by its length.
///
/// # Errors
/// The first thing that is wrong.
pub fn parse(text: &str) -> Result<Rules, RulesError> {
    if text.len() > RULES_BYTES_MAX {
        return Err(RulesError::TooLong { bytes: text.len() });
    }
    let items = hcl::read(text).map_err(RulesError::Unreadable)?;
    let mut reader = RulesReader { text, rules: Rules::default(), sole: Vec::new() };
    items.iter().try_for_each(|item| reader.item(item))?;
    reader.finish()
}

/// What a rule is about, but for its segment.
type About = (Resource, Matching);

struct RulesReader<'t> {
    text: &'t str,
    rules: Rules,
    /// Of each resource of which there is one the last word, and where it stands.
    sole: Vec<(Resource, String, usize)>,
}

impl RulesReader<'_> {
    fn item(&mut self, HclItem { key, labels, value }: &HclItem) -> Result<(), RulesError> {
        let Some(about) = about_of(&key.text) else {
            self.note_ineffective(key.at);
            return Ok(());
        };
        match (&value.content, labels.first()) {
            _ if about.1 == Matching::Sole => {
                let word = self.word(key, labels, value)?;
                self.sole.retain(|(other, ..)| *other != about.0);
                self.sole.push((about.0, word, key.at));
                Ok(())
            }
            (_, Some(segment)) => self.named(about, segment, labels.len() > 1, value),
            (HclContent::Block(items), None) => self.named_inside(about, items),
            (HclContent::List(values), None) => values.iter().try_for_each(|value| match &value.content {
                HclContent::Block(items) => self.named_inside(about, items),
                _ => Err(self.unreadable(key, value.at, "is a list of something else than blocks")),
            }),
            _ => Err(self.unreadable(key, value.at, "is no block")),
        }
    }

    /// What stands under a segment, as in `key "app/" { … }` or `key { "app/" { … } }`.
    fn named(
        &mut self,
        about: About,
        segment: &HclKey,
        has_labels: bool,
        value: &HclValue,
    ) -> Result<(), RulesError> {
        let mut rule = |content: &HclContent| match content {
            HclContent::Block(items) if !has_labels => self.rule(about, segment, items),
            // Nothing in it says how much; nor does what a further label names.
            _ => self.rule(about, segment, &[]),
        };
        match &value.content {
            HclContent::List(values) => values.iter().try_for_each(|value| rule(&value.content)),
            content => rule(content),
        }
    }

    /// A block that holds a block for each segment.
    fn named_inside(&mut self, about: About, items: &[HclItem]) -> Result<(), RulesError> {
        let is_named = |it: &HclItem| matches!(it.value.content, HclContent::Block(_) | HclContent::List(_));
        for HclItem { key, labels, value } in items.iter().filter(|item| is_named(item)) {
            self.named(about, key, !labels.is_empty(), value)?;
        }
        // What else it says is how much, and not of what: a wrong word is refused, and a right one has no effect.
        if let Some(HclItem { key, .. }) = items.iter().find(|item| !is_named(item)) {
            let count = self.rules.rules.len();
            self.rule(about, key, items)?;
            self.rules.rules.truncate(count);
            self.note_ineffective(key.at);
        }
        Ok(())
    }

    fn rule(&mut self, about: About, segment: &HclKey, items: &[HclItem]) -> Result<(), RulesError> {
        let (resource, matching) = about;
        let (mut policy, mut intentions) = (String::new(), String::new());
        for HclItem { key, labels, value } in items {
            if key.text.eq_ignore_ascii_case("policy") {
                policy = self.word(key, labels, value)?;
            } else if key.text.eq_ignore_ascii_case("intentions") && resource == Resource::Service {
                intentions = self.word(key, labels, value)?;
            } else {
                self.note_ineffective(key.at);
            }
        }
        if segment.text.len() > SEGMENT_BYTES_MAX {
            let complaint = format!("is a name of more than {SEGMENT_BYTES_MAX} bytes");
            return Err(self.unreadable(segment, segment.at, &complaint));
        }
        let unknown = |suffix: &str| RulesError::UnknownWord {
            policy: format!("{}{}{suffix}", resource.name(), matching.suffix()),
            given: text::bounded(go_print(resource, &segment.text, &policy, &intentions)),
        };
        let disposition = disposition_of(&policy, resource).ok_or_else(|| unknown(""))?;
        self.push(AccessRule::of(resource, matching, &segment.text, disposition))?;
        if !intentions.is_empty() {
            let disposition = disposition_of(&intentions, resource).ok_or_else(|| unknown(" intentions"))?;
            self.push(AccessRule::of(Resource::Intention, matching, &segment.text, disposition))?;
        }
        Ok(())
    }

    fn push(&mut self, rule: AccessRule) -> Result<(), RulesError> {
        if self.rules.rules.len() == RULES_MAX {
            return Err(RulesError::TooManyRules);
        }
        self.rules.rules.push(rule);
        Ok(())
    }

    /// A word that stands under `key`; a number is one too.
    fn word(&self, key: &HclKey, labels: &[HclKey], value: &HclValue) -> Result<String, RulesError> {
        match &value.content {
            HclContent::Text(word) if labels.is_empty() => Ok(word.clone()),
            HclContent::Number(number) if labels.is_empty() => Ok(number.to_string()),
            HclContent::Null => Ok(String::new()),
            _ => Err(self.unreadable(key, value.at, "is no word: write for example \"read\"")),
        }
    }

    fn finish(mut self) -> Result<Rules, RulesError> {
        for (resource, word, at) in std::mem::take(&mut self.sole) {
            match disposition_of(&word, resource) {
                Some(disposition) if word == disposition.word() => {
                    self.push(AccessRule::of(resource, Matching::Sole, "", disposition))?;
                }
                None if !word.is_empty() => {
                    let (policy, given) = (resource.name().to_owned(), text::bounded(quote(&word)));
                    return Err(RulesError::UnknownWord { policy, given });
                }
                _ => self.note_ineffective(at),
            }
        }
        Ok(self.rules)
    }

    fn note_ineffective(&mut self, at: usize) {
        if self.rules.ineffective.len() < INEFFECTIVE_MAX {
            self.rules.ineffective.push(TextPosition::of(self.text, at));
        }
    }

    fn unreadable(&self, key: &HclKey, at: usize, complaint: &str) -> RulesError {
        let name = &key.text[..key.text.floor_char_boundary(NAME_SHOWN_BYTES_MAX)];
        let complaint = format!("`{name}` {complaint}");
        RulesError::Unreadable(HclError { position: TextPosition::of(self.text, at), complaint })
    }
}

/// What a word at the top of a text is about, in any case.
fn about_of(word: &str) -> Option<About> {
    let resources = Resource::ALL.into_iter().filter(|it| *it != Resource::Intention);
    let matchings = |resource: Resource| match resource.is_sole() {
        true => &[Matching::Sole][..],
        false => &[Matching::Exact, Matching::Prefix],
    };
    let mut rules = resources.flat_map(|resource| matchings(resource).iter().map(move |it| (resource, *it)));
    rules.find(|(resource, matching)| {
        let name = resource.name();
        let (begin, end) = (word.get(..name.len()), word.get(name.len()..));
        begin.is_some_and(|it| it.eq_ignore_ascii_case(name))
            && end.is_some_and(|it| it.eq_ignore_ascii_case(matching.suffix()))
    })
}

/// What a word allows of `resource`, in any case.
fn disposition_of(word: &str, resource: Resource) -> Option<Disposition> {
    Disposition::of_word(word).filter(|it| *it != Disposition::List || resource.is_listed_apart())
}

/// A rule as Go prints it in Consul's complaints.
fn go_print(resource: Resource, segment: &str, policy: &str, intentions: &str) -> String {
    let (kind, field, rest) = match resource {
        Resource::Agent => ("AgentRule", "Node", ""),
        Resource::Event => ("EventRule", "Event", ""),
        Resource::Key => ("KeyRule", "Prefix", ENTERPRISE),
        Resource::Node => ("NodeRule", "Name", ENTERPRISE),
        Resource::Query => ("PreparedQueryRule", "Prefix", ""),
        Resource::Session => ("SessionRule", "Node", ""),
        _ => ("ServiceRule", "Name", ENTERPRISE),
    };
    let intentions = match resource {
        Resource::Service => format!(", Intentions:{}", quote(intentions)),
        _ => String::new(),
    };
    format!("&acl.{kind}{{{field}:{}, Policy:{}{intentions}{rest}}}", quote(segment), quote(policy))
}
