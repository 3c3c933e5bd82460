//! Settings as they were written: by whom, where, not yet understood. Later sources win over earlier ones.
//!
//! Pure: files and environment come in as text. What is not a setting is a problem when it stands in a file
//! and a warning when it stands in the environment, for a container platform puts variables of its own there
//! (`MUSTER_SERVICE_HOST` for a service called muster).

use std::collections::BTreeMap;
use std::path::Path;

use crate::base::stdx::nearest::nearest;
use crate::base::stdx::redact;
use crate::base::stdx::text_position::TextPosition;
use crate::config::kind::SettingKind;
use crate::config::problem::{Problem, SettingSource, shortened};
use crate::config::service_defaults;
use crate::config::settings::{self, SETTINGS, Setting, VARIABLE_PREFIX};
use crate::config::webhooks;

/// Variables that say where to read rather than what to set.
pub const PLACE_VARIABLES: &[&str] = &["MUSTER_CONFIG_FILE", "MUSTER_CONFIG_DIR"];

/// One setting as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenSetting {
    /// Its value; one text, or one for each element of a list.
    pub texts: Vec<String>,
    /// Where it was written.
    pub origin: SettingSource,
}

/// What Consul's settings say of addresses, each by the source that wins.
#[derive(Debug, Default)]
pub struct Listening {
    /// Hosts, separated by blanks.
    pub client: Option<WrittenSetting>,
    /// The same, for HTTP alone.
    pub http: Option<WrittenSetting>,
    /// The port for HTTP.
    pub port: Option<WrittenSetting>,
    /// As `http`, for HTTP over TLS.
    pub https: Option<WrittenSetting>,
    /// The port for that.
    pub https_port: Option<WrittenSetting>,
    /// The address that the agent is bound to, which is advertised unless another is.
    pub bind: Option<WrittenSetting>,
    /// The address that is advertised where nothing else says one.
    pub advertised_ipv4: Option<WrittenSetting>,
}

/// Everything that was written, and what was wrong with it on the face of it.
#[derive(Debug, Default)]
pub struct Raw {
    written: BTreeMap<&'static str, WrittenSetting>,
    /// What stood under [`service_defaults::TABLES`], in the order in which it was read.
    pub service_defaults: Vec<(toml::Value, SettingSource)>,
    /// The tables `[[webhooks]]`, in the order in which they were read.
    pub webhooks: Vec<(toml::Table, SettingSource)>,
    /// What Consul's settings say of addresses.
    pub listening: Listening,
    /// What Consul's settings say of TLS, each by its place in the table of these.
    pub tls: BTreeMap<usize, WrittenSetting>,
    /// What Consul's `enable_script_checks` says.
    pub scripts: Option<WrittenSetting>,
    /// Settings of Consul's that mean nothing here, each with where it was written.
    pub foreign: Vec<String>,
    /// Those of them by which Consul closes something that stays open here.
    pub closing: Vec<String>,
    /// What cannot be a setting at all.
    pub problems: Vec<Problem>,
    /// What was probably meant to be a setting, but may be somebody else's.
    pub warnings: Vec<String>,
}

impl Raw {
    /// What was written for a key, by the source that wins.
    pub fn get(&self, key: &str) -> Option<&WrittenSetting> {
        self.written.get(key)
    }

    /// Adds the settings of one TOML file.
    pub fn add_file(&mut self, path: &Path, text: &str) {
        let origin = SettingSource::File(path.to_path_buf());
        match text.parse::<toml::Table>() {
            Ok(table) => self.add_table("", &table, &origin),
            Err(error) => {
                let position = TextPosition::of(text, error.span().map_or(0, |span| span.start));
                self.problems.push(Problem {
                    key: position.to_string(),
                    value: String::new(),
                    origin,
                    complaint: error.message().to_owned(),
                    allowed: "TOML".to_owned(),
                    remedy: "mend the line".to_owned(),
                });
            }
        }
    }

    fn add_table(&mut self, prefix: &str, table: &toml::Table, origin: &SettingSource) {
        for (name, value) in table {
            let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
            let is_table_of_ours = SETTINGS.iter().any(|it| it.key.starts_with(&format!("{key}.")));
            match (value, settings::by_key(&key)) {
                (_, None) if key == service_defaults::TABLES => {
                    self.service_defaults.push((value.clone(), origin.clone()));
                }
                (toml::Value::Array(elements), _) if key == webhooks::TABLES => {
                    self.add_webhooks(elements, origin);
                }
                (toml::Value::Table(inner), _) if is_table_of_ours => self.add_table(&key, inner, origin),
                (toml::Value::Table(inner), Some(setting)) if matches!(setting.kind, SettingKind::Pairs) => {
                    let pair =
                        |(key, value): (&String, &toml::Value)| Some(format!("{key}={}", scalar(value)?));
                    match inner.iter().map(pair).collect() {
                        Some(texts) => self.put(setting, texts, origin.clone()),
                        None => self.problems.push(unfit(setting, value, origin)),
                    }
                }
                (_, Some(setting)) => self.add_value(setting, value, origin),
                _ => self.problems.push(unknown_key(&key, value, origin)),
            }
        }
    }

    fn add_webhooks(&mut self, elements: &[toml::Value], origin: &SettingSource) {
        for element in elements {
            match element.as_table() {
                Some(table) => self.webhooks.push((table.clone(), origin.clone())),
                None => self.problems.push(unknown_key(webhooks::TABLES, element, origin)),
            }
        }
    }

    fn add_value(&mut self, setting: &'static Setting, value: &toml::Value, origin: &SettingSource) {
        let texts = match value {
            toml::Value::Array(elements) => elements.iter().map(scalar).collect::<Option<Vec<_>>>(),
            single => scalar(single).map(|text| vec![text]),
        };
        match texts {
            Some(texts) => self.put(setting, texts, origin.clone()),
            None => self.problems.push(unfit(setting, value, origin)),
        }
    }

    /// Adds what the environment sets. An empty variable counts as absent, as compose files leave them.
    pub fn add_environment(&mut self, variables: &[(String, String)]) {
        for (name, value) in variables {
            if !name.starts_with(VARIABLE_PREFIX)
                || value.is_empty()
                || PLACE_VARIABLES.contains(&name.as_str())
            {
                continue;
            }
            match SETTINGS.iter().find(|setting| setting.variable() == *name) {
                Some(setting) => self.put_text(setting, value, SettingSource::Environment(name.clone())),
                None => self.warnings.extend(suspicion(name)),
            }
        }
    }

    /// Adds what the command line sets, as pairs of key and value. A key of a list may come several times.
    pub fn add_flags(&mut self, flags: &[(&'static str, String)]) {
        for setting in SETTINGS {
            let given = flags.iter().filter(|(key, _)| *key == setting.key).map(|(_, value)| value.as_str());
            let texts: Vec<String> = match setting.kind {
                // Each is a pair of its own, whatever stands in it.
                SettingKind::Pairs => given.map(str::to_owned).collect(),
                _ => given.flat_map(|text| texts(setting, text)).collect(),
            };
            if !texts.is_empty() {
                self.put(setting, texts, SettingSource::Flag(setting.flag()));
            }
        }
    }

    fn put_text(&mut self, setting: &'static Setting, text: &str, origin: SettingSource) {
        self.put(setting, texts(setting, text), origin);
    }

    /// Takes a setting as written; a key that there is not is nothing.
    pub(in crate::config) fn put_key(&mut self, key: &str, texts: Vec<String>, origin: &SettingSource) {
        if let Some(setting) = settings::by_key(key) {
            self.put(setting, texts, origin.clone());
        }
    }

    fn put(&mut self, setting: &'static Setting, texts: Vec<String>, origin: SettingSource) {
        self.written.insert(setting.key, WrittenSetting { texts, origin });
    }
}

/// The elements of a text, where the setting is a list.
fn texts(setting: &Setting, text: &str) -> Vec<String> {
    match setting.kind.is_list() {
        true => text.split(',').map(|it| it.trim().to_owned()).filter(|it| !it.is_empty()).collect(),
        false => vec![text.to_owned()],
    }
}

fn unfit(setting: &Setting, value: &toml::Value, origin: &SettingSource) -> Problem {
    Problem {
        key: setting.key.to_owned(),
        value: shortened(&value.to_string()),
        origin: origin.clone(),
        complaint: format!("a {} cannot be its value", value.type_str()),
        allowed: setting.kind.allowed(),
        remedy: format!("write it as {} = {:?}", setting.key, setting.fallback_shown()),
    }
}

/// The text of a value that is neither list nor table nor date.
fn scalar(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(truth) => Some(truth.to_string()),
        _ => None,
    }
}

/// What Consul calls the setting `node`.
const NODE_OF_CONSUL: &str = "node_name";

fn unknown_key(key: &str, value: &toml::Value, origin: &SettingSource) -> Problem {
    let keys = SETTINGS.iter().map(|setting| setting.key);
    let tables = keys.clone().filter_map(|key| key.split_once('.')).map(|(table, _)| table);
    let is_table = tables.clone().any(|table| table == key);
    let others = [service_defaults::TABLES, webhooks::TABLES, NODE_OF_CONSUL];
    let near = match nearest(key, keys.chain(tables).chain(others)) {
        Some(webhooks::TABLES) => Some("[[webhooks]]"),
        Some(NODE_OF_CONSUL) => Some("node"),
        near => near,
    };
    let remedy = match near {
        _ if is_table => {
            format!("write [{key}] and its keys below that: `muster help configuration` lists them")
        }
        Some(near) => format!("did you mean `{near}`?"),
        None => "`muster help configuration` lists the keys there are".to_owned(),
    };
    Problem {
        key: key.to_owned(),
        // It may be a password under a misspelt name.
        value: match scalar(value) {
            Some(_) if !near.is_some_and(redact::is_secret_name) => shortened(&value.to_string()),
            _ => String::new(),
        },
        origin: origin.clone(),
        complaint: "there is no such setting".to_owned(),
        allowed: match near {
            Some(_) if !is_table => "the keys that `muster help configuration` lists".to_owned(),
            _ => String::new(),
        },
        remedy,
    }
}

/// A warning for a variable that nearly is one of ours.
fn suspicion(name: &str) -> Option<String> {
    let variables: Vec<String> = SETTINGS.iter().map(Setting::variable).collect();
    let known = variables.iter().map(String::as_str).chain(PLACE_VARIABLES.iter().copied());
    let stem = name.strip_prefix(VARIABLE_PREFIX)?;
    let near = nearest(stem, known.filter_map(|it| it.strip_prefix(VARIABLE_PREFIX)))?;
    Some(format!("environment {name} is no setting and is ignored; did you mean {VARIABLE_PREFIX}{near}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(raw: &Raw, key: &str) -> Vec<String> {
        raw.get(key).map(|written| written.texts.clone()).unwrap_or_default()
    }

    #[test]
    fn flags_win_over_environment_over_files_over_earlier_files() {
        let mut raw = Raw::default();
        raw.add_file(Path::new("a.toml"), "node = 'a'\ndatacenter = 'a'\nstore = 'a'\nworkers = 1");
        raw.add_file(Path::new("b.toml"), "node = 'b'\ndatacenter = 'b'\nstore = 'b'");
        raw.add_environment(&[("MUSTER_NODE".into(), "c".into()), ("MUSTER_DATACENTER".into(), "c".into())]);
        raw.add_flags(&[("node", "d".into())]);
        let won = ["node", "datacenter", "store", "workers"].map(|key| texts(&raw, key).concat());
        assert_eq!(won, ["d", "c", "b", "1"]);
        assert!(raw.problems.is_empty(), "{:?}", raw.problems);
    }

    #[test]
    fn tables_and_lists_are_read() {
        let mut raw = Raw::default();
        raw.add_file(
            Path::new("a.toml"),
            "http_addr = ['a:1', 'b:2']\ndev = true\n[limits]\nhead_timeout = '3s'",
        );
        assert_eq!(texts(&raw, "http_addr"), ["a:1", "b:2"]);
        assert_eq!(
            (texts(&raw, "dev"), texts(&raw, "limits.head_timeout")),
            (vec!["true".into()], vec!["3s".into()])
        );
        raw.add_environment(&[("MUSTER_HTTP_ADDR".into(), " c:3, d:4,".into())]);
        assert_eq!(texts(&raw, "http_addr"), ["c:3", "d:4"]);
        raw.add_file(Path::new("b.toml"), "[node_meta]\nzone = 'a,b'\nrack = 7");
        assert_eq!(texts(&raw, "node_meta"), ["rack=7", "zone=a,b"]);
        raw.add_environment(&[("MUSTER_NODE_META".into(), "zone=c, rack=8".into())]);
        assert_eq!(texts(&raw, "node_meta"), ["zone=c", "rack=8"]);
        raw.add_flags(&[("node_meta", "zone:d,e".into()), ("node_meta", "rack:9".into())]);
        assert_eq!(texts(&raw, "node_meta"), ["zone:d,e", "rack:9"]);
    }

    #[test]
    fn what_is_no_setting_is_told_with_the_nearest() {
        let rows = [
            ("node_nam = 'x'", "node_nam", "did you mean `node`?"),
            ("htp_addr = 'x'", "htp_addr", "did you mean `http_addr`?"),
            ("[limits]\nidle_timout = '5s'", "limits.idle_timout", "did you mean `limits.idle_timeout`?"),
            ("[limit]\nx = 1", "limit", "did you mean `limits`?"),
            ("[[webhook]]\nname = 'x'", "webhook", "did you mean `[[webhooks]]`?"),
            ("[service_default.web]\nx = 1", "service_default", "did you mean `service_defaults`?"),
            ("[node]\nname = 'x'", "node", "write it as"),
            ("node = 1.5", "node", "write it as"),
            ("limits = 3", "limits", "muster help configuration"),
            ("\nnode = ", "line 2", "mend the line"),
        ];
        for (text, key, remedy) in rows {
            let mut raw = Raw::default();
            raw.add_file(Path::new("muster.toml"), text);
            let [problem] = &raw.problems[..] else { panic!("{text}: {:?}", raw.problems) };
            assert!(problem.key.starts_with(key), "{text}: {}", problem.key);
            assert!(problem.remedy.contains(remedy), "{text}: {}", problem.remedy);
        }
    }

    #[test]
    fn foreign_variables_are_left_alone_and_misspelt_ones_mentioned() {
        let rows = [
            ("MUSTER_SERVICE_HOST", 0),
            ("MUSTER_PORT_8500_TCP_ADDR", 0),
            ("HTTP_ADDR", 0),
            ("MUSTER_HTP_ADDR", 1),
            ("MUSTER_CONFIG_FILE", 0),
        ];
        for (name, warnings) in rows {
            let mut raw = Raw::default();
            raw.add_environment(&[(name.into(), "x".into())]);
            assert_eq!((raw.warnings.len(), raw.problems.len()), (warnings, 0), "{name}: {:?}", raw.warnings);
        }
    }
}
