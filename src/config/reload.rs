//! What changes when the configuration is read again: what takes effect at once, and what waits for the next
//! start.

use std::collections::HashSet;

use crate::config::definitions::{Definition, DefinitionKind};
use crate::config::settings::{Effect, SETTINGS};
use crate::config::validated::Config;

/// One setting that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingChange {
    /// Its key.
    pub key: &'static str,
    /// The value in use.
    pub before: String,
    /// The value now written.
    pub after: String,
}

/// The difference between the configuration in use and the one now written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reload {
    /// Settings that take effect now.
    pub effective: Vec<SettingChange>,
    /// Settings that were changed but stay as they are until the next start.
    pub restart: Vec<SettingChange>,
    /// Whether the defaults of services are others; these take effect now.
    pub service_defaults: bool,
    /// Whether the webhooks are others.
    pub webhooks: bool,
    /// Definitions that are new or different.
    pub defined: Vec<Definition>,
    /// Definitions that are gone or different, as they were.
    pub undefined: Vec<Definition>,
}

impl Reload {
    /// Compares the configuration in use with the one now written. Definitions are the same when their JSON
    /// is.
    pub fn between(old: &Config, new: &Config) -> Self {
        let mut reload = Reload::default();
        for setting in SETTINGS {
            let before = old.values.0.get(setting.key).map(|(value, _)| value);
            let after = new.values.0.get(setting.key).map(|(value, _)| value);
            if let (Some(before), Some(after)) = (before, after)
                && before != after
            {
                let change =
                    SettingChange { key: setting.key, before: before.to_string(), after: after.to_string() };
                match setting.effect {
                    Effect::Reload => reload.effective.push(change),
                    Effect::Restart => reload.restart.push(change),
                }
            }
        }
        reload.service_defaults = new.service_defaults != old.service_defaults;
        reload.webhooks = new.webhooks != old.webhooks;
        reload.defined = missing_in(&new.definitions, &old.definitions);
        reload.undefined = missing_in(&old.definitions, &new.definitions);
        reload
    }

    /// Whether nothing at all differs.
    pub fn is_empty(&self) -> bool {
        *self == Reload::default()
    }
}

/// The definitions of `these` that `those` do not hold, wherever they stand. Cost: in proportion to both, for there may
/// be ten thousand.
fn missing_in(these: &[Definition], those: &[Definition]) -> Vec<Definition> {
    let identity = |one: &Definition| (one.kind == DefinitionKind::Check, one.value.to_string());
    let held: HashSet<(bool, String)> = those.iter().map(identity).collect();
    these.iter().filter(|one| !held.contains(&identity(one))).cloned().collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::definitions;
    use crate::config::invocation::Invocation;
    use crate::config::load::load;
    use crate::wire::decode::audit::Form;

    fn config(flags: &[(&'static str, &str)], text: &str) -> Config {
        let flags = flags.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
        let mut config = load(&Invocation { flags, ..Invocation::default() }).expect("valid flags");
        let mut object = serde_json::from_str(text).expect("JSON");
        config.definitions = definitions::take(Path::new("web.json"), &mut object, Form::Json).definitions;
        config
    }

    #[test]
    fn the_same_again_changes_nothing() {
        let one = config(&[("log_level", "info")], r#"{"service": {"name": "web"}}"#);
        let same = config(&[], r#"{"services": [{"name": "web"}]}"#);
        assert!(Reload::between(&one, &same).is_empty());
    }

    #[test]
    fn changes_are_told_apart_by_when_they_take_effect() {
        let old = config(&[("node", "a")], r#"{"services": [{"name": "web"}, {"name": "db"}]}"#);
        let flags = [("node", "b"), ("log_level", "debug"), ("limits.idle_timeout", "1m")];
        let new = config(&flags, r#"{"services": [{"name": "web"}, {"name": "db", "port": 1}]}"#);
        let reload = Reload::between(&old, &new);
        let keys = |changes: &[SettingChange]| changes.iter().map(|change| change.key).collect::<Vec<_>>();
        assert_eq!(keys(&reload.effective), ["log_level", "limits.idle_timeout"]);
        assert_eq!(keys(&reload.restart), ["node"]);
        assert_eq!((reload.restart[0].before.as_str(), reload.restart[0].after.as_str()), ("a", "b"));
        assert_eq!((reload.defined.len(), reload.undefined.len()), (1, 1));
        assert_eq!(reload.defined[0].value["port"], 1);
    }
}
