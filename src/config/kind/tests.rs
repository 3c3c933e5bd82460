//! Values of each kind at their bounds and past them; what a setting does with one is not known here.

use super::*;

const COUNT: SettingKind = SettingKind::Integer { min: 2, max: 9 };
const SIZE: SettingKind = SettingKind::Bytes { min: 1024, max: 1 << 20 };
const WAIT: SettingKind = SettingKind::Duration { min_s: 1, max_s: 3600 };
const NAME: SettingKind = SettingKind::Name { bytes_max: 4 };
const NAMES: SettingKind = SettingKind::Names { bytes_max: 4 };

#[test]
fn values_at_their_bounds_are_accepted() {
    let label = "a".repeat(63);
    let pair = format!("{}={}", "k".repeat(128), "v".repeat(512));
    let rows = [
        (SettingKind::Boolean, "true", "true"),
        (COUNT, "2", "2"),
        (COUNT, "9", "9"),
        (SIZE, "1024", "1KiB"),
        (SIZE, "1025B", "1025B"),
        (SIZE, "1 MiB", "1MiB"),
        (WAIT, "1s", "1s"),
        (WAIT, "1h", "1h0m0s"),
        (SettingKind::Choice(&["text", "json"]), "json", "json"),
        (SettingKind::Choice(&["text", "json"]), "Json", "json"),
        (SettingKind::Choice(&["error", "warn"]), "ERR", "error"),
        (SettingKind::Choice(&["error", "warn"]), "Warning", "warn"),
        (SettingKind::Boolean, "1", "true"),
        (SettingKind::Boolean, "F", "false"),
        (SettingKind::Label, "EU1", "eu1"),
        (SettingKind::Label, label.as_str(), label.as_str()),
        (NAME, "node", "node"),
        (SettingKind::Path, "./data", "./data"),
        (SettingKind::Ip, "::1", "::1"),
        (SettingKind::Addresses, "127.0.0.1:1", "127.0.0.1:1"),
        (SettingKind::Addresses, "off", ""),
        (SettingKind::Files, "/a b/c", "/a b/c"),
        (SettingKind::Files, "", ""),
        (SettingKind::Choice(&["1.2", "1.3"]), "TLSv1_3", "1.3"),
        (SettingKind::Choice(&["1.2", "1.3"]), "tls10", "1.2"),
        (SettingKind::Networks, "10.0.0.0/8", "10.0.0.0/8"),
        (SettingKind::Networks, "::1", "::1/128"),
        (SettingKind::Networks, "", ""),
        (SettingKind::Id, "40E4A748-2192-161A-0510-9BF59FE950B5", "40e4a748-2192-161a-0510-9bf59fe950b5"),
        (SettingKind::Id, "", ""),
        (SettingKind::Pairs, "zone=a:b", "zone=a:b"),
        (SettingKind::Pairs, "zone:a=b", "zone=a=b"),
        (SettingKind::Pairs, "zone=", "zone="),
        (SettingKind::Pairs, "", ""),
        (SettingKind::Pairs, pair.as_str(), pair.as_str()),
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
        (SettingKind::Boolean, "yes", "neither"),
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
        (SettingKind::Choice(&["text", "json"]), "xml", "none of the words"),
        (SettingKind::Choice(&["text", "json"]), "err", "none of the words"),
        (SettingKind::Label, label.as_str(), "no DNS label"),
        (SettingKind::Label, "-dc", "no DNS label"),
        (SettingKind::Label, "1dc", "no DNS label"),
        (SettingKind::Label, "dc-", "no DNS label"),
        (SettingKind::Label, "", "no DNS label"),
        (NAME, "nodes", "5 bytes"),
        (NAME, "a b", "blank"),
        (NAME, "", "empty"),
        (SettingKind::Path, "", "empty"),
        (SettingKind::Ip, "localhost", "no IP address"),
        (SettingKind::Networks, "10.0.0.0/33", "no network"),
        (SettingKind::Networks, "metadata", "no network"),
        (SettingKind::Id, "40e4a7482192161a05109bf59fe950b5", "no UUID"),
        (SettingKind::Id, "web-1", "no UUID"),
        (SettingKind::Pairs, "zone", "no `=`"),
        (SettingKind::Pairs, "=a", "no key"),
        (SettingKind::Pairs, "a.b=c", "no key"),
        (SettingKind::Pairs, "consul-x=y", "muster's own"),
        (SettingKind::Pairs, long_key.as_str(), "no key"),
        (SettingKind::Pairs, long_value.as_str(), "too long"),
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
    assert_eq!(
        SettingKind::Addresses.read(&two).map(|it| it.to_string()),
        Ok("127.0.0.1:1,[::1]:1".to_owned())
    );
    assert!(COUNT.read(&two).expect_err("a list").contains("list of 2"));
    assert!(SettingKind::Addresses.read(&[]).expect_err("none").contains("empty"));
    let networks = ["10.0.0.0/8".to_owned(), "fd00::/8".to_owned()];
    let shown = SettingKind::Networks.read(&networks).map(|it| it.to_string());
    assert_eq!(shown, Ok("10.0.0.0/8,fd00::/8".to_owned()));
    assert_eq!(SettingKind::Networks.read(&[]), Ok(SettingValue::Networks(Vec::new())));
    let names = ["web".to_owned(), "db".to_owned()];
    assert_eq!(NAMES.read(&names), Ok(SettingValue::Names(names.to_vec())));
    let pairs = |count: usize| (0..count).map(|at| format!("k{at:02}=v")).collect::<Vec<_>>();
    assert_eq!(SettingKind::Pairs.read(&pairs(64)).map(|it| it.to_string()), Ok(pairs(64).join(",")));
    assert!(SettingKind::Pairs.read(&pairs(65)).expect_err("too many").contains("65 pairs"));
    let twice = [two[0].clone(), two[0].clone()];
    assert!(SettingKind::Addresses.read(&twice).expect_err("twice").contains("twice"));
}
