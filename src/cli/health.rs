//! `muster health`: whether an agent is ready to serve, for container health checks and scripts.

use std::time::Duration;

use crate::cli::client::{self, ADDRESS_DEFAULT, ClientError};
use crate::config::load;

/// How long an agent may take to say whether it is ready.
const WAIT_MAX: Duration = Duration::from_secs(3);

/// The variables that name the agent's address, the first that is set counts.
const ADDRESS_VARIABLES: &[&str] = &["MUSTER_HTTP_ADDR", "CONSUL_HTTP_ADDR"];

/// What an agent says of itself.
#[derive(Debug, PartialEq, Eq)]
pub enum AgentHealthReport {
    /// It serves.
    Ready,
    /// It does not, for this reason.
    NotReady(String),
}

/// Asks the agent at `address` whether it is ready.
///
/// # Errors
/// When there is no answer; see [`ClientError`].
pub fn ask(address: &str) -> Result<AgentHealthReport, ClientError> {
    let answer = client::get(address, "/readyz", WAIT_MAX)?;
    match answer.status {
        200 => Ok(AgentHealthReport::Ready),
        status if answer.body.trim_start().starts_with('<') => Ok(AgentHealthReport::NotReady(format!(
            "what answers there is no muster: it says {status} with a web page; name another address with --http-addr"
        ))),
        status => Ok(AgentHealthReport::NotReady(format!("{status}: {}", answer.body.trim()))),
    }
}

/// The address to ask at: the flag's, or the environment's, or that of the agent's own files, or the default. Of a
/// list, the first.
pub fn address(flag: Option<String>, environment: &[(String, String)]) -> String {
    let value = |name: &&str| environment.iter().find(|(other, value)| other == name && !value.is_empty());
    let written = flag.or_else(|| ADDRESS_VARIABLES.iter().find_map(value).map(|(_, value)| value.clone()));
    let written = written.or_else(|| load::http_address(environment));
    let written = written.unwrap_or_else(|| ADDRESS_DEFAULT.to_owned());
    written.split(',').next().unwrap_or(ADDRESS_DEFAULT).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// Answers one connection with `answer` and gives the address to ask at.
    fn agent_that_says(answer: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address").to_string();
        thread::spawn(move || {
            let (mut socket, _) = listener.accept().expect("somebody connects");
            let mut head = [0; 1024];
            let count = socket.read(&mut head).expect("a request comes");
            assert!(head[..count].starts_with(b"GET /readyz HTTP/1.0\r\nHost: 127.0.0.1:"));
            socket.write_all(answer.as_bytes()).expect("the peer reads");
        });
        address
    }

    #[test]
    fn an_agent_is_ready_or_says_why_not() {
        let ready = agent_that_says("HTTP/1.1 200 OK\r\n\r\nok");
        assert_eq!(ask(&ready).expect("it answers"), AgentHealthReport::Ready);
        let starting = agent_that_says("HTTP/1.1 503 Service Unavailable\r\n\r\nreplaying\n");
        assert_eq!(
            ask(&starting).expect("it answers"),
            AgentHealthReport::NotReady("503: replaying".to_owned())
        );
        let stranger = agent_that_says("220 smtp\r\n");
        assert!(matches!(ask(&stranger), Err(ClientError::NotHttp(_))));
    }

    #[test]
    fn nobody_there_is_told_apart() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address").to_string();
        drop(listener);
        assert!(matches!(ask(&address), Err(ClientError::Unreachable(..))));
        assert!(matches!(ask("unix:///nowhere/muster.sock"), Err(ClientError::Unreachable(..))));
        assert!(matches!(ask("https://127.0.0.1:8501"), Err(ClientError::Address(_))));
    }

    #[test]
    fn the_flag_wins_over_our_variable_over_consuls() {
        let both = [("CONSUL_HTTP_ADDR", "c:1"), ("MUSTER_HTTP_ADDR", "m:1,m:2")];
        let environment: Vec<_> =
            both.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        assert_eq!(address(Some("f:1".into()), &environment), "f:1");
        assert_eq!(address(None, &environment), "m:1");
        assert_eq!(address(None, &environment[..1]), "c:1");
        assert_eq!(address(None, &[]), ADDRESS_DEFAULT);
        let directory = tempfile::tempdir().expect("a temporary directory");
        let file = directory.path().join("m.toml");
        let named = [("MUSTER_CONFIG_FILE".to_owned(), file.display().to_string())];
        for (text, expected) in [
            ("http_addr = \"unix:///run/s\"", "unix:///run/s"),
            ("http_addr = [\"unix:///run/s\", \"localhost:9\"]", "127.0.0.1:9"),
            ("http_addr = \"{{ GetPrivateIP }}:1\"", ADDRESS_DEFAULT),
            ("node = \"n\"", ADDRESS_DEFAULT),
            ("no TOML", ADDRESS_DEFAULT),
        ] {
            std::fs::write(&file, text).expect("a file can be written");
            assert_eq!(address(None, &named), expected, "{text}");
        }
    }
}
