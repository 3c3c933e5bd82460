//! Values of each kind at their bounds and past them; what a setting does with one is not known here.

use super::*;

const COUNT: Kind = Kind::Integer { min: 2, max: 9 };
const SIZE: Kind = Kind::Bytes { min: 1024, max: 1 << 20 };
const WAIT: Kind = Kind::Duration { min_s: 1, max_s: 3600 };
const NAME: Kind = Kind::Name { bytes_max: 4 };
const NAMES: Kind = Kind::Names { bytes_max: 4 };

#[test]
fn values_at_their_bounds_are_accepted() {
    let label = "a".repeat(63);
    let pair = format!("{}={}", "k".repeat(128), "v".repeat(512));
    let rows = [
        (Kind::Boolean, "true", "true"),
        (COUNT, "2", "2"),
        (COUNT, "9", "9"),
        (SIZE, "1024", "1KiB"),
        (SIZE, "1025B", "1025B"),
        (SIZE, "1 MiB", "1MiB"),
        (WAIT, "1s", "1s"),
        (WAIT, "1h", "1h0m0s"),
        (Kind::Choice(&["text", "json"]), "json", "json"),
        (Kind::Choice(&["text", "json"]), "Json", "json"),
        (Kind::Choice(&["error", "warn"]), "ERR", "error"),
        (Kind::Choice(&["error", "warn"]), "Warning", "warn"),
        (Kind::Boolean, "1", "true"),
        (Kind::Boolean, "F", "false"),
        (Kind::Label, "EU1", "eu1"),
        (Kind::Label, label.as_str(), label.as_str()),
        (NAME, "node", "node"),
        (Kind::Path, "./data", "./data"),
        (Kind::Ip, "::1", "::1"),
        (Kind::Addresses, "127.0.0.1:1", "127.0.0.1:1"),
        (Kind::Networks, "10.0.0.0/8", "10.0.0.0/8"),
        (Kind::Networks, "::1", "::1/128"),
        (Kind::Networks, "", ""),
        (Kind::Id, "40E4A748-2192-161A-0510-9BF59FE950B5", "40e4a748-2192-161a-0510-9bf59fe950b5"),
        (Kind::Id, "", ""),
        (Kind::Pairs, "zone=a:b", "zone=a:b"),
        (Kind::Pairs, "zone:a=b", "zone=a=b"),
        (Kind::Pairs, "zone=", "zone="),
        (Kind::Pairs, "", ""),
        (Kind::Pairs, pair.as_str(), pair.as_str()),
        (NAMES, "four", "four"),
        (NAMES, "", ""),
    ];
    for (kind, text, shown) in rows {
        let value = kind.read(&[text.to_owned()]);
        assert_eq!(value.map(|it| it.to_string()), Ok(shown.to_owned()), "{kind:?} {text}");
    }
}

#[test]
fn values_past_their_bounds_are_refused() {
    let label = "a".repeat(64);
    let (long_key, long_value) = (format!("{}=v", "k".repeat(129)), format!("k={}", "v".repeat(513)));
    let rows = [
        (Kind::Boolean, "yes", "neither"),
        (COUNT, "1", "too small"),
        (COUNT, "10", "too large"),
        (COUNT, "-3", "no whole number"),
        (SIZE, "1023", "too small"),
        (SIZE, "1048577", "too large"),
        (SIZE, "99999999999GiB", "too large"),
        (SIZE, "1MB", "no number of bytes"),
        (WAIT, "999ms", "too short"),
        (WAIT, "1h1ns", "too long"),
        (WAIT, "-5s", "negative"),
        (WAIT, "5", "missing unit"),
        (Kind::Choice(&["text", "json"]), "xml", "none of the words"),
        (Kind::Choice(&["text", "json"]), "err", "none of the words"),
        (Kind::Label, label.as_str(), "no DNS label"),
        (Kind::Label, "-dc", "no DNS label"),
        (Kind::Label, "1dc", "no DNS label"),
        (Kind::Label, "dc-", "no DNS label"),
        (Kind::Label, "", "no DNS label"),
        (NAME, "nodes", "5 bytes"),
        (NAME, "a b", "blank"),
        (NAME, "", "empty"),
        (Kind::Path, "", "empty"),
        (Kind::Ip, "localhost", "no IP address"),
        (Kind::Networks, "10.0.0.0/33", "no network"),
        (Kind::Networks, "metadata", "no network"),
        (Kind::Id, "40e4a7482192161a05109bf59fe950b5", "no UUID"),
        (Kind::Id, "web-1", "no UUID"),
        (Kind::Pairs, "zone", "no `=`"),
        (Kind::Pairs, "=a", "no key"),
        (Kind::Pairs, "a.b=c", "no key"),
        (Kind::Pairs, "consul-x=y", "muster's own"),
        (Kind::Pairs, long_key.as_str(), "no key"),
        (Kind::Pairs, long_value.as_str(), "too long"),
        (NAMES, "nodes", "5 bytes"),
        (NAMES, "a\tb", "control character"),
    ];
    for (kind, text, said) in rows {
        let complaint = kind.read(&[text.to_owned()]).expect_err(text);
        assert!(complaint.contains(said), "{kind:?} {text}: {complaint}");
    }
}

#[test]
fn only_some_kinds_take_lists() {
    let two = ["127.0.0.1:1".to_owned(), "[::1]:1".to_owned()];
    assert_eq!(Kind::Addresses.read(&two).map(|it| it.to_string()), Ok("127.0.0.1:1,[::1]:1".to_owned()));
    assert!(COUNT.read(&two).expect_err("a list").contains("list of 2"));
    assert!(Kind::Addresses.read(&[]).expect_err("none").contains("empty"));
    let networks = ["10.0.0.0/8".to_owned(), "fd00::/8".to_owned()];
    let shown = Kind::Networks.read(&networks).map(|it| it.to_string());
    assert_eq!(shown, Ok("10.0.0.0/8,fd00::/8".to_owned()));
    assert_eq!(Kind::Networks.read(&[]), Ok(Value::Networks(Vec::new())));
    let names = ["web".to_owned(), "db".to_owned()];
    assert_eq!(NAMES.read(&names), Ok(Value::Names(names.to_vec())));
    let pairs = |count: usize| (0..count).map(|at| format!("k{at:02}=v")).collect::<Vec<_>>();
    assert_eq!(Kind::Pairs.read(&pairs(64)).map(|it| it.to_string()), Ok(pairs(64).join(",")));
    assert!(Kind::Pairs.read(&pairs(65)).expect_err("too many").contains("65 pairs"));
    let twice = [two[0].clone(), two[0].clone()];
    assert!(Kind::Addresses.read(&twice).expect_err("twice").contains("twice"));
}
