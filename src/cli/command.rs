//! The grammar of the command line, and what each command comes to.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::base::stdx::counted::counted;
use crate::cli::client::{ClientArguments, Environment, TlsArguments, TokenArguments};
use crate::cli::consul_flags::ConsulFlags;
use crate::cli::settings::{CliSettings, ConfigPaths};
use crate::cli::version::{self, VersionFormat};
use crate::cli::{acl, arguments, bench, compare, health, help, hints, import, snapshot, store, tls};
use crate::config::load::{self, Examined};
use crate::config::validated::Config;

/// How the process ends; the numbers are the documented exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Success = 0,
    /// It was understood and failed.
    Failure = 1,
    /// The command line is wrong: no such command or flag, or one without its value. A wrong value of a setting is a
    /// failure, for it may as well stand in a file.
    Usage = 2,
    /// The agent could not be reached.
    NotReachable = 3,
}

/// The outcome of a command that asks a server: what to print, or how it failed and what to print then.
pub type CommandOutput = Result<String, (Exit, String)>;

/// What is left to do.
#[derive(Debug)]
pub enum Action {
    /// Serve, as configured.
    Serve {
        /// How.
        config: Box<Config>,
        /// Whether in the place of the agent that runs.
        takes_over: bool,
    },
    /// Nothing: print this and end.
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
#[command(disable_help_subcommand = true, after_help = help::pages())]
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
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Put load on a registry and measure it: `muster bench --help` tells how
    #[command(disable_help_flag = true)]
    Bench {
        /// What the load generator takes
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Save everything an agent holds, have it restored, look into what was saved
    #[command(subcommand)]
    Snapshot(snapshot::SnapshotCommand),
    /// Look into the data directory of an agent that is stopped, and save what can be saved
    #[command(subcommand)]
    Store(store::StoreCommand),
    /// Register here what is registered in a Consul, or another muster: nodes, instances, checks and keys. A token by a
    /// flag, or by a variable of Consul's, is for reading there; the agent's own is in MUSTER_HTTP_TOKEN(_FILE)
    Import {
        /// Where to read, as http://HOST:PORT
        #[arg(long, value_name = "URL")]
        from: String,
        /// Go on until stopped: whatever changes there changes here
        #[arg(long)]
        follow: bool,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Show in which fields two catalogs differ, times and indexes apart: exit 0 if in none, 1 if in any
    Compare {
        /// One, as http://HOST:PORT
        one: String,
        /// The other
        other: String,
        #[command(flatten)]
        token: TokenArguments,
        #[command(flatten)]
        tls: TlsArguments,
    },
    /// Replace the key by which secrets of tokens are sealed; `consul acl` speaks to a running agent
    #[command(subcommand)]
    Acl(acl::AclCommand),
    /// Make an authority of your own, and certificates that it signs
    #[command(subcommand)]
    Tls(tls::TlsCommand),
    /// Check a configuration without starting anything: exit 0 if it is valid, 1 if not
    Validate(ValidateArguments),
    /// Tell of a command, or print a page of the documentation
    Help {
        /// A command, or the name of a page
        #[arg(value_name = "TOPIC")]
        topic: Vec<String>,
    },
    /// Print the version
    Version {
        /// How to print it
        #[arg(long, value_enum, default_value_t)]
        format: VersionFormat,
    },
}

#[derive(Args, Debug)]
struct AgentArguments {
    /// Take over from the agent that runs on the same data directory, if one does: its sockets, its connections and its
    /// store. Nobody notices, and that one ends
    #[arg(long)]
    takeover: bool,
    /// Begin with what is in this snapshot, where the data directory is new; otherwise it is not looked at
    #[arg(long, value_name = "FILE")]
    restore: Option<PathBuf>,
    #[command(flatten)]
    places: ConfigPaths,
    #[command(flatten)]
    settings: CliSettings,
    #[command(flatten)]
    consul: ConsulFlags,
}

#[derive(Args, Debug)]
struct ValidateArguments {
    /// Further files and directories to check
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Taken, so that the arguments of `muster agent` can be checked as they are
    #[arg(long, hide = true)]
    takeover: bool,
    /// As `takeover`
    #[arg(long, hide = true)]
    restore: Option<PathBuf>,
    #[command(flatten)]
    places: ConfigPaths,
    #[command(flatten)]
    settings: CliSettings,
    #[command(flatten)]
    consul: ConsulFlags,
}

/// Understands the command line and does what can be done without serving.
pub fn run(arguments: impl Iterator<Item = OsString>, environment: Vec<(String, String)>) -> Action {
    let typed = arguments::normalised(arguments, &CommandLine::command());
    let parsed = match CommandLine::try_parse_from(&typed) {
        Ok(parsed) => parsed,
        Err(error) => {
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Success };
            return end(exit, hints::message(&error, &typed, CommandLine::command()));
        }
    };
    match parsed.command {
        Command::Agent(AgentArguments { takeover, restore, places, settings, consul }) => {
            match load::load(&settings.into_invocation(places, consul, environment)) {
                Ok(config) if restore.is_some() => match store::begin_with(restore, config) {
                    Ok(config) => Action::Serve { config: Box::new(config), takes_over: takeover },
                    Err(sentence) => end(Exit::Failure, sentence),
                },
                Ok(config) => Action::Serve { config: Box::new(config), takes_over: takeover },
                Err(problems) => end(Exit::Failure, problems),
            }
        }
        Command::Bench { arguments } => ended(bench::run(&arguments)),
        Command::Health { client } => {
            let settled = client.settle(Environment(&environment)).map_err(failed);
            ended(settled.and_then(|(address, terms)| health::ask(&address, terms)))
        }
        Command::Snapshot(command) => ended(snapshot::run(command, Environment(&environment))),
        Command::Store(command) => ended(store::run(command)),
        Command::Import { from, follow, client } => {
            let settled = client.settle_two(Environment(&environment)).map_err(failed);
            ended(settled.and_then(|(terms, (to, own))| import::run((&from, &terms), (&to, &own), follow)))
        }
        Command::Compare { one, other, token, tls } => {
            let environment = Environment(&environment);
            let terms = tls.settle(environment).and_then(|it| Ok(it.with_token(token.settle(environment)?)));
            ended(terms.map_err(failed).and_then(|terms| compare::run(&one, &other, &terms)))
        }
        Command::Acl(command) => ended(acl::run(command)),
        Command::Tls(command) => ended(tls::run(command)),
        Command::Validate(arguments) => validate(arguments, environment),
        Command::Help { topic } => ended(help::on(&topic, CommandLine::command())),
        Command::Version { format } => end(Exit::Success, version::text(format)),
    }
}

/// It was understood and failed.
pub fn failed(sentence: String) -> (Exit, String) {
    (Exit::Failure, sentence)
}

fn end(exit: Exit, message: impl ToString) -> Action {
    Action::End { exit, message: message.to_string() }
}

fn ended(output: CommandOutput) -> Action {
    let (exit, message) = output.map_or_else(|failed| failed, |message| (Exit::Success, message));
    Action::End { exit, message }
}

fn validate(arguments: ValidateArguments, environment: Vec<(String, String)>) -> Action {
    let ValidateArguments { paths, mut places, settings, consul, .. } = arguments;
    let (directories, files): (Vec<_>, Vec<_>) = paths.into_iter().partition(|path| path.is_dir());
    places.config_dir.extend(directories);
    places.config_file.extend(files);
    let Examined { files, outcome } = load::examine(&settings.into_invocation(places, consul, environment));
    let mut lines: Vec<String> = files.iter().map(|file| format!("read {}", file.display())).collect();
    match outcome {
        Ok(config) => {
            lines.extend(config.warnings.iter().map(|warning| format!("warning: {warning}")));
            lines.push(format!(
                "the configuration is valid, with {}",
                counted(config.definitions.len(), "definition")
            ));
            end(Exit::Success, lines.join("\n"))
        }
        Err(problems) => {
            lines.push(problems.to_string());
            end(Exit::Failure, lines.join("\n"))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::config::settings::SETTINGS;

    fn typed(line: &str) -> Action {
        run(line.split(' ').map(OsString::from), Vec::new())
    }

    fn ends(line: &str) -> (Exit, String) {
        match typed(line) {
            Action::End { exit, message } => (exit, message),
            Action::Serve { config, .. } => panic!("`{line}` serves: {config:?}"),
        }
    }

    #[test]
    fn the_grammar_is_sound_and_shows_every_setting() {
        CommandLine::command().debug_assert();
        let (exit, help) = ends("muster agent --help");
        assert_eq!(exit, Exit::Success);
        for setting in SETTINGS {
            let forms = [format!("--{}", setting.flag()), setting.variable()];
            assert!(forms.iter().all(|it| help.contains(it)), "{} is not in:\n{help}", setting.key);
        }
    }

    #[test]
    fn dashes_and_forms_of_values_do_not_matter() {
        for line in [
            "muster agent -dev -http-addr 127.0.0.1:1 -http-addr [::1]:1 -node=n1 -limits-idle-timeout 9s",
            "muster agent --dev=true --http-addr=127.0.0.1:1,[::1]:1 --node n1 --limits-idle-timeout=9s",
        ] {
            let Action::Serve { config, .. } = typed(line) else { panic!("`{line}` does not serve") };
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
            ("muster help", Exit::Success, "configuration, death-detection"),
            ("muster help configuration", Exit::Success, "# Configuration"),
            ("muster help agent", Exit::Success, "--http-addr"),
            ("muster help snapshot save", Exit::Success, "Usage: muster snapshot save"),
            ("muster help confguration", Exit::Usage, "did you mean `configuration`?"),
            ("muster", Exit::Usage, "Usage:"),
            ("muster agnet", Exit::Usage, "agent"),
            ("muster services", Exit::Usage, "/v1/catalog/services"),
            ("muster services register web.json", Exit::Usage, "Type instead: curl -X PUT -d"),
            ("muster services deregister web", Exit::Usage, "/v1/agent/service/deregister/ID"),
            (
                "muster catalog services",
                Exit::Usage,
                "Type instead: curl -s localhost:8500/v1/catalog/services",
            ),
            ("muster catalog nodes", Exit::Usage, "Type instead: curl -s localhost:8500/v1/catalog/nodes"),
            ("muster monitor", Exit::Usage, "for that. the log is where"),
            ("muster reload", Exit::Usage, "SIGHUP"),
            ("muster kv get x", Exit::Usage, "/v1/kv/KEY"),
            ("muster lock x", Exit::Usage, "501"),
            ("muster agent --clinet x", Exit::Usage, "did you mean --client?"),
            ("muster validate -htpp-port 1", Exit::Usage, "did you mean --http-port?"),
            ("muster help agent x", Exit::Usage, "tells of `muster agent`"),
            ("muster help death detection", Exit::Success, "# "),
            ("muster --help", Exit::Success, "configuration, death-detection"),
            ("muster validate /nowhere/x.toml", Exit::Failure, "/nowhere/x.toml): No such file"),
            ("muster agent -htp-addr x", Exit::Usage, "--http-addr"),
            ("muster agent -http-addr x", Exit::Failure, "the port is missing"),
            ("muster agent -dev -log-level loud -datacenter -", Exit::Failure, "2 problems"),
            ("muster agent -dev -http-port -1", Exit::Failure, "turns HTTP off"),
            ("muster agent -workers -1", Exit::Failure, "no whole number"),
            (
                "muster validate -dev -dns-port -1 -log-level INFO -hcl node_name=\"n\"",
                Exit::Success,
                "is valid",
            ),
            ("muster validate -dev=1 -log-level WARNING -datacenter EU1", Exit::Success, "is valid"),
            ("muster validate -hcl service{nam=\"a\"}", Exit::Failure, "flag --hcl"),
            ("muster validate -hcl nod_name=\"a\"", Exit::Failure, "did you mean `node_name`?"),
            (
                "muster health -http-addr https://127.0.0.1:1",
                Exit::NotReachable,
                "https://127.0.0.1:1 does not",
            ),
            (
                "muster health -http-addr https://h:1 -ca-file /nowhere/ca",
                Exit::Failure,
                "--ca-file /nowhere/ca: ",
            ),
            ("muster health -token-file /nowhere/token", Exit::Failure, "the token's file /nowhere/token: "),
            ("muster health -http-addr unix:///nowhere/s", Exit::NotReachable, "does not answer"),
            ("muster validate -config-file /nowhere/x.toml", Exit::Failure, "/nowhere/x.toml"),
            ("muster help bench", Exit::Success, "muster bench --help"),
            ("muster validate -dev", Exit::Success, "valid"),
            ("muster snapshot verify /nowhere/x", Exit::Failure, "cannot be read"),
            ("muster snapshot verify Cargo.toml", Exit::Failure, "no snapshot of muster's"),
            ("muster snapshot save /nowhere/x -http-addr h", Exit::Usage, "no address"),
            (
                "muster snapshot save /nowhere/x -http-addr unix:///nowhere/s",
                Exit::NotReachable,
                "unix:///nowhere/s does not",
            ),
            ("muster store inspect src", Exit::Failure, "no data directory"),
            ("muster store repair src -into /nowhere", Exit::Failure, "no data directory"),
            ("muster import -from h", Exit::Usage, "no address"),
            ("muster compare h:1 https://", Exit::Usage, "no address"),
            ("muster compare 127.0.0.1:1 127.0.0.1:1", Exit::NotReachable, "does not answer"),
        ];
        for (line, exit, expected) in rows {
            let (ended_as, message) = ends(line);
            assert_eq!(ended_as, exit, "{line}: {message}");
            assert!(message.contains(expected), "{line}: {message}");
        }
    }

    #[test]
    fn validate_says_what_it_has_read_and_shows_its_own_flags() {
        let (_, message) = ends("muster validate /nowhere/x.toml");
        assert!(message.starts_with("the configuration has 1 problem"), "{message}");
        let (_, help) = ends("muster validate --help");
        assert!(
            !help.contains("--takeover") && !help.contains("--restore") && help.contains("--hcl"),
            "{help}"
        );
        let (exit, message) = ends("muster validate -dev -takeover -restore x.snap");
        assert_eq!(exit, Exit::Success, "{message}");
    }

    #[test]
    fn validate_takes_files_and_directories_like_consul() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        fs::write(directory.path().join("web.json"), r#"{"service": {"name": "web"}}"#)
            .expect("it can be written");
        let (exit, message) = ends(&format!("muster validate {}", directory.path().display()));
        let read = format!("read {}\n", directory.path().join("web.json").display());
        assert_eq!((exit, message), (Exit::Success, read + "the configuration is valid, with 1 definition"));
        // As operators of Consul have it: programs in files only, and what would keep others out.
        let consuls = r#"{"check": {"name": "a", "args": ["true"], "interval": "1s"}, "verify_incoming": true,
            "enable_script_checks": false, "enable_local_script_checks": true, "encrypt": "a2V5"}"#;
        fs::write(directory.path().join("web.json"), consuls).expect("it can be written");
        let (exit, message) = ends(&format!("muster validate {}", directory.path().display()));
        assert!(
            exit == Exit::Success && message.contains("warning: Consul closes something by encrypt ("),
            "{message}"
        );
        fs::write(directory.path().join("bad.toml"), "nod = 'x'\nworkers = -1").expect("it can be written");
        let (exit, message) = ends(&format!("muster validate {}", directory.path().display()));
        assert!(exit == Exit::Failure && message.contains("2 problems"), "{message}");
    }
}
