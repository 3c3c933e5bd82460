//! What holds for all instances of a service: the tables `[service_defaults.NAME]` of the files, each with the keys of
//! [`FIELDS`]. Where several files write the same key for the same service, the later one wins.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::base::stdx::nearest::nearest;
use crate::config::kind::{SettingKind, SettingValue};
use crate::config::problem::{Problem, SettingSource, quoted, shortened};

/// The key of the tables in a file.
pub const TABLES: &str = "service_defaults";

/// Services with defaults there may be. Those with a panic threshold are judged whenever metrics are read.
const SERVICES_MAX: usize = 10_000;

/// The window of a panic threshold that is given without one.
const PANIC_WINDOW_DEFAULT: Duration = Duration::from_secs(30);

/// One key of such a table.
struct Field {
    name: &'static str,
    kind: SettingKind,
    example: &'static str,
}

const PANIC_THRESHOLD: &str = "panic_threshold";
const PANIC_WINDOW: &str = "panic_window";

/// Every key, as `docs/configuration.md` describes it.
const FIELDS: &[Field] = &[
    Field { name: PANIC_THRESHOLD, kind: SettingKind::Integer { min: 1, max: 99 }, example: "50" },
    Field { name: PANIC_WINDOW, kind: SettingKind::Duration { min_s: 1, max_s: 3_600 }, example: "\"30s\"" },
];

/// What holds for all instances of one service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceDefaults {
    /// When the service is in panic; `None` for never.
    pub panic: Option<PanicThreshold>,
}

/// More than this share of the instances began to fail within this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PanicThreshold {
    /// In percent, 1 to 99.
    pub percent: u8,
    /// A second to an hour.
    pub window: Duration,
}

/// Defaults by name of the service, in lower case.
pub type Defaults = BTreeMap<String, ServiceDefaults>;

/// Reads the tables in the order in which they were written.
///
/// # Errors
/// Everything that is wrong with any of them.
pub fn read(tables: &[(toml::Value, SettingSource)]) -> Result<Defaults, Vec<Problem>> {
    let mut services: BTreeMap<String, Written> = BTreeMap::new();
    let mut problems = Vec::new();
    for (value, origin) in tables {
        let Some(table) = value.as_table() else {
            problems.push(misshapen(TABLES, origin));
            continue;
        };
        for (name, value) in table {
            let Some(fields) = value.as_table() else {
                problems.push(misshapen(&key(name, ""), origin));
                continue;
            };
            let written = services.entry(name.to_lowercase()).or_default();
            for (field, value) in fields {
                match read_field(name, field, value, origin) {
                    Ok((field, value)) => drop(written.0.insert(field, (value, origin.clone()))),
                    Err(problem) => problems.push(*problem),
                }
            }
        }
    }
    if let Some((_, (_, origin))) =
        services.values().nth(SERVICES_MAX).and_then(|written| written.0.first_key_value())
    {
        problems.push(Problem {
            complaint: "there are too many of these tables".to_owned(),
            allowed: format!("defaults for {SERVICES_MAX} services"),
            ..misshapen(TABLES, origin)
        });
    }
    let mut defaults = Defaults::new();
    for (name, written) in services {
        match written.finish(&name) {
            Ok(finished) => drop(defaults.insert(name, finished)),
            Err(problem) => problems.push(*problem),
        }
    }
    if problems.is_empty() { Ok(defaults) } else { Err(problems) }
}

/// The keys of one service with their values, whoever wrote them.
#[derive(Default)]
struct Written(BTreeMap<&'static str, (SettingValue, SettingSource)>);

impl Written {
    fn finish(self, name: &str) -> Result<ServiceDefaults, Box<Problem>> {
        let window = match self.0.get(PANIC_WINDOW) {
            Some((SettingValue::Duration(window), _)) => Some(*window),
            _ => None,
        };
        let percent = match self.0.get(PANIC_THRESHOLD) {
            Some((SettingValue::Integer(percent), _)) => u8::try_from(*percent).ok(),
            _ => None,
        };
        match (percent, self.0.get(PANIC_WINDOW)) {
            (None, Some((window, origin))) => Err(Box::new(Problem {
                key: key(name, PANIC_WINDOW),
                value: quoted(&window.to_string()),
                origin: origin.clone(),
                complaint: "there is no threshold that it could be the window of".to_owned(),
                allowed: format!("a window beside a {PANIC_THRESHOLD}"),
                remedy: format!("write {PANIC_THRESHOLD} as well, or leave it out"),
            })),
            _ => {
                let window = window.unwrap_or(PANIC_WINDOW_DEFAULT);
                Ok(ServiceDefaults { panic: percent.map(|percent| PanicThreshold { percent, window }) })
            }
        }
    }
}

fn read_field(
    service: &str,
    name: &str,
    value: &toml::Value,
    origin: &SettingSource,
) -> Result<(&'static str, SettingValue), Box<Problem>> {
    let problem = |complaint: String, allowed: String, remedy: String| {
        let value = shortened(&value.to_string());
        Box::new(Problem {
            key: key(service, name),
            value,
            origin: origin.clone(),
            complaint,
            allowed,
            remedy,
        })
    };
    let Some(field) = FIELDS.iter().find(|field| field.name == name) else {
        let names = || FIELDS.iter().map(|field| field.name);
        let near = nearest(name, names())
            .map_or("leave it out".to_owned(), |near| format!("did you mean `{near}`?"));
        let allowed = names().collect::<Vec<_>>().join(", ");
        return Err(problem("services have no such default".to_owned(), allowed, near));
    };
    let text = match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Integer(number) => number.to_string(),
        other => format!("a {}", other.type_str()),
    };
    let read = field.kind.read(&[text]);
    read.map(|value| (field.name, value)).map_err(|complaint| {
        let remedy = format!("write for example {name} = {}", field.example);
        problem(complaint, field.kind.allowed(), remedy)
    })
}

fn key(service: &str, field: &str) -> String {
    let dot = if field.is_empty() { "" } else { "." };
    format!("{TABLES}.{service}{dot}{field}")
}

fn misshapen(key: &str, origin: &SettingSource) -> Problem {
    Problem {
        key: key.to_owned(),
        value: String::new(),
        origin: origin.clone(),
        complaint: "it is no table".to_owned(),
        allowed: format!("tables `[{TABLES}.NAME]`, one for each service"),
        remedy: "`muster help panic` tells of them".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_files(texts: &[&str]) -> Result<Defaults, Vec<Problem>> {
        let tables = texts.iter().zip(1..).map(|(text, number)| {
            let file: toml::Table = text.parse().expect("valid TOML");
            (file[TABLES].clone(), SettingSource::File(format!("{number}.toml").into()))
        });
        read(&tables.collect::<Vec<_>>())
    }

    fn panic(defaults: &Defaults, name: &str) -> Option<(u8, u64)> {
        defaults[name].panic.map(|panic| (panic.percent, panic.window.as_secs()))
    }

    #[test]
    fn tables_are_read_and_later_files_win_by_key() {
        let defaults = read_files(&[
            "[service_defaults.Web]\npanic_threshold = 50\npanic_window = '10s'\n[service_defaults.db]\n",
            "[service_defaults.web]\npanic_threshold = '60'\n[service_defaults.api]\npanic_threshold = 1",
        ]);
        let defaults = defaults.expect("valid");
        assert_eq!(panic(&defaults, "web"), Some((60, 10)));
        assert_eq!(panic(&defaults, "api"), Some((1, 30)));
        assert_eq!((panic(&defaults, "db"), defaults.len()), (None, 3));
    }

    #[test]
    fn bounds_hold_at_the_limit_and_one_past_it() {
        let rows = [
            ("panic_threshold = 1", true),
            ("panic_threshold = 99", true),
            ("panic_threshold = 0", false),
            ("panic_threshold = 100", false),
            ("panic_threshold = -1", false),
            ("panic_threshold = 5.5", false),
            ("panic_threshold = 5\npanic_window = '1s'", true),
            ("panic_threshold = 5\npanic_window = '1h'", true),
            ("panic_threshold = 5\npanic_window = '999ms'", false),
            ("panic_threshold = 5\npanic_window = '1h1s'", false),
            ("panic_threshold = 5\npanic_window = true", false),
            ("panic_window = '30s'", false),
        ];
        for (text, is_fine) in rows {
            let read = read_files(&[&format!("[service_defaults.web]\n{text}")]);
            assert_eq!(read.is_ok(), is_fine, "{text}: {read:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place_and_a_remedy() {
        let rows = [
            ("service_defaults = 5", "service_defaults", "muster help panic"),
            ("[service_defaults]\nweb = 5", "service_defaults.web", "muster help panic"),
            (
                "[service_defaults.web]\npanic_treshold = 5",
                "service_defaults.web.panic_treshold",
                "did you mean `panic_threshold`?",
            ),
            (
                "[service_defaults.web]\npanic_window = '5s'",
                "service_defaults.web.panic_window",
                "write panic_threshold as well",
            ),
            (
                "[service_defaults.web]\npanic_threshold = 'half'",
                "service_defaults.web.panic_threshold",
                "panic_threshold = 50",
            ),
        ];
        for (text, key, remedy) in rows {
            let problems = read_files(&[text]).expect_err(text);
            assert_eq!((problems.len(), problems[0].key.as_str()), (1, key), "{text}");
            assert!(problems[0].remedy.contains(remedy), "{text}: {}", problems[0]);
        }
    }
}
