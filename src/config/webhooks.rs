//! Webhooks as they are configured: the tables `[[webhooks]]` of the files, each with the keys of [`FIELDS`].
//!
//! A webhook is known by its name: under another name it is another one, with a queue of its own.

mod reader;

use std::fmt;
use std::time::Duration;

use ureq::http::Uri;

use crate::config::kind::SettingKind;
use crate::core::model::Status;

pub use reader::{read, refused_targets};

/// The key of the tables in a file.
pub const TABLES: &str = "webhooks";

/// Texts in one list (`services`, `nodes`, `tags`).
const LIST_MAX: usize = 1000;

/// How a webhook tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookFormat {
    /// One signed JSON event for each change of a status.
    Json,
    /// One sentence for each change, as chat services take it.
    Slack,
    /// The alerts that stand, as Alertmanager takes them.
    Alertmanager,
}

impl WebhookFormat {
    /// Whether every change waits in a queue until it is told; alerts are told as they stand.
    pub fn is_queued(self) -> bool {
        self != WebhookFormat::Alertmanager
    }

    /// The word for it in files and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            WebhookFormat::Json => "json",
            WebhookFormat::Slack => "slack",
            WebhookFormat::Alertmanager => "alertmanager",
        }
    }
}

/// What must not be shown: it prints as stars.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Hidden(pub String);

impl fmt::Debug for Hidden {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

/// One webhook. Each field is the key of its name, as [`FIELDS`] describes it.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct Webhook {
    pub name: String,
    /// Hidden, for with many services the path is the password.
    pub url: Hidden,
    pub format: WebhookFormat,
    /// Well formed, and only of what an instance has.
    pub filter: Option<String>,
    pub services: Vec<String>,
    pub nodes: Vec<String>,
    pub tags: Vec<String>,
    pub statuses: Vec<Status>,
    pub secret: Option<Hidden>,
    pub headers: Vec<(String, Hidden)>,
    pub timeout: Duration,
    pub queue_max: usize,
    pub give_up_after: Duration,
    pub tls_skip_verify: bool,
    pub tls_server_name: String,
}

impl Webhook {
    /// Scheme and host of the URL: what may be shown of it.
    pub fn place(&self) -> String {
        let uri: Uri = self.url.0.parse().unwrap_or_default();
        let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
        format!("{}://{authority}", uri.scheme_str().unwrap_or("http"))
    }
}

/// What a key takes.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// One value.
    One(SettingKind),
    /// Any text that is not empty.
    Text,
    /// A list of texts.
    List,
    /// A list of statuses.
    Statuses,
    /// A table of names and values.
    Headers,
}

impl Shape {
    /// What it accepts, in words.
    pub fn allowed(self) -> String {
        match self {
            Shape::One(kind) => kind.allowed(),
            Shape::Text => "a text that is not empty".to_owned(),
            Shape::List => format!("a list of up to {LIST_MAX} texts"),
            Shape::Statuses => "a list of `passing`, `warning`, `critical`".to_owned(),
            Shape::Headers => "a table of header names and values".to_owned(),
        }
    }
}

/// One key of a `[[webhooks]]` table.
#[derive(Clone, Copy, Debug)]
pub struct WebhookField {
    /// Its name.
    pub key: &'static str,
    /// What it takes.
    pub shape: Shape,
    /// What holds when it is absent, as it would be written, or in words.
    pub fallback: &'static str,
    /// What it does, in a sentence.
    pub help: &'static str,
}

const fn field(key: &'static str, shape: Shape, fallback: &'static str, help: &'static str) -> WebhookField {
    WebhookField { key, shape, fallback, help }
}

/// Every key, in the order in which the document shows them.
pub const FIELDS: &[WebhookField] = &[
    field(
        "name",
        Shape::One(SettingKind::Name { bytes_max: 64 }),
        "required",
        "What it is called in answers, metrics and the log, and its queue is kept under. No slash.",
    ),
    field(
        "url",
        Shape::Text,
        "required",
        "Where to send to, `http` or `https`; for Alertmanager without the path `/api/v2/alerts`.",
    ),
    field(
        "format",
        Shape::One(SettingKind::Choice(&["json", "slack", "alertmanager"])),
        "json",
        "Signed JSON events, sentences for a chat, or alerts that are raised and cleared.",
    ),
    field("services", Shape::List, "all", "Only these services, by name."),
    field("nodes", Shape::List, "all", "Only what is on these nodes, by name."),
    field("tags", Shape::List, "any", "Only instances that have all of these tags."),
    field(
        "statuses",
        Shape::Statuses,
        "all",
        "Only changes into or out of these statuses; for Alertmanager the ones that are alerts \
         (`warning`, `critical`).",
    ),
    field(
        "filter",
        Shape::Text,
        "none",
        "Only instances that match, in the filter language of `/v1/health/service/:name`.",
    ),
    field(
        "secret_file",
        Shape::One(SettingKind::Path),
        "none",
        "The file that holds the secret to sign with.",
    ),
    field(
        "secret_env",
        Shape::One(SettingKind::Name { bytes_max: 255 }),
        "none",
        "The environment variable that holds the secret to sign with.",
    ),
    field("headers", Shape::Headers, "none", "Headers to send along, such as `Authorization`."),
    field(
        "timeout",
        Shape::One(SettingKind::Duration { min_s: 1, max_s: 60 }),
        "10s",
        "How long one attempt may take, from the name's lookup to the answer.",
    ),
    field(
        "queue_max",
        Shape::One(SettingKind::Integer { min: 100, max: 1_000_000 }),
        "10000",
        "Events that may wait; at the bound the oldest becomes a dead letter.",
    ),
    field(
        "give_up_after",
        Shape::One(SettingKind::Duration { min_s: 60, max_s: 30 * 86_400 }),
        "24h0m0s",
        "Age at which an event that cannot be delivered becomes a dead letter.",
    ),
    field(
        "tls_skip_verify",
        Shape::One(SettingKind::Boolean),
        "false",
        "Accept any certificate. What is sent can then be read and altered on the way.",
    ),
    field(
        "tls_server_name",
        Shape::Text,
        "the URL's host",
        "The name to ask for and to verify in the TLS handshake.",
    ),
];

#[cfg(test)]
mod tests;
