//! The query parameters that all reads understand, parsed once and in Consul's order, so that of several mistakes a
//! client hears of the same one first.

use std::time::Duration;

use crate::base::stdx::duration;
use crate::base::stdx::text::Text;
use crate::core::model::NodeKey;
use crate::net::http::{Query, Request};
use crate::node::registry::own_node::OwnNode;
use crate::surface::context::error::ApiError;

/// Longest a blocking query waits when it does not say (Consul's default).
const WAIT_DEFAULT: Duration = Duration::from_secs(300);

/// Longest a blocking query may wait; longer ones are shortened without a word (Consul's bound).
const WAIT_MAX: Duration = Duration::from_secs(600);

/// A wait is prolonged by a random part of up to this fraction, so that a crowd that asked at once does not return at
/// once.
const JITTER_FRACTION: u32 = 16;

/// Nodes belong to no namespace, so this read does not look at `?ns=`.
const NAMESPACE_FREE_PATH: &str = "/v1/catalog/nodes";

/// Parameters by which Consul is asked for a part of its data: the word for the only part there is here, and why there
/// is no other. Consul 1.8.7 knows the first; later versions know all of them.
const SCOPES: &[(&str, &str, &str)] = &[
    ("ns", "default", "Namespaces are a Consul Enterprise feature"),
    ("partition", "default", "Partitions are a Consul Enterprise feature"),
    ("peer", "local", "muster has no peerings"),
    ("sg", "", "Sameness groups are a Consul Enterprise feature"),
    ("sameness-group", "", "Sameness groups are a Consul Enterprise feature"),
];

/// Different values of one parameter: far more than anybody asks for, and each is looked for in each record.
const VALUES_MAX: usize = 64;

/// How fresh an answer must be. All are the same here, as there is one copy of the state; the header tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consistency {
    /// The default.
    Leader,
    /// Any server may answer (`?stale`, `?max_stale`).
    Stale,
    /// As of now and no earlier (`?consistent`).
    Consistent,
}

impl Consistency {
    /// The word in `X-Consul-Effective-Consistency`.
    pub fn as_str(self) -> &'static str {
        match self {
            Consistency::Leader => "leader",
            Consistency::Stale => "stale",
            Consistency::Consistent => "consistent",
        }
    }
}

/// What a read asks for besides its subject.
#[derive(Clone, Debug)]
pub struct ReadParams {
    /// The index the client has seen; 0 when it does not want to wait.
    pub index: u64,
    /// Longest wait, jitter included.
    pub wait: Duration,
    /// How fresh the answer must be.
    pub consistency: Consistency,
    /// Answers from a cache are welcome (`?cached`), and the client wants to know.
    pub cached: bool,
    /// Indent the JSON.
    pub pretty: bool,
    /// The filter expression; empty for none.
    pub filter: String,
    /// Pairs that the node's metadata must have (`?node-meta=k:v`, repeatable).
    pub node_meta: Vec<(Text, Text)>,
    /// The node to list first (`?near=`).
    pub near: Option<Text>,
}

impl ReadParams {
    /// Reads the parameters of `request`; `datacenter` is the one we are.
    ///
    /// # Errors
    /// 400 with Consul's texts.
    pub fn parse(request: &Request, datacenter: &str) -> Result<ReadParams, ApiError> {
        let query = query_of(request)?;
        check_scope(request)?;
        check_datacenter(query, datacenter)?;
        let consistency = consistency(query)?;
        check_cache_control(request)?;
        let (wait, index) = (wait(query)?, index(query)?);
        Ok(ReadParams {
            index,
            wait,
            consistency,
            cached: query.has("cached"),
            pretty: query.has("pretty"),
            filter: query.first("filter").unwrap_or_default().to_owned(),
            node_meta: values("node-meta", query.all("node-meta").map(pair))?,
            near: query.first("near").filter(|near| !near.is_empty()).map(Text::from),
        })
    }

    /// The key of the node to list first: `_agent` is the agent's own.
    pub fn near_node(&self, own: &OwnNode) -> Option<NodeKey> {
        let near = self.near.as_ref()?;
        Some(if near.as_str() == "_agent" { own.key() } else { NodeKey::of(near) })
    }
}

/// The values of a parameter that may be given several times, each once, in order.
///
/// # Errors
/// 400 for more than [`VALUES_MAX`] different ones.
pub fn values<T: PartialEq>(name: &'static str, given: impl Iterator<Item = T>) -> Result<Vec<T>, ApiError> {
    let mut values = Vec::new();
    for value in given {
        if values.contains(&value) {
            continue;
        }
        if values.len() == VALUES_MAX {
            let sentence = format!("more than {VALUES_MAX} different {name}= parameters: ask for fewer");
            return Err(ApiError::bad_request(sentence));
        }
        values.push(value);
    }
    Ok(values)
}

/// Refuses to answer for others' data with ours: for a namespace, a partition, a peer or a group of peers that is not
/// the one there is.
///
/// # Errors
/// 400 with what is asked for.
pub fn check_scope(request: &Request) -> Result<(), ApiError> {
    let query = query_of(request)?;
    if query.iter().next().is_none() {
        return Ok(());
    }
    for (name, own, what) in SCOPES {
        let is_free = *name == "ns" && request.path() == NAMESPACE_FREE_PATH;
        let is_another = query.all(name).any(|asked| !asked.is_empty() && !asked.eq_ignore_ascii_case(own));
        if is_another && !is_free {
            return Err(ApiError::bad_request(format!(
                "Bad request: Invalid query parameter: \"{name}\" - {what}"
            )));
        }
    }
    Ok(())
}

/// Refuses any datacenter but ours.
///
/// # Errors
/// 400 with Consul's text.
pub fn check_datacenter(query: &Query, datacenter: &str) -> Result<(), ApiError> {
    let asked = query.first("dc").unwrap_or_default();
    if !asked.is_empty() && !asked.eq_ignore_ascii_case(datacenter) {
        return Err(ApiError::bad_request("No path to datacenter").on_indexed_read());
    }
    Ok(())
}

/// The query, if its percent-encoding can be read.
///
/// # Errors
/// 400 with the place that cannot.
pub fn query_of(request: &Request) -> Result<&Query, ApiError> {
    match request.query_error() {
        Some(error) => Err(ApiError::bad_request(format!("Bad query string: {error}"))),
        None => Ok(request.query()),
    }
}

/// `?passing`: present without a value or with a true one, as Go reads booleans.
///
/// # Errors
/// 400 for anything that is no boolean.
pub fn passing(query: &Query) -> Result<bool, ApiError> {
    match query.first("passing") {
        None => Ok(false),
        Some("") => Ok(true),
        Some(word) => boolean(word).ok_or_else(|| ApiError::bad_request("Invalid value for ?passing")),
    }
}

/// Reads a boolean as Go's `strconv.ParseBool` does.
pub fn boolean(word: &str) -> Option<bool> {
    match word {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

fn consistency(query: &Query) -> Result<Consistency, ApiError> {
    let max_stale = match query.first("max_stale").filter(|text| !text.is_empty()) {
        None => false,
        Some(text) => match duration::parse(text) {
            Ok(max_stale) => max_stale.nanoseconds > 0,
            Err(_) => return Err(ApiError::bad_request(format!("Invalid max_stale value {text:?}"))),
        },
    };
    let (stale, consistent) = (query.has("stale") || max_stale, query.has("consistent"));
    let conflict = |with: &str| {
        let message = format!("Cannot specify ?{with} with ?consistent, conflicting semantics.");
        Err(ApiError::bad_request(message))
    };
    match (stale, consistent) {
        (true, true) => conflict("stale"),
        (_, true) if query.has("cached") => conflict("cached"),
        (_, true) => Ok(Consistency::Consistent),
        (true, _) => Ok(Consistency::Stale),
        _ => Ok(Consistency::Leader),
    }
}

fn check_cache_control(request: &Request) -> Result<(), ApiError> {
    let is_fine = |directive: &str| match directive.trim().split_once('=') {
        Some(("max-age" | "stale-if-error", seconds)) => seconds.parse::<u32>().is_ok(),
        _ => true,
    };
    match request.header("cache-control") {
        Some(value) if !value.split(',').all(is_fine) => {
            Err(ApiError::bad_request("Invalid Cache-Control header."))
        }
        _ => Ok(()),
    }
}

/// `?wait=`, within the bounds of blocking queries: [`WAIT_DEFAULT`] for none, at most [`WAIT_MAX`].
///
/// # Errors
/// 400 for what is no duration.
pub fn wait(query: &Query) -> Result<Duration, ApiError> {
    let nanoseconds = match query.first("wait").filter(|text| !text.is_empty()) {
        None => 0,
        Some(text) => {
            duration::parse(text).map_err(|_| ApiError::bad_request("Invalid wait time"))?.nanoseconds
        }
    };
    Ok(match u64::try_from(nanoseconds) {
        Ok(nanoseconds) if nanoseconds > 0 => Duration::from_nanos(nanoseconds).min(WAIT_MAX),
        _ => WAIT_DEFAULT,
    })
}

fn index(query: &Query) -> Result<u64, ApiError> {
    match query.first("index").filter(|text| !text.is_empty()) {
        None => Ok(0),
        Some(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            text.parse().map_err(|_| ApiError::bad_request("Invalid index"))
        }
        Some(_) => Err(ApiError::bad_request("Invalid index")),
    }
}

/// `k:v`; a key alone means an empty value.
fn pair(text: &str) -> (Text, Text) {
    let (key, value) = text.split_once(':').unwrap_or((text, ""));
    (key.into(), value.into())
}

/// `wait` with its jitter; `chance` is any number, the more random the better.
pub fn with_jitter(wait: Duration, chance: u64) -> Duration {
    let longest = wait / JITTER_FRACTION;
    let nanoseconds = u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX).max(1);
    wait + Duration::from_nanos(chance % nanoseconds)
}
