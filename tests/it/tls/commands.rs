//! `muster tls`, and what else of the command line speaks through TLS, as somebody.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::{Agent, Authority};
use crate::support::process::muster_binary;

/// A token that nobody is to see.
const TOKEN: &str = "0d6a7a5e-secret";

/// How a command in a directory ends, and what it says.
fn muster(here: &Path, line: &str, environment: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = Command::new(muster_binary());
    command.args(line.split(' ')).current_dir(here).env_clear().envs(environment.iter().copied());
    let output = command.output().expect("muster runs");
    (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

/// An authority's directory.
fn directory_with_authority() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let said = "==> Saved muster-agent-ca.pem\n==> Saved muster-agent-ca-key.pem\n";
    assert_eq!(muster(directory.path(), "tls ca create", &[]), (Some(0), said.to_owned()));
    directory
}

/// An agent with the certificate of this name.
fn agent(here: &Path, stem: &str, further: &[&str]) -> Agent {
    let path = |name: String| here.join(name).display().to_string();
    let (certificate, key) = (path(format!("{stem}.pem")), path(format!("{stem}-key.pem")));
    let arguments = [&["--tls-cert-file", &certificate, "--tls-key-file", &key], further].concat();
    Agent::start(&Authority::new(), &arguments)
}

#[test]
fn certificates_are_made_and_nothing_is_written_over() {
    let empty = tempfile::tempdir().expect("a temporary directory");
    let (exit, said) = muster(empty.path(), "tls cert create -server", &[]);
    assert!(exit == Some(1) && said.contains("`muster tls ca create` makes an authority"), "{said}");
    let directory = directory_with_authority();
    let here = directory.path();
    let key = || fs::read(here.join("muster-agent-ca-key.pem")).expect("a key");
    let before = key();
    let (exit, said) = muster(here, "tls ca create", &[]);
    assert!(exit == Some(1) && said.contains("muster-agent-ca-key.pem already exists"), "{said}");
    // Nor is a key left behind whose certificate cannot be written.
    fs::remove_file(here.join("muster-agent-ca-key.pem")).expect("a file");
    assert_eq!(muster(here, "tls ca create", &[]).0, Some(1));
    assert!(!here.join("muster-agent-ca-key.pem").exists());
    fs::write(here.join("muster-agent-ca-key.pem"), &before).expect("a file can be written");
    for (flags, stem) in [
        ("-server", "dc1-server-muster-0"),
        ("-server -node n1 -additional-dnsname a.example -additional-ipaddress ::1", "dc1-server-muster-1"),
        ("-client -dc=eu", "eu-client-muster-0"),
        ("-cli -days 1", "dc1-cli-muster-0"),
    ] {
        let said = format!(
            "==> Using muster-agent-ca.pem and muster-agent-ca-key.pem\n==> Saved {stem}.pem\n==> Saved {stem}-key.pem\n"
        );
        assert_eq!(muster(here, &format!("tls cert create {flags}"), &[]), (Some(0), said));
        let metadata = fs::metadata(here.join(format!("{stem}-key.pem"))).expect("a file");
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    }
    assert_eq!(key(), before);
    assert_eq!(muster(here, "tls ca create -domain other -name-constraint", &[]).0, Some(0));
    for (flags, exit, part) in [
        ("", 2, "--server|--client|--cli"),
        ("-server -cli", 2, "cannot be used with"),
        ("-server -domain ../up", 2, "may be in it"),
        ("-server -days 0", 2, "not in"),
        ("-server -ca other-agent-ca.pem -key muster-agent-ca-key.pem", 1, "is not this authority's"),
        ("-server -ca eu-client-muster-0.pem -key eu-client-muster-0-key.pem", 1, "of no authority"),
        ("-server -key muster-agent-ca.pem", 1, "no key in it"),
    ] {
        let (ended, said) = muster(here, format!("tls cert create {flags}").trim(), &[]);
        assert!(ended == Some(exit) && said.contains(part), "{flags}: {ended:?} {said}");
    }
}

#[test]
fn commands_speak_through_tls() {
    let directory = directory_with_authority();
    let here = directory.path();
    for kind in ["-server", "-cli"] {
        assert_eq!(muster(here, &format!("tls cert create {kind}"), &[]).0, Some(0));
    }
    fs::create_dir(here.join("authorities")).expect("a directory");
    fs::copy(here.join("muster-agent-ca.pem"), here.join("authorities/a.pem")).expect("a copy");
    let authority = here.join("muster-agent-ca.pem").display().to_string();
    let terms = ["--tls-ca-file", &authority, "--tls-verify-incoming", "required"];
    let agent = agent(here, "dc1-server-muster-0", &terms);
    let at = agent.https.to_string();
    let ask = format!("health -http-addr https://{at}");
    let (trusts, shows) = ("-ca-file muster-agent-ca.pem", "-client-cert dc1-cli-muster-0.pem -client-key");
    let shows = format!("{shows} dc1-cli-muster-0-key.pem");
    let shown =
        [("CONSUL_CLIENT_CERT", "dc1-cli-muster-0.pem"), ("CONSUL_CLIENT_KEY", "dc1-cli-muster-0-key.pem")];
    let with = |name: &'static str, value: &'static str| [shown.as_slice(), &[(name, value)]].concat();
    let mut by_variables = with("MUSTER_CACERT", "muster-agent-ca.pem");
    by_variables.push(("MUSTER_HTTP_SSL", "true"));
    type Row<'a> = (String, Vec<(&'a str, &'a str)>, i32, &'a str);
    let rows: [Row<'_>; 14] = [
        (format!("{ask} {trusts} {shows}"), vec![], 0, "ready"),
        (format!("{ask} {shows}"), vec![], 3, "--ca-file"),
        (format!("{ask} {trusts}"), vec![], 3, "--client-cert"),
        (format!("health -http-addr {at}"), by_variables.clone(), 0, "ready"),
        (format!("health -http-addr http://{at}"), by_variables, 0, "ready"),
        (format!("health -http-addr http://{at}"), vec![], 1, "TLS"),
        (ask.clone(), with("MUSTER_CAPATH", "authorities"), 0, "ready"),
        (ask.clone(), with("CONSUL_HTTP_SSL_VERIFY", "0"), 0, "ready"),
        (ask.clone(), with("MUSTER_HTTP_SSL_VERIFY", "perhaps"), 1, "neither true nor false"),
        (format!("{ask} {trusts} {shows} -tls-server-name server.dc1.muster"), vec![], 0, "ready"),
        (format!("{ask} {trusts} {shows} -tls-server-name a.example"), vec![], 3, "--tls-server-name"),
        (format!("{ask} {trusts} -client-cert dc1-cli-muster-0.pem"), vec![], 1, "--client-key"),
        (format!("snapshot save s -redacted -http-addr https://{at} {trusts} {shows}"), vec![], 0, "saved s"),
        (format!("compare https://{at} https://{at} {trusts} {shows}"), vec![], 0, "no difference"),
    ];
    for (line, environment, exit, part) in rows {
        let (ended, said) = muster(here, &line, &environment);
        assert!(ended == Some(exit) && said.contains(part), "{line} {environment:?}: {ended:?} {said}");
    }
}

#[test]
fn a_token_is_sent_and_never_shown() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let at = listener.local_addr().expect("an address");
    let directory = tempfile::tempdir().expect("a temporary directory");
    let here = directory.path();
    fs::write(here.join("token"), format!("{TOKEN}\n")).expect("a file can be written");
    fs::write(here.join("odd"), format!("{TOKEN} {TOKEN}")).expect("a file can be written");
    let token = ("MUSTER_HTTP_TOKEN", TOKEN);
    let rows: [(&str, &[(&str, &str)]); 7] = [
        ("-token 0d6a7a5e-secret", &[("MUSTER_HTTP_TOKEN", "another")]),
        ("-token-file token", &[("CONSUL_HTTP_TOKEN", "another")]),
        ("", &[token, ("MUSTER_HTTP_TOKEN_FILE", "/nowhere")]),
        ("", &[("MUSTER_HTTP_TOKEN_FILE", "token"), ("CONSUL_HTTP_TOKEN", "another")]),
        ("", &[("CONSUL_HTTP_TOKEN", TOKEN)]),
        ("", &[("CONSUL_HTTP_TOKEN_FILE", "token")]),
        ("", &[token, ("CONSUL_HTTP_TOKEN", "another")]),
    ];
    for (flags, environment) in rows {
        let (exit, said, head) = std::thread::scope(|scope| {
            let answering = scope.spawn(|| {
                let (mut socket, _) = listener.accept().expect("somebody connects");
                let mut head = [0; 1024];
                let count = socket.read(&mut head).expect("a request");
                let body = format!("{TOKEN} may not");
                let length = body.len();
                write!(socket, "HTTP/1.1 403 Forbidden\r\nContent-Length: {length}\r\n\r\n{body}")
                    .expect("a peer");
                String::from_utf8_lossy(&head[..count]).to_lowercase()
            });
            let (exit, said) = muster(here, format!("health -http-addr {at} {flags}").trim(), environment);
            (exit, said, answering.join().expect("it answers"))
        });
        assert!(head.contains(&format!("x-consul-token: {TOKEN}\r\n")), "{flags} {environment:?}: {head}");
        assert!(exit == Some(1) && said.contains("(redacted) may not") && !said.contains(TOKEN), "{said}");
    }
    let (exit, said) = muster(here, &format!("health -http-addr {at} -token-file odd"), &[]);
    assert!(exit == Some(1) && said.contains("the token is none") && !said.contains(TOKEN), "{said}");
}

#[test]
fn the_end_of_a_certificate_is_told_weeks_before() {
    let directory = directory_with_authority();
    let here = directory.path();
    let rows = [
        (300, "passing", "[+]", ""),
        (20, "warning", "[-]", "is about to expire"),
        (6, "critical", "[-]", "is about to expire: renew it now"),
    ];
    for (number, (days, status, mark, logged)) in rows.into_iter().enumerate() {
        // A second later a day less is left.
        let lines = [days, days - 1].map(|days| format!("{mark} certificate: expires in {days} days"));
        assert_eq!(muster(here, &format!("tls cert create -server -days {days}"), &[]).0, Some(0));
        let agent = agent(here, &format!("dc1-server-muster-{number}"), &[]);
        let mut client = agent.process.client();
        let health: Value =
            serde_json::from_str(&client.get("/health").expect("an answer").text()).expect("JSON");
        assert_eq!((&health["status"], &health["certificate"]["status"]), (&"ready".into(), &status.into()));
        let parts = client.get("/readyz?verbose").expect("an answer");
        assert!(
            parts.status == 200 && parts.text().lines().any(|it| lines.iter().any(|line| line == it)),
            "{}",
            parts.text()
        );
        let log = agent.process.log();
        assert_eq!(log.contains("is about to expire"), !logged.is_empty(), "{log}");
        assert!(log.contains(logged), "{log}");
    }
}
