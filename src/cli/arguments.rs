//! Flags as Consul's users type them: `-http-addr` for `--http-addr`.

use std::ffi::OsString;

/// Gives long flags with one dash their second. `-h` stays, and everything after `--`.
pub fn with_double_dashes(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut is_over = false;
    let rewrite = |argument: OsString| {
        is_over |= argument == "--";
        let is_single = argument.to_str().is_some_and(is_long_with_one_dash);
        if is_single && !is_over {
            let mut rewritten = OsString::from("-");
            rewritten.push(&argument);
            return rewritten;
        }
        argument
    };
    arguments.map(rewrite).collect()
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
        ];
        for (typed, meant) in rows {
            assert_eq!(
                with_double_dashes([OsString::from(typed)].into_iter()),
                [OsString::from(meant)],
                "{typed}"
            );
        }
        let after = ["--", "-dev"].map(OsString::from);
        assert_eq!(with_double_dashes(after.clone().into_iter()), after);
    }
}
