//! The flags of `agent` and `validate`: one for each row of the table of settings, and where the files are.

use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches};

use crate::cli::consul_flags::ConsulFlags;
use crate::config::kind::Kind;
use crate::config::load::Invocation;
use crate::config::settings::{SETTINGS, Setting};

/// Where the configuration files are.
#[derive(Args, Debug, Default)]
pub struct Places {
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
pub struct Settings(pub Vec<(&'static str, String)>);

impl Settings {
    /// Everything the configuration is loaded from.
    pub fn into_invocation(
        self,
        places: Places,
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
impl Args for Settings {
    fn augment_args(command: Command) -> Command {
        SETTINGS.iter().fold(command, |command, setting| command.arg(flag(setting)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Settings {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let given = |setting: &'static Setting| {
            let is_typed = matches.value_source(setting.key) == Some(ValueSource::CommandLine);
            let values = matches.get_many::<String>(setting.key).filter(|_| is_typed);
            values.into_iter().flatten().map(|value| (setting.key, value.clone()))
        };
        Ok(Settings(SETTINGS.iter().flat_map(given).collect()))
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
        Kind::Boolean => arg.num_args(0..=1).require_equals(true).default_missing_value("true"),
        _ => arg,
    }
}

fn value_name(kind: Kind) -> String {
    match kind {
        Kind::Boolean => "BOOL".to_owned(),
        Kind::Integer { .. } => "NUMBER".to_owned(),
        Kind::Bytes { .. } => "BYTES".to_owned(),
        Kind::Duration { .. } => "DURATION".to_owned(),
        Kind::Choice(words) => words.join("|"),
        Kind::Label | Kind::Name { .. } | Kind::Names { .. } | Kind::Hosts => "NAME".to_owned(),
        Kind::Origins => "ORIGIN".to_owned(),
        Kind::Path | Kind::File => "PATH".to_owned(),
        Kind::Secret => "TEXT".to_owned(),
        Kind::Redis => "URL".to_owned(),
        Kind::Addresses | Kind::AddressesOrNone => "ADDRESS".to_owned(),
        Kind::Ip => "IP".to_owned(),
        Kind::Networks => "CIDR".to_owned(),
        Kind::Id => "UUID".to_owned(),
        Kind::Pairs => "KEY:VALUE".to_owned(),
    }
}
