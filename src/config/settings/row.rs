//! One row of the table of settings: its names, what it accepts, and when a change of it takes effect.

use crate::config::kind::SettingKind;

/// What holds when nothing is written.
#[derive(Clone, Copy, Debug)]
pub enum Fallback {
    /// This value, as it would be written.
    Text(&'static str),
    /// Worked out from the surroundings or from other settings, as the sentence says.
    Derived(&'static str),
}

/// When a changed value takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// On reload (SIGHUP), without dropping a connection.
    Reload,
    /// On the next start.
    Restart,
}

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its key in the file, dots for tables. Flag and variable are made from it.
    pub key: &'static str,
    /// What it accepts, with unit and range.
    pub kind: SettingKind,
    /// What holds when nothing is written.
    pub fallback: Fallback,
    /// When a change takes effect.
    pub effect: Effect,
    /// What it does, in a sentence for help and document.
    pub help: &'static str,
}

impl Setting {
    /// The flag without its dashes: `limits.body_bytes_max` is `limits-body-bytes-max`.
    pub fn flag(&self) -> String {
        self.key.replace(['.', '_'], "-")
    }

    /// The environment variable: `limits.body_bytes_max` is `MUSTER_LIMITS_BODY_BYTES_MAX`.
    pub fn variable(&self) -> String {
        format!("{VARIABLE_PREFIX}{}", self.key.replace('.', "_").to_ascii_uppercase())
    }

    /// The default as shown to people.
    pub fn fallback_shown(&self) -> &'static str {
        match self.fallback {
            Fallback::Text(text) | Fallback::Derived(text) => text,
        }
    }
}

/// What every environment variable of muster begins with.
pub const VARIABLE_PREFIX: &str = "MUSTER_";
