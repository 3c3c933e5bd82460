//! `muster health`: whether an agent is ready to serve, for container health checks and scripts.

use std::time::Duration;

use crate::cli::client::Terms;
use crate::cli::command::{CommandOutput, Exit};
use crate::cli::remote::{Remote, RemoteError};

/// What an agent says that serves all it is asked.
const READY: &str = "ready";

/// How long an agent may take to say whether it is ready.
const WAIT_MAX: Duration = Duration::from_secs(3);

/// Asks the agent at `address` whether it is ready; gives its word, and what keeps it from taking writes, if anything
/// does.
///
/// # Errors
/// When it is not, or there is no answer, with the reason.
pub fn ask(address: &str, terms: Terms) -> CommandOutput {
    let terms = terms.patient(WAIT_MAX);
    let mut answer = match Remote::new(address, &terms)?.get("/readyz?verbose") {
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
            match (ask(&agent_that_answers(answer), Terms::default()), expected) {
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
        assert_eq!(ask(&format!("unix://{}", path.display()), Terms::default()), Ok("ready".to_owned()));
        let head = server.join().expect("it answers");
        assert!(head.to_ascii_lowercase().contains("\r\nhost: localhost\r\n"), "{head}");
    }

    #[test]
    fn nobody_there_is_told_apart() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address").to_string();
        drop(listener);
        let exit = |address: &str| ask(address, Terms::default()).expect_err("nobody answers").0;
        assert_eq!(exit(&address), Exit::NotReachable);
        assert_eq!(exit("unix:///nowhere/muster.sock"), Exit::NotReachable);
        assert_eq!(exit(&format!("https://{address}")), Exit::NotReachable);
        assert_eq!(exit("ftp://127.0.0.1:8501"), Exit::Usage);
    }
}
