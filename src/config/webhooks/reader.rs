//! Reads `[[webhooks]]` tables, and says everything that is wrong with them.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use ureq::http::{HeaderName, HeaderValue, Uri};

use super::{FIELDS, Hidden, LIST_MAX, Shape, TABLES, Webhook, WebhookFormat};
use crate::base::stdx::nearest::nearest;
use crate::base::sys::host;
use crate::config::files;
use crate::config::kind::SettingValue;
use crate::config::problem::{Problem, SettingSource, quoted};
use crate::core::filter;
use crate::core::model::Status;
use crate::core::model::target::TargetPolicy;
use crate::wire::select::INSTANCE;

/// Webhooks there may be. Each has its own queue on disk and its own connections.
pub(super) const WEBHOOKS_MAX: usize = 64;

/// Bytes of a secret. Longer ones are hashed first by the algorithm itself and are no stronger.
const SECRET_BYTES_MAX: usize = 4096;

/// Reads every table, in the order of the files. Blocks on the disk where a secret is in a file.
///
/// # Errors
/// A problem for everything that is wrong.
pub fn read(
    tables: &[(toml::Table, SettingSource)],
    environment: &[(String, String)],
) -> Result<Vec<Webhook>, Vec<Problem>> {
    let (mut webhooks, mut problems) = (Vec::<Webhook>::new(), Vec::new());
    for (position, (table, origin)) in tables.iter().enumerate() {
        let mut reader = Reader { table, origin, position, problems: Vec::new() };
        let webhook = reader.webhook(environment);
        if webhooks.iter().any(|it| it.name == webhook.name) {
            reader.complain("name", &webhook.name, "another webhook has this name", "give each its own");
        }
        webhooks.push(webhook);
        if position == WEBHOOKS_MAX {
            reader.complain("name", "", "there are too many webhooks", "let some share a receiver");
        }
        problems.extend(reader.problems);
    }
    if problems.is_empty() { Ok(webhooks) } else { Err(problems) }
}

/// What is wrong with where webhooks go, each of them read from the table at its place.
pub fn refused_targets(
    webhooks: &[Webhook],
    tables: &[(toml::Table, SettingSource)],
    targets: &TargetPolicy,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (position, (webhook, (table, origin))) in webhooks.iter().zip(tables).enumerate() {
        let mut reader = Reader { table, origin, position, problems: Vec::new() };
        if let Some(refusal) = targets.refusal_of_url(&webhook.url.0, host::has_address) {
            reader.complain(
                "url",
                "",
                refusal,
                "name another, or the network of this one in probe_allow_cidrs",
            );
        }
        problems.extend(reader.problems);
    }
    problems
}

/// Reads one table.
struct Reader<'a> {
    table: &'a toml::Table,
    origin: &'a SettingSource,
    /// Which table it is, from 0.
    position: usize,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn webhook(&mut self, environment: &[(String, String)]) -> Webhook {
        self.refuse_unknown_keys();
        let name = self.name();
        let format = match self.text("format").as_str() {
            "slack" => WebhookFormat::Slack,
            "alertmanager" => WebhookFormat::Alertmanager,
            _ => WebhookFormat::Json,
        };
        Webhook {
            name,
            url: Hidden(self.url()),
            format,
            filter: self.filter(),
            services: self.list("services"),
            nodes: self.list("nodes"),
            tags: self.list("tags"),
            statuses: self.statuses(format),
            secret: self.secret(environment).map(Hidden),
            headers: self.headers(),
            timeout: self.duration("timeout"),
            queue_max: match self.one("queue_max") {
                Some(SettingValue::Integer(number)) => number as usize,
                _ => 0,
            },
            give_up_after: self.duration("give_up_after"),
            tls_skip_verify: self.one("tls_skip_verify") == Some(SettingValue::Boolean(true)),
            tls_server_name: self.text("tls_server_name"),
        }
    }

    fn refuse_unknown_keys(&mut self) {
        for key in self.table.keys().filter(|key| FIELDS.iter().all(|field| field.key != *key)) {
            let near = nearest(key, FIELDS.iter().map(|field| field.key));
            let remedy = near.map_or("`muster help webhooks` lists the keys there are".to_owned(), |near| {
                format!("did you mean `{near}`?")
            });
            self.problems.push(Problem {
                key: format!("{TABLES}[{}].{key}", self.position + 1),
                value: String::new(),
                origin: self.origin.clone(),
                complaint: "a webhook has no such key".to_owned(),
                allowed: near
                    .map_or(String::new(), |_| "the keys that `muster help webhooks` lists".to_owned()),
                remedy,
            });
        }
    }

    /// Notes what is wrong with a key. The value is shown back, so none that is secret may be given.
    fn complain(&mut self, key: &'static str, value: &str, complaint: impl Into<String>, remedy: &str) {
        let field = FIELDS.iter().find(|field| field.key == key).expect("only keys of the table are read");
        self.problems.push(Problem {
            key: format!("{TABLES}[{}].{key}", self.position + 1),
            value: if value.is_empty() { String::new() } else { quoted(value) },
            origin: self.origin.clone(),
            complaint: complaint.into(),
            allowed: field.shape.allowed(),
            remedy: remedy.to_owned(),
        });
    }

    /// The value of a key that takes one, or its default; `None` after a complaint and where there is no default.
    fn one(&mut self, key: &'static str) -> Option<SettingValue> {
        let field = FIELDS.iter().find(|field| field.key == key)?;
        let Shape::One(kind) = field.shape else { return None };
        let Some(written) = self.table.get(key) else { return kind.read(&[field.fallback.to_owned()]).ok() };
        let text = match written {
            toml::Value::String(text) => text.clone(),
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Boolean(truth) => truth.to_string(),
            other => {
                let complaint = format!("a {} cannot be its value", other.type_str());
                self.complain(key, "", complaint, "write one value");
                return None;
            }
        };
        match kind.read(std::slice::from_ref(&text)) {
            Ok(value) => Some(value),
            Err(complaint) => {
                let remedy = match field.fallback {
                    "required" | "none" => "`muster help webhooks` tells of it".to_owned(),
                    fallback => format!("the default is {fallback}"),
                };
                self.complain(key, &text, complaint, &remedy);
                None
            }
        }
    }

    fn duration(&mut self, key: &'static str) -> Duration {
        match self.one(key) {
            Some(SettingValue::Duration(length)) => length,
            _ => Duration::ZERO,
        }
    }

    /// The text of a key; empty when it is absent or was complained about.
    fn text(&mut self, key: &'static str) -> String {
        let is_plain = FIELDS.iter().any(|field| field.key == key && matches!(field.shape, Shape::Text));
        if !is_plain {
            return match self.one(key) {
                Some(SettingValue::Text(text)) => text,
                _ => String::new(),
            };
        }
        match self.table.get(key) {
            None => String::new(),
            Some(toml::Value::String(text)) if !text.is_empty() => text.clone(),
            Some(_) => {
                self.complain(key, "", "it is empty or no text", "write it in quotes");
                String::new()
            }
        }
    }

    fn name(&mut self) -> String {
        if !self.table.contains_key("name") {
            self.complain("name", "", "it is missing", "give the webhook a name");
            return format!("{TABLES}[{}]", self.position + 1);
        }
        let name = self.text("name");
        if name.contains('/') {
            self.complain("name", &name, "it holds a slash", "the name stands in paths: use a hyphen");
        }
        name
    }

    fn url(&mut self) -> String {
        let url = self.text("url");
        let uri = url.parse::<Uri>().ok();
        let scheme_is_known =
            uri.as_ref().is_some_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")));
        let authority = uri.as_ref().and_then(|uri| uri.authority()).map(ToString::to_string);
        let remedy = "write for example https://receiver.example/muster";
        match authority {
            _ if !self.table.contains_key("url") => self.complain("url", "", "it is missing", remedy),
            Some(authority) if scheme_is_known && authority.contains('@') => {
                let remedy = "send an `Authorization` header (`headers`) instead";
                self.complain("url", "", "it holds a user name or password", remedy);
            }
            Some(authority) if scheme_is_known && !authority.is_empty() => {}
            _ if url.is_empty() => {}
            _ => self.complain("url", "", "it is no absolute http or https URL", remedy),
        }
        url
    }

    fn filter(&mut self) -> Option<String> {
        let text = self.text("filter");
        if text.is_empty() {
            return None;
        }
        let bound = filter::parse(&text).and_then(|expression| expression.bind(&INSTANCE));
        if let Err(error) = bound {
            let remedy = "try it with ?filter= at /v1/health/service/:name";
            self.complain("filter", &text, error.to_string(), remedy);
        }
        Some(text)
    }

    fn list(&mut self, key: &'static str) -> Vec<String> {
        let Some(written) = self.table.get(key) else { return Vec::new() };
        let text = |value: &toml::Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let texts: Option<Vec<String>> =
            written.as_array().and_then(|elements| elements.iter().map(text).collect());
        match texts {
            Some(texts) if (1..=LIST_MAX).contains(&texts.len()) => texts,
            _ => {
                let remedy = format!("write {key} = [\"one\", \"two\"], or leave it out");
                self.complain(key, "", "it is no such list, or empty", &remedy);
                Vec::new()
            }
        }
    }

    fn statuses(&mut self, format: WebhookFormat) -> Vec<Status> {
        let (is_alertmanager, fallback) = match format {
            WebhookFormat::Alertmanager => (true, vec![Status::Warning, Status::Critical]),
            _ => (false, vec![Status::Passing, Status::Warning, Status::Critical]),
        };
        if !self.table.contains_key("statuses") {
            return fallback;
        }
        let words = self.list("statuses");
        let read: Vec<Status> = words.iter().filter_map(|word| Status::parse(word)).collect();
        if read.len() < words.len() {
            self.complain("statuses", &words.join(","), "it holds other words", "use these three");
        } else if is_alertmanager && read.contains(&Status::Passing) {
            let remedy = "name `warning`, `critical` or both; alerts clear by themselves";
            self.complain("statuses", "passing", "what passes is no alert", remedy);
        }
        read
    }

    fn secret(&mut self, environment: &[(String, String)]) -> Option<String> {
        let has = |key: &str| self.table.contains_key(key);
        if has("secret_file") && has("secret_env") {
            self.complain("secret_env", "", "`secret_file` is there too", "leave one of them out");
            return None;
        }
        let (key, text) = if has("secret_file") {
            ("secret_file", self.secret_in_file()?)
        } else if has("secret_env") {
            let Some(SettingValue::Text(variable)) = self.one("secret_env") else { return None };
            let Some((_, text)) = environment.iter().find(|(name, _)| *name == variable) else {
                self.complain(
                    "secret_env",
                    &variable,
                    "there is no such variable",
                    "set it, or name another",
                );
                return None;
            };
            ("secret_env", text.clone())
        } else {
            return None;
        };
        let secret = text.trim_end_matches(['\r', '\n']).to_owned();
        if secret.is_empty() || secret.len() > SECRET_BYTES_MAX {
            let remedy = format!("a secret has 1 to {SECRET_BYTES_MAX} bytes");
            self.complain(key, "", format!("the secret has {} bytes", secret.len()), &remedy);
        }
        Some(secret)
    }

    fn secret_in_file(&mut self) -> Option<String> {
        let Some(SettingValue::Path(path)) = self.one("secret_file") else { return None };
        match files::read(Path::new(&path)) {
            Ok(text) => Some(text),
            Err(problems) => {
                let (shown, complaint) = (path.display().to_string(), problems.0[0].complaint.clone());
                self.complain("secret_file", &shown, complaint, "check its path and permissions");
                None
            }
        }
    }

    fn headers(&mut self) -> Vec<(String, Hidden)> {
        let Some(written) = self.table.get("headers") else { return Vec::new() };
        let Some(table) = written.as_table() else {
            self.complain("headers", "", "it is no table", "write headers = { X-Team = \"ops\" }");
            return Vec::new();
        };
        let mut headers = BTreeMap::new();
        for (name, value) in table {
            let is_name = HeaderName::from_bytes(name.as_bytes()).is_ok();
            match value.as_str().filter(|text| is_name && HeaderValue::from_str(text).is_ok()) {
                Some(text) => drop(headers.insert(name.clone(), Hidden(text.to_owned()))),
                None => {
                    let remedy = "use letters, digits and hyphens in names, and no line breaks in values";
                    self.complain("headers", name, "it is no header, or its value is none", remedy);
                }
            }
        }
        headers.into_iter().collect()
    }
}
