//! From a command line and an environment to a finished configuration, or to everything that is wrong with
//! it.

use std::path::{Path, PathBuf};

use crate::config::definitions::{self, DefinitionKind};
use crate::config::files;
use crate::config::problem::Problems;
use crate::config::raw::Raw;
use crate::config::service_defaults;
use crate::config::validated::{Config, Values};
use crate::config::webhooks;

/// The file that is read from the working directory when none is named, if it is there.
pub const FILE_DEFAULT: &str = "muster.toml";

/// What muster was started with. Kept by whoever reloads: loading it again reads the files again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Invocation {
    /// `--config-file`, in the order given.
    pub config_files: Vec<PathBuf>,
    /// `--config-dir`, in the order given; each one's files in the order of their names.
    pub config_dirs: Vec<PathBuf>,
    /// Settings given as flags, as key and value.
    pub flags: Vec<(&'static str, String)>,
    /// The environment.
    pub environment: Vec<(String, String)>,
}

/// Loads the configuration. Later wins: files, directories, environment, flags. Blocks on the disk.
///
/// # Errors
/// Every problem there is, in every source, at once.
pub fn load(invocation: &Invocation) -> Result<Config, Problems> {
    let mut raw = Raw::default();
    let mut all_definitions = Vec::new();
    for path in paths(invocation, &mut raw) {
        match files::read(&path) {
            Ok(text) if path.extension().is_some_and(|it| it == "json") => {
                match definitions::read(&path, &text) {
                    Ok(read) => all_definitions.extend(read),
                    Err(problems) => raw.problems.extend(problems.0),
                }
            }
            Ok(text) => raw.add_file(&path, &text),
            Err(problems) => raw.problems.extend(problems.0),
        }
    }
    raw.add_environment(&invocation.environment);
    raw.add_flags(&invocation.flags);
    let values = Values::read(&raw, files::host_name().as_deref());
    let mut problems = raw.problems;
    let service_defaults = service_defaults::read(&raw.service_defaults).unwrap_or_else(|refused| {
        problems.extend(refused);
        service_defaults::Defaults::default()
    });
    let webhooks = webhooks::read(&raw.webhooks, &invocation.environment).unwrap_or_else(|refused| {
        problems.extend(refused);
        Vec::new()
    });
    match values {
        Ok(values) if problems.is_empty() => {
            // Instances first: a check may be of one in any file.
            all_definitions.sort_by_key(|it| it.kind == DefinitionKind::Check);
            let config = values.into_config(invocation.clone(), all_definitions, raw.warnings);
            Ok(Config { service_defaults, webhooks, ..config })
        }
        Ok(_) => Err(Problems(problems)),
        Err(refused) => {
            problems.extend(refused);
            Err(Problems(problems))
        }
    }
}

/// Loads again what `config` was loaded from: the files may have changed. Blocks on the disk.
///
/// # Errors
/// As [`load`]; the configuration in use stays valid.
pub fn reload(config: &Config) -> Result<Config, Problems> {
    load(&config.invocation)
}

/// Every file to read, in the order in which they are read.
fn paths(invocation: &Invocation, raw: &mut Raw) -> Vec<PathBuf> {
    let mut paths = named(&invocation.config_files, "MUSTER_CONFIG_FILE", invocation);
    if paths.is_empty() && Path::new(FILE_DEFAULT).is_file() {
        paths.push(PathBuf::from(FILE_DEFAULT));
    }
    for directory in named(&invocation.config_dirs, "MUSTER_CONFIG_DIR", invocation) {
        match files::list(&directory) {
            Ok(listed) => paths.extend(listed),
            Err(problems) => raw.problems.extend(problems.0),
        }
    }
    paths
}

/// The paths given by flags, or else by the variable, separated by commas.
fn named(given: &[PathBuf], variable: &str, invocation: &Invocation) -> Vec<PathBuf> {
    if !given.is_empty() {
        return given.to_vec();
    }
    let value = invocation.environment.iter().find(|(name, _)| name == variable);
    let parts = value.map(|(_, value)| value.split(',')).into_iter().flatten();
    parts.map(str::trim).filter(|part| !part.is_empty()).map(PathBuf::from).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;
    use crate::config::problem::Origin;
    use crate::config::validated::{LogFormat, StoreKind};

    fn flags(pairs: &[(&'static str, &str)]) -> Invocation {
        let flags = pairs.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
        Invocation { flags, ..Invocation::default() }
    }

    #[test]
    fn nothing_written_gives_the_defaults() {
        let config = load(&Invocation::default()).expect("the defaults are valid");
        assert_eq!(config.http_addresses[0].to_string(), "127.0.0.1:8500");
        assert_eq!(
            (config.datacenter.as_str(), config.advertise_address.to_string()),
            ("dc1", "127.0.0.1".into())
        );
        assert_eq!((config.store, config.log_format), (StoreKind::Embedded, LogFormat::Text));
        assert_eq!(config.log_level, log::LevelFilter::Info);
        assert_eq!(config.check_update_interval, Duration::from_secs(300));
        assert_eq!((config.limits.body_bytes_max, config.limits.connections_per_ip_max), (1 << 20, 200));
        assert!(config.shown().all(|(_, _, origin)| *origin == Origin::Default));
        assert_eq!(config.shown().count(), crate::config::settings::SETTINGS.len());
    }

    #[test]
    fn dev_changes_defaults_but_not_what_is_written() {
        let config = load(&flags(&[("dev", "true")])).expect("valid");
        assert_eq!((config.store, config.log_level), (StoreKind::Memory, log::LevelFilter::Debug));
        let config =
            load(&flags(&[("dev", "true"), ("store", "embedded"), ("log_level", "warn")])).expect("valid");
        assert_eq!((config.store, config.log_level), (StoreKind::Embedded, log::LevelFilter::Warn));
    }

    #[test]
    fn the_advertised_address_is_the_first_that_others_can_reach() {
        let rows = [
            ("127.0.0.1:8500", "127.0.0.1"),
            ("0.0.0.0:8500", "127.0.0.1"),
            ("127.0.0.1:8500,10.0.0.7:8500,10.0.0.8:8500", "10.0.0.7"),
            ("unix:///run/muster.sock", "127.0.0.1"),
        ];
        for (addresses, advertised) in rows {
            let config = load(&flags(&[("http_addr", addresses)])).expect(addresses);
            assert_eq!(config.advertise_address.to_string(), advertised, "{addresses}");
        }
    }

    #[test]
    fn every_problem_of_every_source_is_told_at_once() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let put = |name: &str, text: &str| {
            fs::write(directory.path().join(name), text).expect("a file can be written")
        };
        put("a.toml", "datacentre = 'x'\nworkers = 5000");
        put("b.json", "{\"servcie\": {}}");
        put("c.toml", "[limits]\nidle_timeout = 5");
        let invocation = Invocation {
            config_files: vec![directory.path().join("absent.toml")],
            config_dirs: vec![directory.path().to_path_buf()],
            environment: vec![("MUSTER_LOG_LEVEL".into(), "loud".into())],
            flags: vec![("http_addr", "nowhere".into())],
        };
        let problems = load(&invocation).expect_err("nothing of it is right");
        let keys: Vec<&str> = problems.0.iter().map(|problem| problem.key.as_str()).collect();
        let expected =
            ["file", "datacentre", "servcie", "http_addr", "log_level", "workers", "limits.idle_timeout"];
        assert_eq!(keys, expected, "{problems}");
    }

    #[test]
    fn places_may_be_named_by_the_environment() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let file = directory.path().join("one.toml");
        fs::write(&file, "node = 'n1'").expect("a file can be written");
        fs::write(directory.path().join("web.json"), r#"{"service": {"name": "web"}}"#)
            .expect("a file can be written");
        let environment = vec![
            ("MUSTER_CONFIG_FILE".to_owned(), file.display().to_string()),
            ("MUSTER_CONFIG_DIR".to_owned(), directory.path().display().to_string()),
        ];
        let config = load(&Invocation { environment, ..Invocation::default() }).expect("valid");
        assert_eq!((config.node.as_str(), config.definitions.len()), ("n1", 1));
    }

    #[test]
    fn a_reload_reads_the_files_again() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let file = directory.path().join("muster.toml");
        let put = |text: &str| fs::write(&file, text).expect("a file can be written");
        put("log_level = 'warn'");
        let config =
            load(&Invocation { config_files: vec![file.clone()], ..Invocation::default() }).expect("valid");
        put("log_level = 'debug'");
        assert_eq!(reload(&config).expect("still valid").log_level, log::LevelFilter::Debug);
        put("log_level = ");
        assert!(reload(&config).is_err(), "a broken file is refused");
    }

    #[test]
    fn a_directory_that_is_not_used_is_mentioned() {
        let config = load(&flags(&[("dev", "true"), ("data_dir", "/var/lib/muster")])).expect("valid");
        assert!(config.warnings[0].contains("data_dir"), "{:?}", config.warnings);
    }
}
