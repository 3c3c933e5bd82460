//! `muster health`: whether an agent is ready to serve, for container health checks and scripts.

use std::time::Duration;

use crate::base::stdx::redact;
use crate::cli::command::{CommandOutput, Exit};
use crate::cli::remote::{Remote, RemoteError};
use crate::config::load;

/// Where the agent is looked for when nothing says otherwise.
pub const ADDRESS_DEFAULT: &str = "127.0.0.1:8500";

/// What an agent says that serves all it is asked.
const READY: &str = "ready";

/// How long an agent may take to say whether it is ready.
const WAIT_MAX: Duration = Duration::from_secs(3);

/// The variables that name the agent's address, the first that is set counts.
const ADDRESS_VARIABLES: &[&str] = &["MUSTER_HTTP_ADDR", "CONSUL_HTTP_ADDR"];

/// Asks the agent at `address` whether it is ready; gives its word, and what keeps it from taking writes, if anything
/// does.
///
/// # Errors
/// When it is not, or there is no answer, with the reason.
pub fn ask(address: &str) -> CommandOutput {
    if address.starts_with("https://") {
        let address = redact::url(address);
        let fault = "is no address here: this asks over plain HTTP, so write http://HOST:PORT";
        return Err((Exit::Usage, format!("`{address}` {fault}")));
    }
    let mut answer = match Remote::patient(address, None, Some(WAIT_MAX))?.get("/readyz?verbose") {
        Err(RemoteError::Refused { status, sentence, .. }) => {
            return Err((Exit::Failure, format!("not ready: {status}: {sentence}")));
        }
        answered => answered?,
    };
    let parts = answer.body_mut().read_to_string().unwrap_or_default();
    Ok(summed_up(&parts))
}

/// The last of these lines, which is the word for all; if it is not just `ready`, with those of the parts that are not
/// as they should be.
fn summed_up(parts: &str) -> String {
    let word = parts.lines().last().unwrap_or(READY);
    let lacking = parts.lines().filter(|line| word != READY && line.starts_with("[-]"));
    lacking.chain([word]).collect::<Vec<_>>().join("\n")
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
    use std::os::unix::net::UnixListener;
    use std::thread;

    use super::*;

    /// Answers the one request of a connection; gives its head.
    fn answer(mut socket: impl Read + Write, answer_text: &str) -> String {
        let mut head = [0; 1024];
        let count = socket.read(&mut head).expect("a request comes");
        let head = String::from_utf8_lossy(&head[..count]).into_owned();
        assert!(head.starts_with("GET /readyz?verbose HTTP/1.1\r\n"), "{head}");
        socket.write_all(answer_text.as_bytes()).expect("the peer reads");
        head
    }

    /// Answers one connection with `answer_text` and gives the address to ask at.
    fn agent_that_answers(answer_text: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address").to_string();
        thread::spawn(move || answer(listener.accept().expect("somebody connects").0, answer_text));
        address
    }

    #[test]
    fn an_agent_is_ready_or_says_why_not() {
        let rows = [
            ("HTTP/1.1 200 OK\r\n\r\n[-] Redis: away\nand\nready", Ok("ready")),
            ("HTTP/1.1 200 OK\r\n\r\nok", Ok("ok")),
            (
                "HTTP/1.1 200 OK\r\n\r\n[+] a: b\n[-] c: d\nready for reads, not for writes",
                Ok("[-] c: d\nready for reads, not for writes"),
            ),
            (
                "HTTP/1.1 503 Service Unavailable\r\n\r\nreplaying\n",
                Err((Exit::Failure, "not ready: 503: replaying")),
            ),
            ("220 smtp\r\n", Err((Exit::NotReachable, "does not speak HTTP"))),
        ];
        for (answer, expected) in rows {
            match (ask(&agent_that_answers(answer)), expected) {
                (Ok(answer_text), expected) => assert_eq!(Ok(&*answer_text), expected),
                (Err((exit, answer_text)), Err((expected, part))) => {
                    assert!(exit == expected && answer_text.contains(part), "{exit:?} {answer_text}");
                }
                (answer_text, expected) => panic!("{answer_text:?} is not {expected:?}"),
            }
        }
    }

    #[test]
    fn a_unix_socket_is_an_address_as_any() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("muster.sock");
        let listener = UnixListener::bind(&path).expect("a socket can be made");
        let server = thread::spawn(move || {
            answer(listener.accept().expect("somebody connects").0, "HTTP/1.1 200 OK\r\n\r\nready")
        });
        assert_eq!(ask(&format!("unix://{}", path.display())), Ok("ready".to_owned()));
        let head = server.join().expect("it answers");
        assert!(head.to_ascii_lowercase().contains("\r\nhost: localhost\r\n"), "{head}");
    }

    #[test]
    fn nobody_there_is_told_apart() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address").to_string();
        drop(listener);
        let exit = |address: &str| ask(address).expect_err("nobody answers").0;
        assert_eq!(exit(&address), Exit::NotReachable);
        assert_eq!(exit("unix:///nowhere/muster.sock"), Exit::NotReachable);
        assert_eq!(exit("https://127.0.0.1:8501"), Exit::Usage);
        assert_eq!(exit("ftp://127.0.0.1:8501"), Exit::Usage);
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
