//! From a command line and an environment to a finished configuration, or to everything that is wrong with
//! it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::base::stdx::text::Text;
use crate::base::sys::limits;
use crate::config::address::ListenAddress;
use crate::config::definitions::{self, Definition, DefinitionKind};
use crate::config::files::{self, FileFormat};
use crate::config::invocation::Invocation;
use crate::config::key_finder::KeyFinder;
use crate::config::plan::{PlanTerms, plan};
use crate::config::problem::{Problem, Problems, SettingSource};
use crate::config::raw::Raw;
use crate::config::validated::{Config, Surroundings, Values};
use crate::config::{closing, hcl, json, service_defaults, webhooks};
use crate::core::model::validate::probes::Scripts;
use crate::wire::decode::audit::Form;
use crate::wire::intake::AgentNode;

/// The file that is read from the working directory when none is named, if it is there.
pub const FILE_DEFAULT: &str = "muster.toml";

/// What came of reading a configuration without starting anything.
#[derive(Debug)]
pub struct Examined {
    /// The files that were read, in their order.
    pub files: Vec<PathBuf>,
    /// The configuration, or everything that is wrong with it.
    pub outcome: Result<Config, Problems>,
}

/// Loads the configuration. Later wins: files, directories, environment, flags. Blocks on the disk.
///
/// # Errors
/// Every problem there is, in every source, at once; but for checks of instances that no file defines, which only the
/// registry knows.
pub fn load(invocation: &Invocation) -> Result<Config, Problems> {
    // Whatever such an instance says of itself, it may be enough.
    read(invocation, |_| Some(Some("standard".into()))).outcome
}

/// As [`load`], for who has no registry: what files do not define is not there.
pub fn examine(invocation: &Invocation) -> Examined {
    read(invocation, |_| None)
}

fn read(invocation: &Invocation, registered: impl Fn(&Text) -> Option<Option<Text>>) -> Examined {
    let mut sources = Sources::default();
    let paths = sources.paths(invocation);
    for (path, format) in &paths {
        sources.add_file(path, *format);
    }
    let hcl_flag = SettingSource::Flag("hcl".to_owned());
    for text in &invocation.texts {
        sources.add_object(Path::new("flag --hcl"), &hcl_flag, text, FileFormat::Hcl);
    }
    let Sources { mut raw, mut definitions, files, passed_over } = sources;
    raw.add_environment(&invocation.environment);
    for (flag, key, text) in &invocation.consul_flags {
        raw.add_consul_flag(key, text, &SettingSource::Flag((*flag).to_owned()));
    }
    raw.add_flags(&invocation.flags);
    let surroundings = Surroundings {
        host_name: files::host_name(),
        memory_bytes: limits::memory_bytes_max(),
        interfaces: files::interfaces(),
    };
    raw.settle_tls();
    raw.settle_listening(&surroundings.interfaces);
    raw.settle_scripts();
    raw.warnings.extend(closing::warning(&raw.closing));
    raw.warnings.extend(passed_over_warning(&passed_over));
    raw.warnings.extend(foreign_warning(&raw.foreign));
    let values = Values::read(&raw, &surroundings);
    let mut problems = raw.problems;
    let service_defaults = service_defaults::read(&raw.service_defaults).unwrap_or_else(|refused| {
        problems.extend(refused);
        service_defaults::Defaults::default()
    });
    let webhooks = webhooks::read(&raw.webhooks, &invocation.environment).unwrap_or_else(|refused| {
        problems.extend(refused);
        Vec::new()
    });
    // Instances first: a check may be of one in any file.
    definitions.sort_by_key(|it| it.kind == DefinitionKind::Check);
    let config = values.map(|values| values.into_config(invocation.clone(), raw.warnings));
    let terms = match &config {
        Ok(config) => config.plan_terms(),
        Err(_) => PlanTerms { agent: AgentNode::unknown(), scripts: Scripts::Allowed, targets: None },
    };
    if let Some(targets) = &terms.targets {
        problems.extend(webhooks::refused_targets(&webhooks, &raw.webhooks, targets));
    }
    let planned = plan(&definitions, &terms, registered);
    let outcome = match config {
        Ok(mut config) => {
            match planned {
                Ok(planned) => {
                    config.warnings.extend(planned.warnings);
                    config.defined = planned.defined;
                    let instances = config.defined.iter().filter(|it| it.service.is_some()).count();
                    problems.extend(config.too_many_instances(instances));
                }
                Err(refused) => problems.extend(refused),
            }
            Ok(Config { definitions, service_defaults, webhooks, ..config })
        }
        Err(refused) => {
            problems.extend(refused);
            problems.extend(planned.err().unwrap_or_default());
            Err(())
        }
    };
    let outcome = match outcome {
        Ok(config) if problems.is_empty() => Ok(config),
        _ => {
            locate(&mut problems, &paths);
            Err(Problems(problems))
        }
    };
    Examined { files, outcome }
}

/// What the files say, as they are read.
#[derive(Default)]
struct Sources {
    raw: Raw,
    definitions: Vec<Definition>,
    /// The files that could be read.
    files: Vec<PathBuf>,
    /// Entries of directories that no file of a configuration is.
    passed_over: Vec<PathBuf>,
}

impl Sources {
    fn add_file(&mut self, path: &Path, format: FileFormat) {
        let text = match files::read(path) {
            Ok(text) => text,
            Err(problems) => return self.raw.problems.extend(problems.0),
        };
        self.files.push(path.to_path_buf());
        match format {
            FileFormat::Toml => self.raw.add_file(path, &text),
            _ => self.add_object(path, &SettingSource::File(path.to_path_buf()), &text, format),
        }
    }

    /// Adds definitions and settings as Consul has them.
    fn add_object(&mut self, path: &Path, origin: &SettingSource, text: &str, format: FileFormat) {
        let read = match format {
            FileFormat::Hcl => hcl::read(text).map_err(|error| (error.position, error.complaint)),
            _ => json::read(text),
        };
        let mut object = match read {
            Ok(object) => object,
            Err((position, complaint)) => {
                let language = if format == FileFormat::Json { "JSON" } else { "HCL" };
                return self.raw.problems.push(Problem {
                    key: position.to_string(),
                    value: String::new(),
                    origin: origin.clone(),
                    complaint,
                    allowed: format!("an object in {language}"),
                    remedy: "mend the line".to_owned(),
                });
            }
        };
        let form = if format == FileFormat::Hcl { Form::Hcl } else { Form::Json };
        let definitions::FileDefinitions { definitions, ignored, problems } =
            definitions::take(path, &mut object, form);
        self.definitions.extend(definitions);
        self.raw.foreign.extend(ignored.into_iter().map(|key| format!("{key} ({origin})")));
        self.raw.problems.extend(problems);
        self.raw.add_consul_file(&object, origin);
    }

    /// Every file to read, in the order in which they are read.
    fn paths(&mut self, invocation: &Invocation) -> Vec<(PathBuf, FileFormat)> {
        let named_format = invocation.config_format.as_deref();
        let named_format =
            named_format.map(|it| if it == "hcl" { FileFormat::Hcl } else { FileFormat::Json });
        let mut paths = named(&invocation.config_files, "MUSTER_CONFIG_FILE", invocation);
        // Whatever it is: one that is no file would be passed over in silence.
        if paths.is_empty() && Path::new(FILE_DEFAULT).exists() {
            paths.push(PathBuf::from(FILE_DEFAULT));
        }
        // A file that is named is read whatever it is called.
        let with_format = |path: PathBuf| {
            let format = FileFormat::of(&path).or(named_format).unwrap_or(FileFormat::Toml);
            (path, format)
        };
        let mut paths: Vec<(PathBuf, FileFormat)> = paths.into_iter().map(with_format).collect();
        for directory in named(&invocation.config_dirs, "MUSTER_CONFIG_DIR", invocation) {
            match files::list(&directory, named_format) {
                Ok(listed) => {
                    paths.extend(listed.files);
                    self.passed_over.extend(listed.passed_over);
                }
                Err(problems) => self.raw.problems.extend(problems.0),
            }
        }
        paths
    }
}

/// Finds where in the files stands what is wrong with what they say. Reads each of these once more.
fn locate(problems: &mut [Problem], paths: &[(PathBuf, FileFormat)]) {
    let mut of_files: HashMap<PathBuf, Vec<&mut Problem>> = HashMap::new();
    for problem in problems {
        let names_keys = problem.key != "file" && !problem.key.starts_with("line ");
        if let (SettingSource::File(path), true) = (&problem.origin, names_keys) {
            of_files.entry(path.clone()).or_default().push(problem);
        }
    }
    for (path, _) in paths.iter().filter(|(_, format)| *format != FileFormat::Toml) {
        let Some(problems) = of_files.remove(path) else { continue };
        // It was there a moment ago.
        let Ok(text) = files::read(path) else { continue };
        let mut finder = KeyFinder::default();
        problems.iter().for_each(|problem| finder.add(&problem.key));
        hcl::look_into(&text, &mut finder);
        for problem in problems {
            if let Some(position) = finder.found(&problem.key, &text) {
                problem.origin = SettingSource::FileAt(path.clone(), position);
            }
        }
    }
}

fn passed_over_warning(paths: &[PathBuf]) -> Option<String> {
    let shown: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    (!shown.is_empty())
        .then(|| format!("passed over, for it is no .toml, .json or .hcl file: {}", shown.join(", ")))
}

fn foreign_warning(keys: &[String]) -> Option<String> {
    (!keys.is_empty()).then(|| format!("of Consul's and without a meaning here: {}", keys.join(", ")))
}

/// Loads again what `config` was loaded from: the files may have changed. Blocks on the disk.
///
/// # Errors
/// As [`load`]; the configuration in use stays valid.
pub fn reload(config: &Config) -> Result<Config, Problems> {
    load(&config.invocation)
}

/// Where the agent of this environment and working directory listens, by its `.toml` files, for whoever wants to ask
/// it: over TCP, if it does. `None` where they do not say it. Blocks on the disk.
pub fn http_address(environment: &[(String, String)]) -> Option<String> {
    let invocation = Invocation { environment: environment.to_vec(), ..Invocation::default() };
    let mut sources = Sources::default();
    for (path, _) in sources.paths(&invocation).into_iter().filter(|(_, format)| *format == FileFormat::Toml)
    {
        // What is wrong with it, the agent says.
        files::read(&path).into_iter().for_each(|text| sources.raw.add_file(&path, &text));
    }
    let written = sources.raw.get("http_addr")?;
    let addresses = || written.texts.iter().filter_map(|text| ListenAddress::parse(text).ok());
    let over_tcp = addresses().find(|it| matches!(it, ListenAddress::Tcp(_)));
    over_tcp.or_else(|| addresses().next()).map(|it| it.to_string())
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
    use crate::config::problem::SettingSource;
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
        assert!(config.shown().all(|(_, _, origin)| *origin == SettingSource::Default));
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
        put("d.json", r#"{"services": [{"name": "a", "port": 99999}, {"name": "b", "chekc": {}}]}"#);
        put("c.toml", "[limits]\nidle_timeout = 5");
        let invocation = Invocation {
            config_files: vec![directory.path().join("absent.toml")],
            config_dirs: vec![directory.path().to_path_buf()],
            environment: vec![("MUSTER_LOG_LEVEL".into(), "loud".into())],
            flags: vec![("http_addr", "nowhere".into())],
            ..Invocation::default()
        };
        let problems = load(&invocation).expect_err("nothing of it is right");
        let keys: Vec<&str> = problems.0.iter().map(|problem| problem.key.as_str()).collect();
        let expected = [
            "file",
            "datacentre",
            "servcie",
            "services[1].chekc",
            "http_addr",
            "log_level",
            "workers",
            "limits.idle_timeout",
            "services[0].port",
        ];
        assert_eq!(keys, expected, "{problems}");
    }

    #[test]
    fn a_problem_is_located_in_its_own_file() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        for (name, text) in [
            ("a.json", "{\"service\":\n {\"name\": \"a\", \"prt\": 1}}"),
            ("b.json", "{\"service\": {\"prt\": 1}}"),
            ("c.hcl", "service {\n name = \"c\"\n prt = 1 }"),
        ] {
            fs::write(directory.path().join(name), text).expect("a file can be written");
        }
        let config_dirs = vec![directory.path().to_path_buf()];
        let problems = load(&Invocation { config_dirs, ..Invocation::default() }).expect_err("misspelt");
        let origins: Vec<String> = problems.0.iter().map(|problem| problem.origin.to_string()).collect();
        let found = ["a.json:2:16", "b.json:1:14", "c.hcl:3:2"];
        let expected = found.map(|it| directory.path().join(it).display().to_string());
        assert_eq!(origins, expected, "{problems}");
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
