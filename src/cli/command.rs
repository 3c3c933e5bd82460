//! The grammar of the command line, and what each command comes to.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::cli::health::{self, Health};
use crate::cli::settings::{Places, Settings};
use crate::cli::version::{self, Format};
use crate::cli::{arguments, client, compare, import, snapshot, store};
use crate::config::load::{self, Invocation};
use crate::config::validated::Config;

/// How the process ends; the numbers are the documented exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Success = 0,
    /// It was understood and failed.
    Failure = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The agent could not be reached.
    NotReachable = 3,
}

/// What a command that asks others comes to: what to print, or how it failed and what to say of it.
pub type Said = Result<String, (Exit, String)>;

/// What is left to do.
#[derive(Debug)]
pub enum Action {
    /// Serve, as configured.
    Serve(Box<Config>),
    /// Nothing: say this and end.
    End {
        /// How.
        exit: Exit,
        /// What to print: to stdout on success, else to stderr.
        message: String,
    },
}

/// A Consul-compatible service registry.
#[derive(Parser, Debug)]
#[command(name = "muster", version, arg_required_else_help = true)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Run the registry
    Agent(AgentArguments),
    /// Ask an agent whether it is ready: exit 0 if it is, 1 if not, 3 if nobody answers
    Health {
        /// The agent's address [default: 127.0.0.1:8500] [env: MUSTER_HTTP_ADDR, CONSUL_HTTP_ADDR]
        #[arg(long, value_name = "ADDRESS")]
        http_addr: Option<String>,
    },
    /// Save everything an agent holds, have it restored, look into what was saved
    #[command(subcommand)]
    Snapshot(snapshot::Command),
    /// Look into the data directory of an agent that is stopped, and save what can be saved
    #[command(subcommand)]
    Store(store::Command),
    /// Register here what is registered in a Consul, or another muster: nodes, instances and checks
    Import {
        /// Where to read, as http://HOST:PORT
        #[arg(long, value_name = "URL")]
        from: String,
        /// Go on until stopped: whatever changes there changes here
        #[arg(long)]
        follow: bool,
        /// A token for reading there [env: CONSUL_HTTP_TOKEN]
        #[arg(long, value_name = "TOKEN")]
        token: Option<String>,
        /// The agent's address [default: 127.0.0.1:8500] [env: MUSTER_HTTP_ADDR, CONSUL_HTTP_ADDR]
        #[arg(long, value_name = "ADDRESS")]
        http_addr: Option<String>,
    },
    /// Show in which fields two catalogs differ, times and indexes apart: exit 0 if in none, 1 if in any
    Compare {
        /// One, as http://HOST:PORT
        one: String,
        /// The other
        other: String,
        /// A token for reading [env: CONSUL_HTTP_TOKEN]
        #[arg(long, value_name = "TOKEN")]
        token: Option<String>,
    },
    /// Check a configuration without starting anything: exit 0 if it is valid, 1 if not
    Validate(ValidateArguments),
    /// Print the version
    Version {
        /// How to print it
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
}

#[derive(Args, Debug)]
struct AgentArguments {
    #[command(flatten)]
    places: Places,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Args, Debug)]
struct ValidateArguments {
    /// Further files and directories to check
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    agent: AgentArguments,
}

/// Understands the command line and does what can be done without serving.
pub fn run(arguments: impl Iterator<Item = OsString>, environment: Vec<(String, String)>) -> Action {
    let parsed = match CommandLine::try_parse_from(arguments::with_double_dashes(arguments)) {
        Ok(parsed) => parsed,
        Err(error) => {
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Success };
            return Action::End { exit, message: error.render().to_string().trim_end().to_owned() };
        }
    };
    match parsed.command {
        Command::Agent(AgentArguments { places, settings }) => {
            match load::load(&settings.into_invocation(places, environment)) {
                Ok(config) => Action::Serve(Box::new(config)),
                Err(problems) => end(Exit::Failure, problems),
            }
        }
        Command::Health { http_addr } => ask_health(&health::address(http_addr, &environment)),
        Command::Snapshot(command) => {
            ended(snapshot::run(command, |http_addr| health::address(http_addr, &environment)))
        }
        Command::Store(command) => ended(store::run(command)),
        Command::Import { from, follow, token, http_addr } => {
            let to = health::address(http_addr, &environment);
            ended(import::run(&from, &to, follow, self::token(token, &environment)))
        }
        Command::Compare { one, other, token } => {
            ended(compare::run(&one, &other, self::token(token, &environment)))
        }
        Command::Validate(arguments) => validate(arguments, environment),
        Command::Version { format } => end(Exit::Success, version::shown(format)),
    }
}

fn end(exit: Exit, message: impl ToString) -> Action {
    Action::End { exit, message: message.to_string() }
}

fn ended(said: Said) -> Action {
    let (exit, message) = said.map_or_else(|failed| failed, |message| (Exit::Success, message));
    Action::End { exit, message }
}

/// The token for a Consul: the flag's, or the environment's.
fn token(flag: Option<String>, environment: &[(String, String)]) -> Option<String> {
    let set = environment.iter().find(|(name, value)| name == "CONSUL_HTTP_TOKEN" && !value.is_empty());
    flag.or_else(|| set.map(|(_, value)| value.clone()))
}

fn ask_health(address: &str) -> Action {
    match health::ask(address) {
        Ok(Health::Ready) => end(Exit::Success, "ready"),
        Ok(Health::NotReady(reason)) => end(Exit::Failure, format!("not ready: {reason}")),
        Err(error @ client::ClientError::Address(_)) => end(Exit::Usage, error),
        Err(error) => end(Exit::NotReachable, error),
    }
}

fn validate(arguments: ValidateArguments, environment: Vec<(String, String)>) -> Action {
    let ValidateArguments { paths, agent: AgentArguments { mut places, settings } } = arguments;
    let (directories, files): (Vec<_>, Vec<_>) = paths.into_iter().partition(|path| path.is_dir());
    places.config_dir.extend(directories);
    places.config_file.extend(files);
    let invocation: Invocation = settings.into_invocation(places, environment);
    match load::load(&invocation) {
        Ok(config) => {
            let mut said: Vec<String> =
                config.warnings.iter().map(|warning| format!("warning: {warning}")).collect();
            said.push(format!("the configuration is valid, with {} definitions", config.definitions.len()));
            end(Exit::Success, said.join("\n"))
        }
        Err(problems) => end(Exit::Failure, problems),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use clap::CommandFactory;

    use super::*;
    use crate::config::settings::SETTINGS;

    fn typed(line: &str) -> Action {
        run(line.split(' ').map(OsString::from), Vec::new())
    }

    fn ends(line: &str) -> (Exit, String) {
        match typed(line) {
            Action::End { exit, message } => (exit, message),
            Action::Serve(config) => panic!("`{line}` serves: {config:?}"),
        }
    }

    #[test]
    fn the_grammar_is_sound_and_shows_every_setting() {
        CommandLine::command().debug_assert();
        let (exit, help) = ends("muster agent --help");
        assert_eq!(exit, Exit::Success);
        for setting in SETTINGS {
            let shown = [format!("--{}", setting.flag()), setting.variable()];
            assert!(shown.iter().all(|it| help.contains(it)), "{} is not in:\n{help}", setting.key);
        }
    }

    #[test]
    fn dashes_and_forms_of_values_do_not_matter() {
        for line in [
            "muster agent -dev -http-addr 127.0.0.1:1 -http-addr [::1]:1 -node=n1 -limits-idle-timeout 9s",
            "muster agent --dev=true --http-addr=127.0.0.1:1,[::1]:1 --node n1 --limits-idle-timeout=9s",
        ] {
            let Action::Serve(config) = typed(line) else { panic!("`{line}` does not serve") };
            assert!(config.dev && config.node == "n1" && config.limits.idle_timeout.as_secs() == 9);
            assert_eq!(config.http_addresses.len(), 2);
        }
    }

    #[test]
    fn exits_say_whose_fault_it_is() {
        let rows = [
            ("muster version", Exit::Success, "muster v"),
            ("muster version -format json", Exit::Success, "{\"name\":\"muster\",\"version\":"),
            ("muster --version", Exit::Success, "muster "),
            ("muster", Exit::Usage, "Usage:"),
            ("muster agnet", Exit::Usage, "agent"),
            ("muster agent -htp-addr x", Exit::Usage, "--http-addr"),
            ("muster agent -http-addr x", Exit::Failure, "the port is missing"),
            ("muster agent -dev -log-level loud -datacenter -", Exit::Failure, "2 problems"),
            ("muster health -http-addr https://h:1", Exit::Usage, "no address"),
            ("muster health -http-addr unix:///nowhere/s", Exit::NotReachable, "no agent answers"),
            ("muster validate -config-file /nowhere/x.toml", Exit::Failure, "/nowhere/x.toml"),
            ("muster validate -dev", Exit::Success, "valid"),
            ("muster snapshot verify /nowhere/x", Exit::Failure, "cannot be read"),
            ("muster snapshot verify Cargo.toml", Exit::Failure, "no snapshot of muster's"),
            ("muster snapshot save /nowhere/x -http-addr h", Exit::Usage, "no address"),
            ("muster store inspect src", Exit::Failure, "no data directory"),
            ("muster store repair src -into /nowhere", Exit::Failure, "no data directory"),
            ("muster import -from h", Exit::Usage, "no address"),
            ("muster compare h:1 https://", Exit::Usage, "no address"),
            ("muster compare 127.0.0.1:1 127.0.0.1:1", Exit::NotReachable, "does not answer"),
        ];
        for (line, exit, said) in rows {
            let (ended_as, message) = ends(line);
            assert_eq!(ended_as, exit, "{line}: {message}");
            assert!(message.contains(said), "{line}: {message}");
        }
    }

    #[test]
    fn validate_takes_files_and_directories_like_consul() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        fs::write(directory.path().join("web.json"), r#"{"service": {"name": "web"}}"#)
            .expect("it can be written");
        let (exit, message) = ends(&format!("muster validate {}", directory.path().display()));
        assert_eq!(
            (exit, message.as_str()),
            (Exit::Success, "the configuration is valid, with 1 definitions")
        );
        fs::write(directory.path().join("bad.toml"), "nod = 'x'\nworkers = -1").expect("it can be written");
        let (exit, message) = ends(&format!("muster validate {}", directory.path().display()));
        assert!(exit == Exit::Failure && message.contains("2 problems"), "{message}");
    }
}
