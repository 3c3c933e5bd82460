//! What became of checks: their transitions, the newest first.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::base::stdx::calendar::rfc3339_if_known;
use crate::base::stdx::text::Text;
use crate::core::catalog::topic::Topic;
use crate::core::model::{NodeKey, Status, Transition};
use crate::node::registry::history::Of;
use crate::surface::answers::answer;
use crate::surface::context::call::{Call, HandlerResult};
use crate::surface::context::error::ApiError;
use crate::surface::context::metered_views::MeteredViews;
use crate::wire::json;

/// Transitions in one answer when the request does not say.
const LIMIT_DEFAULT: usize = 100;

/// Most transitions in one answer: at half a kilobyte each, half a megabyte.
const LIMIT_MAX: usize = 1_000;

/// `GET /v1/muster/history/check/:check_id[?node=&since=&limit=&index=&wait=]`
pub fn check(call: &mut Call<'_, '_>) -> HandlerResult {
    let check_id = call.required("CheckID missing: ask for /v1/muster/history/check/CHECK_ID")?;
    history_of(call, HistoryQuery::Check(check_id))
}

/// `GET /v1/muster/history/service/:service_id`, with the same parameters: of all checks of one instance.
pub fn service(call: &mut Call<'_, '_>) -> HandlerResult {
    let service_id = call.required("ServiceID missing: ask for /v1/muster/history/service/SERVICE_ID")?;
    history_of(call, HistoryQuery::Service(service_id))
}

/// `GET /v1/muster/history/node/:node`, with the same parameters but `node`: of everything on one node.
pub fn node(call: &mut Call<'_, '_>) -> HandlerResult {
    call.required("node name missing: ask for /v1/muster/history/node/NODE")?;
    history_of(call, HistoryQuery::Node)
}

/// The node that `?node=` names, else the agent's own: its key.
///
/// # Errors
/// 400 when the query cannot be read.
pub fn node_asked(call: &Call<'_, '_>) -> Result<NodeKey, ApiError> {
    let given = call.query()?.first("node").filter(|name| !name.is_empty()).map(NodeKey::from);
    Ok(given.unwrap_or_else(|| call.api.registry.own_node().key()))
}

/// Whose history is asked for, on a node named elsewhere.
enum HistoryQuery {
    Check(Text),
    Service(Text),
    Node,
}

/// A transition as answers show it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TransitionJson<'a> {
    index: u64,
    /// Key of the node.
    node: &'a str,
    time: Option<String>,
    #[serde(rename = "ServiceID")]
    service_id: &'a str,
    service_name: &'a str,
    #[serde(rename = "CheckID")]
    check_id: &'a str,
    check_name: &'a str,
    /// `null` when the check began with this.
    from: Option<&'static str>,
    from_since: Option<String>,
    /// `null` when the check, or the instance, was gone with this.
    to: Option<&'static str>,
    cause: &'static str,
    /// Who asked for it; empty where that is not known.
    by: &'a str,
    #[serde(rename = "RequestID")]
    request_id: &'a str,
    output: &'a str,
}

impl<'a> TransitionJson<'a> {
    /// The transition for an answer that names its node elsewhere.
    pub fn new(transition: &'a Transition) -> TransitionJson<'a> {
        TransitionJson {
            index: transition.index,
            node: transition.subject.node.text(),
            time: rfc3339_if_known(transition.time_ms),
            service_id: &transition.subject.service_id,
            service_name: &transition.service_name,
            check_id: &transition.subject.check_id,
            check_name: &transition.check_name,
            from: transition.from.map(Status::as_str),
            from_since: rfc3339_if_known(transition.from_since_ms),
            to: transition.to.map(Status::as_str),
            cause: transition.cause.as_str(),
            by: &transition.caller.by,
            request_id: &transition.caller.request_id,
            output: &transition.output,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct History<'a> {
    node: &'a str,
    #[serde(rename = "ServiceID", skip_serializing_if = "Option::is_none")]
    service_id: Option<&'a str>,
    #[serde(rename = "CheckID", skip_serializing_if = "Option::is_none")]
    check_id: Option<&'a str>,
    /// Whether it is registered now.
    registered: bool,
    /// Its status now; `null` when it is not registered, and for a node.
    status: Option<&'static str>,
    last_transition: Option<String>,
    /// The latest run, report or look at an alias's target, whatever it came to; `null` for a node.
    last_probe: Option<String>,
    transitions: Vec<TransitionJson<'a>>,
}

/// What is registered now under the name asked for.
#[derive(Default)]
struct Present {
    node_name: Option<Text>,
    is_registered: bool,
    status: Option<Status>,
    check_ids: Vec<Text>,
}

fn history_of(call: &mut Call<'_, '_>, asked: HistoryQuery) -> HandlerResult {
    let params = call.read_params()?;
    let since = number(call, "since", 0)?;
    let limit = number(call, "limit", LIMIT_DEFAULT as u64)?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX).min(LIMIT_MAX);
    let node = match asked {
        HistoryQuery::Node => NodeKey::of(&call.argument),
        _ => node_asked(call)?,
    };
    let (registry, views, meter) = (&*call.api.registry, call.views(), call.meter);
    let now_ms = call.api.clock.unix_ms();
    let names_node = call.query()?.first("node").is_some_and(|node| !node.is_empty());
    let anywhere = match &asked {
        HistoryQuery::Service(named) if !names_node => Some(named.clone()),
        _ => None,
    };
    answer::indexed_anew(call, Topic::NodeChecks(node.clone()), params.clone(), || {
        let of = match &asked {
            HistoryQuery::Check(check_id) => Of::Check(&node, check_id),
            HistoryQuery::Service(service_id) => Of::Service(&node, service_id),
            HistoryQuery::Node => Of::Node(&node),
        };
        let present = present(views, &node, &asked);
        let mut newest = views.newest(&of, 0, 1);
        let mut transitions = views.newest(&of, since, limit);
        // Whoever looks for what is gone may know no more of it than what it was called.
        if let (false, true, Some(named)) = (present.is_registered, newest.is_empty(), &anywhere) {
            newest = views.newest_named(named, 0, 1);
            transitions = views.newest_named(named, since, limit);
        }
        if meter.is_exhausted() {
            return Err(ApiError::unfinished());
        }
        if !present.is_registered && newest.is_empty() {
            return Err(unknown(&asked, &node));
        }
        let probed = present.check_ids.iter().filter_map(|id| registry.insight(&node, id)?.observed_ago);
        let history = History {
            node: match newest.first().map(|newest| &newest.subject.node) {
                Some(other) if *other != node => other.text(),
                _ => present.node_name.as_ref().unwrap_or(node.text()),
            },
            service_id: if let HistoryQuery::Service(id) = &asked { Some(id) } else { None },
            check_id: if let HistoryQuery::Check(id) = &asked { Some(id) } else { None },
            registered: present.is_registered,
            status: present.status.map(Status::as_str),
            last_transition: newest.first().and_then(|newest| rfc3339_if_known(newest.time_ms)),
            last_probe: probed.min().and_then(|ago| rfc3339_if_known(ago_ms(now_ms, ago))),
            transitions: transitions
                .iter()
                .map(|transition: &Arc<Transition>| TransitionJson::new(transition))
                .collect(),
        };
        Ok(json::within(meter, &history, params.pretty))
    })
}

fn present(views: MeteredViews<'_>, node: &NodeKey, asked: &HistoryQuery) -> Present {
    let present = views.node(
        node,
        |_| 0,
        |record| {
            let (status, check_ids, is_registered) = match asked {
                HistoryQuery::Check(id) => {
                    let status = record.check(id).map(|check| check.status);
                    (status, vec![id.clone()], status.is_some())
                }
                HistoryQuery::Service(id) => {
                    let status = record.instance(id).map(|instance| instance.status());
                    (status, record.check_ids_of(id).cloned().collect(), status.is_some())
                }
                HistoryQuery::Node => (None, Vec::new(), true),
            };
            Present { node_name: Some(record.node().name.clone()), is_registered, status, check_ids }
        },
    );
    present.unwrap_or_default()
}

fn unknown(asked: &HistoryQuery, node: &NodeKey) -> ApiError {
    ApiError::not_found(match asked {
        HistoryQuery::Check(id) => {
            let id = id.as_str();
            format!(
                "no check {id:?} is registered or remembered on node {node}: give ?node= if it is on another"
            )
        }
        HistoryQuery::Service(id) => {
            let id = id.as_str();
            format!(
                "no instance {id:?} is registered or remembered on node {node}: give ?node= if it is on another"
            )
        }
        HistoryQuery::Node => format!("no node {node} is registered or remembered"),
    })
}

/// The calendar time that lies `ago` back.
pub fn ago_ms(now_ms: u64, ago: Duration) -> u64 {
    now_ms.saturating_sub(u64::try_from(ago.as_millis()).unwrap_or(u64::MAX))
}

fn number(call: &Call<'_, '_>, name: &'static str, default: u64) -> Result<u64, ApiError> {
    match call.query()?.first(name).filter(|word| !word.is_empty()) {
        None => Ok(default),
        Some(word) => word
            .parse()
            .map_err(|_| ApiError::bad_request(format!("invalid {name} {word:?}: give a whole number"))),
    }
}
