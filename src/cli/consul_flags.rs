//! Consul's flags of `agent` that are not muster's as well: each stands for a key of Consul's files, and is read as
//! one.

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches};

/// How a flag is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Alone, or with `=true` or `=false`.
    Switch,
    /// With a value.
    Value,
}

use Form::{Switch, Value};

/// `(flag, key in Consul's files, form)`.
const FLAGS: &[(&str, &str, Form)] = &[
    ("client", "client_addr", Value),
    ("bind", "bind_addr", Value),
    ("advertise", "advertise_addr", Value),
    ("http-port", "ports.http", Value),
    ("enable-script-checks", "enable_script_checks", Switch),
    ("log-json", "log_json", Switch),
    ("advertise-wan", "advertise_addr_wan", Value),
    ("allow-write-http-from", "allow_write_http_from", Value),
    ("alt-domain", "alt_domain", Value),
    ("auto-reload-config", "auto_reload_config", Switch),
    ("bootstrap", "bootstrap", Switch),
    ("bootstrap-expect", "bootstrap_expect", Value),
    ("check_output_max_size", "check_output_max_size", Value),
    ("default-query-time", "default_query_time", Value),
    ("disable-host-node-id", "disable_host_node_id", Switch),
    ("disable-keyring-file", "disable_keyring_file", Switch),
    ("dns-port", "ports.dns", Value),
    ("domain", "domain", Value),
    ("encrypt", "encrypt", Value),
    ("grpc-port", "ports.grpc", Value),
    ("grpc-tls-port", "ports.grpc_tls", Value),
    ("https-port", "ports.https", Value),
    ("join", "start_join", Value),
    ("join-wan", "start_join_wan", Value),
    ("log-file", "log_file", Value),
    ("log-rotate-bytes", "log_rotate_bytes", Value),
    ("log-rotate-duration", "log_rotate_duration", Value),
    ("log-rotate-max-files", "log_rotate_max_files", Value),
    ("max-query-time", "max_query_time", Value),
    ("non-voting-server", "non_voting_server", Switch),
    ("pid-file", "pid_file", Value),
    ("primary-gateway", "primary_gateways", Value),
    ("protocol", "protocol", Value),
    ("raft-protocol", "raft_protocol", Value),
    ("read-replica", "read_replica", Switch),
    ("recursor", "recursors", Value),
    ("rejoin", "rejoin_after_leave", Switch),
    ("retry-interval", "retry_interval", Value),
    ("retry-interval-wan", "retry_interval_wan", Value),
    ("retry-join", "retry_join", Value),
    ("retry-join-wan", "retry_join_wan", Value),
    ("retry-max", "retry_max", Value),
    ("retry-max-wan", "retry_max_wan", Value),
    ("segment", "segment", Value),
    ("serf-lan-allowed-cidrs", "serf_lan_allowed_cidrs", Value),
    ("serf-lan-bind", "serf_lan", Value),
    ("serf-lan-port", "ports.serf_lan", Value),
    ("serf-wan-allowed-cidrs", "serf_wan_allowed_cidrs", Value),
    ("serf-wan-bind", "serf_wan", Value),
    ("serf-wan-port", "ports.serf_wan", Value),
    ("server", "server", Switch),
    ("server-port", "ports.server", Value),
    ("syslog", "enable_syslog", Switch),
    ("ui", "ui", Switch),
    ("ui-content-path", "ui_content_path", Value),
    ("ui-dir", "ui_dir", Value),
];

/// Consul's flags that were given, each as flag, key and value.
#[derive(Debug, Default)]
pub struct ConsulFlags(pub Vec<(&'static str, &'static str, String)>);

/// clap's derive cannot iterate a table, so this is written out.
impl Args for ConsulFlags {
    fn augment_args(command: Command) -> Command {
        let arg = |(flag, _, form): &(&'static str, &str, Form)| {
            let arg = Arg::new(format!("consul:{flag}")).long(*flag).hide(true).action(ArgAction::Append);
            let arg = arg.value_name("VALUE");
            match form {
                Switch => arg.num_args(0..=1).require_equals(true).default_missing_value("true"),
                Value => arg,
            }
        };
        FLAGS.iter().fold(command, |command, flag| command.arg(arg(flag)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for ConsulFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let given = |(flag, key, _): &(&'static str, &'static str, Form)| {
            let id = format!("consul:{flag}");
            let is_typed = matches.value_source(&id) == Some(ValueSource::CommandLine);
            // Given twice, the last one counts; lists of Consul's are none of muster's settings.
            let value = matches.get_many::<String>(&id).filter(|_| is_typed)?.next_back()?;
            Some((*flag, *key, value.clone()))
        };
        Ok(ConsulFlags(FLAGS.iter().filter_map(given).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        self.0.extend(Self::from_arg_matches(matches)?.0);
        Ok(())
    }
}
