//! The table holds together.

use std::collections::BTreeSet;

use super::*;

#[test]
fn keys_flags_and_variables_are_unique() {
    let flags: BTreeSet<String> = SETTINGS.iter().map(Setting::flag).collect();
    let variables: BTreeSet<String> = SETTINGS.iter().map(Setting::variable).collect();
    assert_eq!((flags.len(), variables.len()), (SETTINGS.len(), SETTINGS.len()));
}

#[test]
fn every_default_is_accepted_by_its_own_kind() {
    for setting in SETTINGS {
        if let Text(text) = setting.fallback {
            let value = setting.kind.read(&[text.to_owned()]);
            assert!(value.is_ok(), "{}: {value:?}", setting.key);
        }
    }
}
