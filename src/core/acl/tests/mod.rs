//! What texts say, what rules come to, and that authorizers decide as somebody would who goes over all rules.

mod authorizer;
mod parse;
mod ready;
mod state;

use crate::core::acl::parse::parse;
use crate::core::acl::rules::Rules;

fn rules(text: &str) -> Rules {
    parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}
