//! Flags as Consul's users type them: `-http-addr` for `--http-addr`.

use std::ffi::OsString;

use clap::{Arg, Command};

use crate::base::stdx::nearest::nearest;

/// Gives long flags with one dash their second, and flags that take a value theirs where it begins with a hyphen:
/// `-dns-port -1` is `--dns-port=-1`, unless the word is a flag itself, or looks like one. `-h` stays, and everything
/// after `--`.
pub fn normalised(arguments: impl Iterator<Item = OsString>, grammar: &Command) -> Vec<OsString> {
    let mut arguments = arguments.peekable();
    let (mut command, mut meant) = (grammar, Vec::new());
    while let Some(argument) = arguments.next() {
        if argument == "--" {
            meant.push(argument);
            meant.extend(arguments);
            return meant;
        }
        let argument = with_double_dash(argument);
        let takes_value = argument.to_str().is_some_and(|it| takes_value(command, it));
        let is_value = |next: &OsString| next.to_str().is_some_and(|it| is_value_with_hyphen(command, it));
        match arguments.next_if(|next| takes_value && is_value(next)) {
            Some(value) => {
                let mut joined = argument;
                joined.push("=");
                joined.push(value);
                meant.push(joined);
            }
            None => {
                let below = argument.to_str().and_then(|word| command.find_subcommand(word));
                command = below.unwrap_or(command);
                meant.push(argument);
            }
        }
    }
    meant
}

fn with_double_dash(argument: OsString) -> OsString {
    if !argument.to_str().is_some_and(is_long_with_one_dash) {
        return argument;
    }
    let mut rewritten = OsString::from("-");
    rewritten.push(&argument);
    rewritten
}

/// Whether the word is a flag of `command`'s whose value is the next word.
fn takes_value(command: &Command, word: &str) -> bool {
    let flag = word
        .strip_prefix("--")
        .and_then(|name| command.get_arguments().find(|it| it.get_long() == Some(name)));
    flag.is_some_and(|flag| flag.get_action().takes_values() && !flag.is_require_equals_set())
}

/// Whether the word begins with a hyphen and is a value all the same: with one dash, and no flag of that name is near.
fn is_value_with_hyphen(command: &Command, word: &str) -> bool {
    let Some(name) = word.strip_prefix('-').filter(|name| !name.is_empty() && !name.starts_with('-')) else {
        return false;
    };
    let name = name.split('=').next().unwrap_or_default();
    let is_short = name.len() == 1 && matches!(name, "h" | "V");
    !is_short && nearest(name, command.get_arguments().filter_map(Arg::get_long)).is_none()
}

/// Whether it is a dash and a word of at least two letters, before any `=`.
fn is_long_with_one_dash(argument: &str) -> bool {
    let Some(flag) = argument.strip_prefix('-') else { return false };
    let name = flag.split('=').next().unwrap_or_default();
    name.len() > 1 && name.starts_with(|first: char| first.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grammar() -> Command {
        let value = |name: &'static str| Arg::new(name).long(name);
        let switch = value("dev").num_args(0..=1).require_equals(true);
        let agent = [value("http-addr"), value("dns-port"), value("encrypt"), switch];
        Command::new("muster").subcommand(Command::new("agent").args(agent))
    }

    fn meant(typed: &str) -> String {
        let words = normalised(typed.split(' ').map(OsString::from), &grammar());
        words.iter().map(|it| it.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn only_long_flags_get_a_second_dash() {
        let rows = [
            ("-dev", "--dev"),
            ("-http-addr=127.0.0.1:1", "--http-addr=127.0.0.1:1"),
            ("--dev", "--dev"),
            ("-h", "-h"),
            ("-h=1", "-h=1"),
            ("-", "-"),
            ("-1x", "-1x"),
            ("agent", "agent"),
            ("-- -dev", "-- -dev"),
        ];
        for (typed, expected) in rows {
            assert_eq!(meant(typed), expected, "{typed}");
        }
    }

    #[test]
    fn values_may_begin_with_a_hyphen() {
        let rows = [
            ("muster agent -dns-port -1 -dev", "muster agent --dns-port=-1 --dev"),
            ("muster agent --dns-port -1", "muster agent --dns-port=-1"),
            ("muster agent -encrypt -qXk7/w==", "muster agent --encrypt=-qXk7/w=="),
            ("muster agent -encrypt - x", "muster agent --encrypt - x"),
            // These are flags, or were meant to be some.
            ("muster agent -dns-port -dev", "muster agent --dns-port --dev"),
            ("muster agent -dns-port -http-adr=x", "muster agent --dns-port --http-adr=x"),
            ("muster agent -dns-port --other", "muster agent --dns-port --other"),
            ("muster agent -dns-port -h", "muster agent --dns-port -h"),
            // What takes no value has none.
            ("muster agent -dev -1", "muster agent --dev -1"),
            ("muster -dns-port -1", "muster --dns-port -1"),
            ("muster agent -dns-port -- -1", "muster agent --dns-port -- -1"),
        ];
        for (typed, expected) in rows {
            assert_eq!(meant(typed), expected, "{typed}");
        }
    }
}
