//! What a `[[webhooks]]` table may say, what it may not, and that the document lists every key.

use std::fs;

use super::reader::WEBHOOKS_MAX;
use super::*;
use crate::config::problem::{Problem, SettingSource};

fn read_text(text: &str, environment: &[(&str, &str)]) -> Result<Vec<Webhook>, Vec<Problem>> {
    let tables = match text.parse::<toml::Table>().expect("the test writes TOML").remove(TABLES) {
        Some(toml::Value::Array(tables)) => tables,
        other => panic!("{other:?}"),
    };
    let origin = SettingSource::File("muster.toml".into());
    let tables: Vec<_> =
        tables.into_iter().map(|it| (it.as_table().expect("a table").clone(), origin.clone())).collect();
    let environment: Vec<_> = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    read(&tables, &environment)
}

#[test]
fn the_least_and_the_most_are_read() {
    let secret = tempfile::NamedTempFile::new().expect("a temporary file");
    fs::write(secret.path(), "from a file\r\n").expect("it can be written");
    let text = format!(
        r#"
        [[webhooks]]
        name = "least"
        url = "http://127.0.0.1:9/hook"
        [[webhooks]]
        name = "most"
        url = "https://hooks.example/T0/B0/x?y=z"
        format = "slack"
        filter = "Service.Meta.team == payments"
        services = ["web", "db"]
        nodes = ["n1"]
        tags = ["live"]
        statuses = ["critical"]
        secret_file = {:?}
        headers = {{ Authorization = "Bearer t0ken", X-Team = "ops" }}
        timeout = "3s"
        queue_max = 500
        give_up_after = "1h"
        tls_skip_verify = true
        tls_server_name = "inner.example"
        [[webhooks]]
        name = "alerts"
        url = "http://alerts:9093"
        format = "alertmanager"
        secret_env = "HOOK_SECRET"
        "#,
        secret.path()
    );
    let webhooks = read_text(&text, &[("HOOK_SECRET", "from outside")]).expect("all of it is right");
    let [least, most, alerts] = &webhooks[..] else { panic!("{webhooks:?}") };
    assert_eq!((least.format, least.queue_max, least.statuses.len()), (WebhookFormat::Json, 10_000, 3));
    assert_eq!((least.timeout.as_secs(), least.give_up_after.as_secs()), (10, 86_400));
    assert_eq!((&least.secret, least.headers.len()), (&None, 0));
    assert_eq!((most.queue_max, most.timeout.as_secs(), most.tls_skip_verify), (500, 3, true));
    assert_eq!(most.secret, Some(Hidden("from a file".to_owned())));
    assert_eq!((most.statuses.as_slice(), most.headers.len()), (&[Status::Critical][..], 2));
    assert_eq!(most.place(), "https://hooks.example");
    assert_eq!(alerts.statuses, [Status::Warning, Status::Critical]);
    let shown = format!("{webhooks:?}");
    for secret in ["from a file", "from outside", "t0ken", "T0/B0"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn what_is_wrong_is_told_with_the_remedy() {
    let rows = [
        ("url = 'http://h'", "webhooks[1].name", "give the webhook a name"),
        ("name = 'a/b'\nurl = 'http://h'", "webhooks[1].name", "hyphen"),
        ("name = 'a b'\nurl = 'http://h'", "webhooks[1].name", "muster help webhooks"),
        ("name = 'a'", "webhooks[1].url", "https://receiver.example"),
        ("name = 'a'\nurl = 'receiver'", "webhooks[1].url", "https://receiver.example"),
        ("name = 'a'\nurl = 'ftp://h/x'", "webhooks[1].url", "https://receiver.example"),
        ("name = 'a'\nurl = 'https://me:pw@h/x'", "webhooks[1].url", "Authorization"),
        ("name = 'a'\nurl = 'http://h'\nformat = 'teams'", "webhooks[1].format", "json"),
        ("name = 'a'\nurl = 'http://h'\nfilter = 'Service.Nmae == x'", "webhooks[1].filter", "?filter="),
        ("name = 'a'\nurl = 'http://h'\nfilter = 'and'", "webhooks[1].filter", "?filter="),
        ("name = 'a'\nurl = 'http://h'\nservices = []", "webhooks[1].services", "leave it out"),
        ("name = 'a'\nurl = 'http://h'\nservices = 'web'", "webhooks[1].services", "leave it out"),
        ("name = 'a'\nurl = 'http://h'\nstatuses = ['bad']", "webhooks[1].statuses", "these three"),
        (
            "name = 'a'\nurl = 'http://h'\nformat = 'alertmanager'\nstatuses = ['passing']",
            "webhooks[1].statuses",
            "by themselves",
        ),
        ("name = 'a'\nurl = 'http://h'\nsecret_env = 'ABSENT'", "webhooks[1].secret_env", "set it"),
        ("name = 'a'\nurl = 'http://h'\nsecret_env = 'EMPTY'", "webhooks[1].secret_env", "1 to 4096"),
        ("name = 'a'\nurl = 'http://h'\nsecret_file = '/absent'", "webhooks[1].secret_file", "permissions"),
        ("name = 'a'\nurl = 'http://h'\ntimeout = '61s'", "webhooks[1].timeout", "10s"),
        ("name = 'a'\nurl = 'http://h'\nqueue_max = 99", "webhooks[1].queue_max", "10000"),
        ("name = 'a'\nurl = 'http://h'\nheaders = { 'a b' = 'c' }", "webhooks[1].headers", "no line breaks"),
        (
            "name = 'a'\nurl = 'http://h'\nheaders = { a = \"b\\nc\" }",
            "webhooks[1].headers",
            "no line breaks",
        ),
        ("name = 'a'\nurl = 'http://h'\nfilters = 'x'", "webhooks[1].filters", "did you mean `filter`?"),
    ];
    for (text, key, remedy) in rows {
        let read = read_text(&format!("[[webhooks]]\n{text}"), &[("EMPTY", "")]);
        let problems = read.expect_err(text);
        let [problem] = &problems[..] else { panic!("{text}: {problems:?}") };
        assert_eq!(problem.key, key, "{text}");
        assert!(problem.remedy.contains(remedy), "{text}: {problem}");
        assert!(!problem.to_string().contains("pw"), "{problem}");
    }
}

#[test]
fn names_and_their_number_are_bounded() {
    let table = |name: &str| format!("[[webhooks]]\nname = '{name}'\nurl = 'http://h'\n");
    let twice = read_text(&[table("a"), table("a")].concat(), &[]).expect_err("a name is one webhook's");
    assert_eq!((twice.len(), twice[0].key.as_str()), (1, "webhooks[2].name"));
    for (count, is_right) in [(WEBHOOKS_MAX, true), (WEBHOOKS_MAX + 1, false), (WEBHOOKS_MAX + 2, false)] {
        let all: String = (0..count).map(|number| table(&number.to_string())).collect();
        let read = read_text(&all, &[]);
        assert_eq!(read.is_ok(), is_right, "{count}");
        assert!(read.map_or_else(|problems| problems.len() == 1, |_| true), "told once");
    }
}

/// The document, whose rows are compared.
const DOCUMENT: &str = include_str!("../../../docs/webhooks.md");

#[test]
fn the_document_lists_exactly_the_table() {
    let row = |field: &WebhookField| {
        let fallback = match field.fallback {
            words @ ("required" | "none" | "all" | "any" | "the URL's host") => words.to_owned(),
            value => format!("`{value}`"),
        };
        format!("| `{}` | {} | {fallback} | {} |", field.key, field.shape.allowed(), field.help)
    };
    let rows: Vec<String> = FIELDS.iter().map(row).collect();
    let section = DOCUMENT.split("## Keys").nth(1).and_then(|rest| rest.split("\n## ").next());
    let listed: Vec<&str> =
        section.unwrap_or_default().lines().filter(|line| line.starts_with("| `")).collect();
    assert_eq!(listed, rows, "the rows should read:\n{}\n", rows.join("\n"));
}
