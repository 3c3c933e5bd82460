//! Why somebody may do something, or may not; and what was denied of late.

use serde::Serialize;

use crate::base::stdx::calendar::rfc3339;
use crate::base::stdx::text::Text;
use crate::core::acl::authorizer::{AccessDecision, Ground, Reach};
use crate::core::acl::resolve::Resolved;
use crate::core::acl::resource::{Access, DefaultPolicy, Resource};
use crate::core::acl::rules::quoted;
use crate::node::registry::access::denials::Denial;
use crate::surface::answers::answer;
use crate::surface::context::call::{Call, HandlerResult};
use crate::surface::context::error::ApiError;
use crate::surface::dispatch::permission::{Requirement, Segment};

/// `GET /v1/muster/acl/denials[?accessor=]`: what was denied of late, the newest first; with `acl_permissive`
/// what would have been.
pub fn denials(call: &mut Call<'_, '_>) -> HandlerResult {
    let access = call.api.registry.access();
    let accessor = call.query()?.first("accessor").filter(|it| !it.is_empty());
    let rows = access.denials().newest();
    let is_asked_for = |row: &&Denial| accessor.is_none_or(|accessor| row.lack.accessor == *accessor);
    let shown: Vec<DenialJson<'_>> = rows.iter().filter(is_asked_for).map(DenialJson::new).collect();
    answer::json(call, &shown)
}

/// A denial as it is shown.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DenialJson<'a> {
    /// Of the token; empty for what is no token.
    #[serde(rename = "AccessorID")]
    accessor: &'a str,
    permission: Option<String>,
    name: &'a str,
    /// A rule that would allow it.
    rule: Option<String>,
    count: u64,
    first: String,
    last: String,
}

impl<'a> DenialJson<'a> {
    fn new(Denial { lack, count, first_ms, last_ms }: &'a Denial) -> DenialJson<'a> {
        DenialJson {
            accessor: &lack.accessor,
            permission: lack.permission.map(permission),
            name: &lack.name,
            rule: lack.permission.map(|(resource, access)| rule(resource, &lack.name, access)),
            count: *count,
            first: rfc3339(*first_ms),
            last: rfc3339(*last_ms),
        }
    }
}

fn permission((resource, access): (Resource, Access)) -> String {
    format!("{}:{}", resource.name(), access.word())
}

/// The least rule that allows it.
fn rule(resource: Resource, name: &str, access: Access) -> String {
    let (word, access) = (resource.name(), access.word());
    match resource {
        _ if resource.is_sole() => format!("{word} = \"{access}\""),
        Resource::Intention => {
            format!("service {} {{ policy = \"read\" intentions = \"{access}\" }}", quoted(name))
        }
        _ => format!("{word} {} {{ policy = \"{access}\" }}", quoted(name)),
    }
}

/// `GET /v1/muster/acl/explain?path=…[&accessor=…][&method=PUT][&service=…][&node=…][&key=…]`: what a request asks for,
/// and by which rule of which policy a token has it or has it not. Without an accessor, of whoever shows no token.
pub fn explain(call: &mut Call<'_, '_>) -> HandlerResult {
    let query = call.query()?;
    let path = query.first("path").filter(|it| it.starts_with('/'));
    let path = path.ok_or_else(|| ApiError::bad_request("which request? give path=/v1/… and method=PUT"))?;
    let method = query.first("method").filter(|it| !it.is_empty()).unwrap_or("GET");
    let accessor = query.first("accessor").filter(|it| !it.is_empty());
    let access = call.api.registry.access();
    let Some((token, resolved)) = access.explained(accessor) else {
        let accessor = accessor.unwrap_or_default();
        return Err(ApiError::not_found(format!("there is no token with the accessor {accessor:?}")));
    };
    let plain = path.split_once('?').map_or(path, |(path, _)| path);
    let Some((route, argument)) = (call.api.find_route)(plain) else {
        return Err(ApiError::not_found(format!("no route answers {plain:?}")));
    };
    let reads = matches!(method, "GET" | "HEAD");
    let asker = Asker { call, resolved: &resolved, argument: &argument, reads };
    let needs: Vec<Need> = route.permission.needs().iter().flat_map(|need| asker.needs(*need)).collect();
    let explained = Explained {
        accessor: &token.accessor,
        description: &token.description,
        method,
        path,
        route: route.path,
        mode: access.mode_word(),
        allowed: needs.iter().all(|need| need.allowed != Some(false)),
        needs,
    };
    answer::json(call, &explained)
}

/// What is said of a request.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Explained<'a> {
    #[serde(rename = "AccessorID")]
    accessor: &'a str,
    description: &'a str,
    method: &'a str,
    path: &'a str,
    /// The row of the table that answers it.
    route: &'a str,
    /// `off`, `permissive` or `enforcing`.
    mode: &'static str,
    /// Whether nothing of what is known speaks against it.
    allowed: bool,
    needs: Vec<Need>,
}

/// What is said of one permission that it needs.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Need {
    permission: String,
    /// Which one of its kind; `null` where the body says that, or each entry of the answer has one.
    name: Option<Text>,
    /// `null` where that depends on the name.
    allowed: Option<bool>,
    /// The rule that decides, or the default policy.
    rule: Option<String>,
    /// What the rule is of.
    of: Option<Text>,
    /// What this means for the answer.
    note: &'static str,
}

struct Asker<'a, 'c, 'e> {
    call: &'a Call<'c, 'e>,
    resolved: &'a Resolved,
    argument: &'a Text,
    reads: bool,
}

impl Asker<'_, '_, '_> {
    fn needs(&self, requirement: Requirement) -> Vec<Need> {
        let by_method = if self.reads { Access::Read } else { Access::Write };
        match requirement {
            Requirement::Need(resource, segment, access) => vec![self.need(resource, segment, access)],
            Requirement::NeedByMethod(resource, segment) => vec![self.need(resource, segment, by_method)],
            Requirement::NeedOfKeys(segment) => vec![self.need(Resource::Key, segment, by_method)],
            Requirement::NeedOfCheck(segment, access) => {
                let of_service = self.need(Resource::Service, segment, access);
                let of_node = self.need(Resource::Node, segment, access);
                let either = "whose a check is decides which of the two it takes";
                [of_service, of_node].map(|need| Need { allowed: None, note: either, ..need }).into()
            }
        }
    }

    fn need(&self, resource: Resource, segment: Segment, access: Access) -> Need {
        let own = self.call.api.registry.own_node();
        let query = self.call.request().query();
        let given = || query.first(resource.name()).filter(|it| !it.is_empty()).map(Text::from);
        let (name, note) = match segment {
            Segment::Sole => (Some(Text::default()), "without it the answer is 403"),
            Segment::OwnNode => (Some(own.name.clone()), "without it the answer is 403"),
            Segment::Path => (Some(self.argument.clone()), "without it the answer is 403"),
            Segment::PathId => (
                self.call.api.registry.own_service_name(self.argument).or_else(given),
                "without it the answer is 403; the name is that of the service with this id",
            ),
            Segment::Body => (given(), "without it the answer is 403; the body says which"),
            Segment::Entries => (given(), "entries of the answer without it are left out"),
        };
        let said = name.as_ref().map(|name| self.resolved.authorizer.decide(resource, name, access));
        let reach = || match self.resolved.authorizer.reach(resource, access) {
            Reach::Everything => Some(true),
            Reach::Nothing => Some(false),
            Reach::Part => None,
        };
        let (rule, of) = said.as_ref().map_or((None, None), |decision| self.ground(decision));
        Need {
            permission: permission((resource, access)),
            allowed: said.map_or_else(reach, |decision| Some(decision.is_allowed)),
            name: name.filter(|_| !resource.is_sole()),
            rule,
            of,
            note,
        }
    }

    fn ground(&self, decision: &AccessDecision<'_>) -> (Option<String>, Option<Text>) {
        match decision.ground {
            Ground::Rule(rule) => (Some(rule.to_string()), self.resolved.sources.get(rule.policy).cloned()),
            Ground::Default(policy) => {
                let word = if policy == DefaultPolicy::Allow { "allow" } else { "deny" };
                (Some(format!("default_policy = \"{word}\"")), None)
            }
        }
    }
}
