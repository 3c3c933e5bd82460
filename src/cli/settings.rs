//! The flags of `agent` and `validate`: one for each row of the table of settings, and where the files are.

use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches};

use crate::config::kind::Kind;
use crate::config::load::Invocation;
use crate::config::settings::{SETTINGS, Setting};

/// Where the configuration files are.
#[derive(Args, Debug, Default)]
pub struct Places {
    /// A configuration file in TOML; several are read in order [env: MUSTER_CONFIG_FILE]
    #[arg(long, value_name = "FILE")]
    pub config_file: Vec<PathBuf>,
    /// A directory of *.toml settings and *.json service definitions [env: MUSTER_CONFIG_DIR]
    #[arg(long, value_name = "DIR")]
    pub config_dir: Vec<PathBuf>,
}

/// The settings given as flags, as key and value.
#[derive(Debug, Default)]
pub struct Settings(pub Vec<(&'static str, String)>);

impl Settings {
    /// Everything the configuration is loaded from.
    pub fn into_invocation(self, places: Places, environment: Vec<(String, String)>) -> Invocation {
        Invocation {
            config_files: places.config_file,
            config_dirs: places.config_dir,
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
        let given = |setting: &Setting| {
            matches.value_source(setting.key).filter(|source| *source == ValueSource::CommandLine)?;
            let values: Vec<&str> = matches.get_many::<String>(setting.key)?.map(String::as_str).collect();
            Some((setting.key, values.join(",")))
        };
        Ok(Settings(SETTINGS.iter().filter_map(given).collect()))
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
        Kind::Label | Kind::Name { .. } | Kind::Names { .. } => "NAME".to_owned(),
        Kind::Path | Kind::File => "PATH".to_owned(),
        Kind::Secret => "TEXT".to_owned(),
        Kind::Redis => "URL".to_owned(),
        Kind::Addresses => "ADDRESS".to_owned(),
        Kind::Ip => "IP".to_owned(),
        Kind::Networks => "CIDR".to_owned(),
    }
}
