//! The flags of `agent` and `validate`: one for each row of the table of settings, and where the files are.

use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches};

use crate::cli::consul_flags::ConsulFlags;
use crate::config::invocation::Invocation;
use crate::config::kind::SettingKind;
use crate::config::settings::{SETTINGS, Setting};

/// Where the configuration files are.
#[derive(Args, Debug, Default)]
pub struct ConfigPaths {
    /// A configuration file in TOML, JSON or HCL; several are read in order [env: MUSTER_CONFIG_FILE]
    #[arg(long, value_name = "FILE")]
    pub config_file: Vec<PathBuf>,
    /// A directory of such files: *.toml, *.json and *.hcl [env: MUSTER_CONFIG_DIR]
    #[arg(long, value_name = "DIR")]
    pub config_dir: Vec<PathBuf>,
    /// How files are read whose names do not tell
    #[arg(long, value_name = "FORMAT", value_parser = ["json", "hcl"])]
    pub config_format: Option<String>,
    /// Configuration as Consul's `-hcl` takes it: definitions and settings in HCL, read after all files
    #[arg(long, value_name = "TEXT")]
    pub hcl: Vec<String>,
}

/// The settings given as flags, as key and value.
#[derive(Debug, Default)]
pub struct CliSettings(pub Vec<(&'static str, String)>);

impl CliSettings {
    /// Everything the configuration is loaded from.
    pub fn into_invocation(
        self,
        places: ConfigPaths,
        consul_flags: ConsulFlags,
        environment: Vec<(String, String)>,
    ) -> Invocation {
        Invocation {
            config_files: places.config_file,
            config_dirs: places.config_dir,
            config_format: places.config_format,
            texts: places.hcl,
            consul_flags: consul_flags.0,
            flags: self.0,
            environment,
        }
    }
}

/// clap's derive cannot iterate a table, so this is written out.
impl Args for CliSettings {
    fn augment_args(command: Command) -> Command {
        SETTINGS.iter().fold(command, |command, setting| command.arg(flag(setting)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for CliSettings {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let given = |setting: &'static Setting| {
            let is_typed = matches.value_source(setting.key) == Some(ValueSource::CommandLine);
            let values = matches.get_many::<String>(setting.key).filter(|_| is_typed);
            values.into_iter().flatten().map(|value| (setting.key, value.clone()))
        };
        Ok(CliSettings(SETTINGS.iter().flat_map(given).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        self.0.extend(Self::from_arg_matches(matches)?.0);
        Ok(())
    }
}

fn flag(setting: &Setting) -> Arg {
    let (default, variable) = (setting.fallback_shown(), setting.variable());
    let arg = Arg::new(setting.key)
        .long(setting.flag())
        .help(format!("{} [default: {default}] [env: {variable}]", setting.help))
        .help_heading(if setting.key.starts_with("limits.") { "Limits" } else { "Settings" })
        .value_name(value_name(setting.kind))
        .action(if setting.kind.is_list() { ArgAction::Append } else { ArgAction::Set });
    match setting.kind {
        // As in Go: alone it means true, and a value needs the equals sign.
        SettingKind::Boolean => arg.num_args(0..=1).require_equals(true).default_missing_value("true"),
        _ => arg,
    }
}

fn value_name(kind: SettingKind) -> String {
    match kind {
        SettingKind::Boolean => "BOOL".to_owned(),
        SettingKind::Integer { .. } => "NUMBER".to_owned(),
        SettingKind::Bytes { .. } => "BYTES".to_owned(),
        SettingKind::Duration { .. } => "DURATION".to_owned(),
        SettingKind::Choice(words) => words.join("|"),
        SettingKind::Label | SettingKind::Name { .. } | SettingKind::Names { .. } | SettingKind::Hosts => {
            "NAME".to_owned()
        }
        SettingKind::Origins => "ORIGIN".to_owned(),
        SettingKind::Path | SettingKind::File | SettingKind::Files => "PATH".to_owned(),
        SettingKind::Secret => "TEXT".to_owned(),
        SettingKind::Redis => "URL".to_owned(),
        SettingKind::Addresses | SettingKind::AddressesOrNone => "ADDRESS".to_owned(),
        SettingKind::Ip => "IP".to_owned(),
        SettingKind::Networks => "CIDR".to_owned(),
        SettingKind::Id => "UUID".to_owned(),
        SettingKind::Pairs => "KEY:VALUE".to_owned(),
    }
}
