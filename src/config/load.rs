//! From a command line and an environment to a finished configuration, or to everything that is wrong with
//! it.

use std::path::{Path, PathBuf};

use crate::config::address::ListenAddress;
use crate::config::definitions::{self, Definition, DefinitionKind};
use crate::config::files::{self, FileFormat};
use crate::config::place::Wanted;
use crate::config::plan::{PlanTerms, plan};
use crate::config::problem::{Problem, Problems, SettingSource};
use crate::config::raw::Raw;
use crate::config::validated::{Config, Surroundings, Values};
use crate::config::{closing, hcl, json, service_defaults, webhooks};
use crate::model::validate::probes::Scripts;
use crate::stdx::text::Text;
use crate::sys::limits;
use crate::wire::decode::audit::Form;
use crate::wire::intake::AgentNode;

/// The file that is read from the working directory when none is named, if it is there.
pub const FILE_DEFAULT: &str = "muster.toml";

/// What muster was started with. Kept by whoever reloads: loading it again reads the files again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Invocation {
    /// `--config-file`, in the order given.
    pub config_files: Vec<PathBuf>,
    /// `--config-dir`, in the order given; each one's files in the order of their names.
    pub config_dirs: Vec<PathBuf>,
    /// `--config-format`: how files are read whose names do not tell; `json` or `hcl`.
    pub config_format: Option<String>,
    /// Settings given as flags, as key and value.
    pub flags: Vec<(&'static str, String)>,
    /// Configuration texts of `-hcl`, which are read as files are, and after them.
    pub texts: Vec<String>,
    /// Flags of Consul's, as flag, key in its files, and value.
    pub consul_flags: Vec<(&'static str, &'static str, String)>,
    /// The environment.
    pub environment: Vec<(String, String)>,
}

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
    let config =
        values.map(|values| values.into_config(invocation.clone(), definitions.clone(), raw.warnings));
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
            Ok(Config { service_defaults, webhooks, ..config })
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
            paths.iter().for_each(|(path, format)| locate(&mut problems, path, *format));
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
            FileFormat::Hcl => hcl::read(text).map_err(|error| (error.spot, error.complaint)),
            _ => json::read(text),
        };
        let mut object = match read {
            Ok(object) => object,
            Err((spot, complaint)) => {
                let language = if format == FileFormat::Json { "JSON" } else { "HCL" };
                return self.raw.problems.push(Problem {
                    key: spot.to_string(),
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

/// Finds where in a file stands what is wrong with what it says. Reads it once more.
fn locate(problems: &mut [Problem], path: &Path, format: FileFormat) {
    let is_here = |problem: &&mut Problem| {
        let names_keys = problem.key != "file" && !problem.key.starts_with("line ");
        names_keys && problem.origin == SettingSource::File(path.to_path_buf())
    };
    let mut wanted = Wanted::default();
    problems.iter_mut().filter(is_here).for_each(|problem| wanted.add(&problem.key));
    if format == FileFormat::Toml || wanted.is_empty() {
        return;
    }
    // It was there a moment ago.
    let Ok(text) = files::read(path) else { return };
    match format {
        FileFormat::Hcl => wanted = hcl::look_into(&text, wanted),
        _ => wanted.look_into_json(&text),
    }
    for problem in problems.iter_mut().filter(is_here) {
        if let Some(spot) = wanted.found(&problem.key, &text) {
            problem.origin = SettingSource::Place(path.to_path_buf(), spot);
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
