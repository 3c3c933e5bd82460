//! What a server is asked, how hard, and what its answers must look like: one TOML file each.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde::Deserialize;

use crate::template::Template;
use crate::watchers::Watch;

/// The scenarios that come with the program, by name.
pub const SHIPPED: &[(&str, &str)] = &[
    ("discovery", include_str!("../scenarios/discovery.toml")),
    ("discovery-gzip", include_str!("../scenarios/discovery-gzip.toml")),
    ("half-256", include_str!("../scenarios/half-256.toml")),
    ("half-10000", include_str!("../scenarios/half-10000.toml")),
    ("idle", include_str!("../scenarios/idle.toml")),
    ("large", include_str!("../scenarios/large.toml")),
    ("wave", include_str!("../scenarios/wave.toml")),
    ("registration", include_str!("../scenarios/registration.toml")),
    ("registration-alone", include_str!("../scenarios/registration-alone.toml")),
    ("mixed", include_str!("../scenarios/mixed.toml")),
    ("fan-out", include_str!("../scenarios/fan-out.toml")),
    ("fan-out-delta", include_str!("../scenarios/fan-out-delta.toml")),
    ("fan-out-stream", include_str!("../scenarios/fan-out-stream.toml")),
    ("large-delta", include_str!("../scenarios/large-delta.toml")),
    ("churn", include_str!("../scenarios/churn.toml")),
    ("churn-stream", include_str!("../scenarios/churn-stream.toml")),
    ("kv-get", include_str!("../scenarios/kv-get.toml")),
    ("kv-put", include_str!("../scenarios/kv-put.toml")),
    ("kv-watch", include_str!("../scenarios/kv-watch.toml")),
    ("growth", include_str!("../scenarios/growth.toml")),
    ("restart", include_str!("../scenarios/restart.toml")),
];

/// The largest crowd: two descriptors of 20,000 are left for each side's own needs.
const CONNECTIONS_MAX: usize = 19_000;

/// Bytes of a scenario's file. The longest that comes with the program has one thousand.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// A scenario as its file states it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it stands for, in a sentence.
    pub about: String,
    /// Connections that carry requests; all are opened before the first is sent, and kept.
    #[serde(default)]
    pub connections: usize,
    /// Seconds that count.
    #[serde(default)]
    pub seconds: f64,
    /// Seconds before those, which do not.
    #[serde(default = "second")]
    pub warm_up_seconds: f64,
    /// Requests a second, at constant distances whatever the server does. Without it, every connection sends its next
    /// request as soon as it has its answer, which finds the peak and hides what waiting clients would feel.
    pub rate: Option<f64>,
    /// The rate as a share of the peak, which is measured just before.
    pub share_of_peak: Option<f64>,
    /// Who watches a service while it changes, in place of requests.
    pub watch: Option<Watch>,
    /// Whether the server ends and comes back in the middle. Only where the server was started for this run.
    #[serde(default)]
    pub restart: bool,
    /// Further connections that are open and silent; each is asked once before and once after.
    #[serde(default)]
    pub idle_connections: usize,
    /// What the catalog must hold before.
    #[serde(default)]
    pub services: Vec<Services>,
    /// What the key/value store must hold before.
    pub keys: Option<Keys>,
    /// What is asked, each as often as its weight says.
    #[serde(default)]
    pub requests: Vec<Request>,
}

/// Services that are registered before, alike but for their names.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Services {
    /// The name; with a count, `NAME-0`, `NAME-1` and so on.
    pub name: String,
    /// How many such services.
    pub count: Option<usize>,
    /// Instances of each: `NAME-INSTANCE` is the id.
    pub instances: usize,
    /// TTL checks of each instance, passing for the next day: `NAME-INSTANCE-cCHECK` is the id.
    #[serde(default)]
    pub checks: usize,
}

/// Keys that are written before: `PREFIX/0`, `PREFIX/1` and so on.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// How all of them begin.
    pub prefix: String,
    /// How many.
    pub count: usize,
    /// Bytes of each value.
    pub bytes: usize,
}

/// One kind of request.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// What reports call it.
    pub name: String,
    /// How often it is drawn, beside the weights of the others.
    #[serde(default = "one")]
    pub weight: u64,
    /// The method.
    #[serde(default = "get")]
    pub method: String,
    /// Path and query, with holes.
    pub path: String,
    /// Further headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body, with holes.
    pub body: Option<String>,
    /// Numbers to fill holes with, each drawn from 0 up to one less than this.
    #[serde(default)]
    pub picks: BTreeMap<String, u64>,
    /// What the answer must look like.
    #[serde(default)]
    pub expect: Expectation,
}

/// What an answer must look like, beyond being whole.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expectation {
    /// The status.
    pub status: u16,
    /// The body is a JSON array of so many elements.
    pub elements: Option<usize>,
    /// Every answer has the same bytes as the first.
    pub constant: bool,
    /// There is an `X-Consul-Index` above 0. Servers that only serve a file are not asked for it.
    pub index: bool,
}

impl Default for Expectation {
    fn default() -> Self {
        Self { status: 200, elements: None, constant: false, index: false }
    }
}

impl Scenario {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// It is no TOML, lacks something, or asks for what cannot be.
    pub fn parse(text: &str) -> Result<Self, String> {
        let scenario: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        scenario.validate()?;
        Ok(scenario)
    }

    /// The shipped scenario of that name, or the file of that path.
    ///
    /// # Errors
    /// There is neither, or it cannot be read.
    pub fn find(name: &str) -> Result<Self, String> {
        let shipped = SHIPPED.iter().find(|(it, _)| *it == name).map(|(_, text)| (*text).to_owned());
        let text = match shipped {
            Some(text) => text,
            None => read_file(Path::new(name)).map_err(|error| {
                let names: Vec<&str> = SHIPPED.iter().map(|(name, _)| *name).collect();
                format!("{name} is neither a file ({error}) nor one of {}", names.join(", "))
            })?,
        };
        Self::parse(&text).map_err(|error| format!("{name}: {error}"))
    }

    /// Whether it asks for what can be.
    ///
    /// # Errors
    /// A sentence on what cannot.
    pub fn validate(&self) -> Result<(), String> {
        if let Some(watch) = &self.watch {
            let possible = 1..=CONNECTIONS_MAX;
            if !possible.contains(&watch.watchers) || watch.changes == 0 || !self.requests.is_empty() {
                return Err(format!(
                    "a watch has 1 to {CONNECTIONS_MAX} watchers, a change at least, and no requests"
                ));
            }
            return Ok(());
        }
        let crowd = self.connections.saturating_add(self.idle_connections);
        if self.connections == 0 || crowd > CONNECTIONS_MAX {
            return Err(format!(
                "{} connections beside {} that are idle: 1 to {CONNECTIONS_MAX} are possible, one of them busy at \
                 least",
                self.connections, self.idle_connections
            ));
        }
        if self.rate.is_some() && self.share_of_peak.is_some() {
            return Err("rate and share_of_peak exclude each other".into());
        }
        let is_some = |it: f64| it.is_finite() && it > 0.0;
        if !self.rate.into_iter().chain(self.share_of_peak).chain([self.seconds]).all(is_some) {
            return Err("rate, share_of_peak and seconds are numbers above 0".into());
        }
        if self.requests.iter().map(|it| it.weight).sum::<u64>() == 0 {
            return Err("there is no request with a weight above 0".into());
        }
        for request in &self.requests {
            Template::parse(&request.path, &request.picks)?;
            Template::parse(request.body.as_deref().unwrap_or_default(), &request.picks)?;
        }
        Ok(())
    }
}

/// Reads an ordinary file of a reasonable length: anything else could be read for ever.
fn read_file(path: &Path) -> io::Result<String> {
    if !path.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is there and no ordinary file"));
    }
    let mut text = String::new();
    File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    match text.len() as u64 > FILE_BYTES_MAX {
        true => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is longer than a megabyte")),
        false => Ok(text),
    }
}

fn second() -> f64 {
    1.0
}

fn one() -> u64 {
    1
}

fn get() -> String {
    "GET".into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_scenario_is_sound_and_every_file_is_shipped() {
        for (name, text) in SHIPPED {
            let scenario = Scenario::parse(text).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(scenario.about.ends_with(['.', '?']), "{name} says in a sentence what it is about");
        }
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");
        for entry in std::fs::read_dir(folder).expect("the folder is there") {
            let name = entry.expect("it can be listed").file_name().to_string_lossy().replace(".toml", "");
            assert!(SHIPPED.iter().any(|(it, _)| *it == name), "{name} is not shipped");
        }
    }

    #[test]
    fn what_cannot_be_is_refused_with_a_reason() {
        let sound = "about = 'x.'\nconnections = 1\nseconds = 1.0\n[[requests]]\nname = 'a'\npath = '/'";
        assert!(Scenario::parse(sound).is_ok());
        let rows = [
            ("connections = 1\n", "connections = 0\n", "0 connections"),
            ("connections = 1\n", "connections = 19001\n", "19001 connections"),
            ("seconds = 1.0", "seconds = 1.0\nrate = 1.0\nshare_of_peak = 0.5", "exclude"),
            ("seconds = 1.0", "seconds = 0.0", "above 0"),
            ("path = '/'", "path = '/{{a}}'", "not among the picks"),
            ("path = '/'", "path = '/'\nweight = 0", "no request"),
            ("path = '/'", "path = '/'\nstatus = 200", "unknown field"),
            (
                "connections = 1",
                "watch = { service = 'a', watchers = 1, how = 'delta', changes = 1 }",
                "no requests",
            ),
        ];
        for (from, to, said) in rows {
            let error = Scenario::parse(&sound.replace(from, to)).expect_err(to);
            assert!(error.contains(said), "{to}: {error}");
        }
    }
}
