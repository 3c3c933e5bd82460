//! Whoever has been told that a write holds reads it: also where answers are kept, and while others write.

use std::thread;

use super::{ask, put, raw, start};
use crate::support::client::Client;

/// Writes by each client.
const WRITES: usize = 150;

#[test]
fn no_kept_answer_is_older_than_a_write_that_was_acknowledged() {
    let (server, _client) = start(&[]);
    thread::scope(|scope| {
        for writer in 0..4 {
            let mut client = server.client();
            scope.spawn(move || write_and_read(&mut client, writer));
        }
    });
}

/// Each read is repeated, so that it is answered from the cache and then by the short cut.
fn write_and_read(client: &mut Client, writer: usize) {
    let key = format!("w{writer}/key");
    for number in 0..WRITES {
        let value = format!("{writer}-{number}");
        put(client, &key, &value);
        for _ in 0..4 {
            assert_eq!(raw(client, &key), value);
            let tree = ask(client, "GET", &format!("w{writer}/?recurse"), b"");
            let pair = tree.json()[0].clone();
            let own = ask(client, "GET", &key, b"");
            assert_eq!((own.json()[0].clone(), own.index()), (pair.clone(), pair["ModifyIndex"].as_u64()));
            assert_eq!(tree.index(), own.index(), "nobody else writes below the prefix");
        }
        if number % 10 == 9 {
            ask(client, "DELETE", &key, b"");
            for _ in 0..4 {
                for target in [key.clone(), format!("{key}?raw"), format!("w{writer}/?recurse")] {
                    assert_eq!(ask(client, "GET", &target, b"").status, 404, "{target}");
                }
            }
        }
    }
}

/// A parameter makes another answer, whether it is known or not.
#[test]
fn no_answer_is_given_to_another_question() {
    let (_server, mut client) = start(&[]);
    put(&mut client, "a/b", "v");
    let targets =
        ["a/b", "a/b?raw", "a/b?keys", "a/b?recurse", "a/?keys", "a/?keys&separator=/", "a/?keys&x=1"];
    let answers = |client: &mut Client| targets.map(|target| ask(client, "GET", target, b"").text());
    let first = answers(&mut client);
    for _ in 0..3 {
        assert_eq!(answers(&mut client), first);
    }
    put(&mut client, "a/c", "v");
    for _ in 0..3 {
        assert_eq!(answers(&mut client)[4..], [r#"["a/b","a/c"]"#; 3]);
    }
}
