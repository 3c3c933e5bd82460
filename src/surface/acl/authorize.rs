//! Whether the caller may do this and that.

use serde::Serialize;

use crate::base::stdx::text::bounded;
use crate::core::acl::resource::{Access, Resource};
use crate::surface::acl::{may, on};
use crate::surface::answers::answer;
use crate::surface::context::call::{Call, HandlerResult};
use crate::surface::context::error::ApiError;
use crate::surface::context::rights::Rights;
use crate::wire::body::acl::AuthorizationBody;
use crate::wire::decode::from_bytes;

/// Questions of one request, as many as Consul takes.
const QUESTIONS_MAX: usize = 64;

/// A question with its answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Authorization<'a> {
    resource: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    segment: &'a str,
    access: &'a str,
    allow: bool,
}

/// `POST /v1/internal/acl/authorize`
pub fn authorize(call: &mut Call<'_, '_>) -> HandlerResult {
    on(call)?;
    if matches!(call.rights, Rights::Unknown) {
        return Err(ApiError::unknown_token());
    }
    let bodies: Vec<AuthorizationBody> = from_bytes(call.body()?)
        .map_err(|error| bad_request(format!("Failed to decode request body: {error}")))?;
    if bodies.len() > QUESTIONS_MAX {
        let sentence = format!("Refusing to process more than {QUESTIONS_MAX} authorizations at once");
        return Err(bad_request(sentence));
    }
    let asked: Vec<(Resource, Access)> = bodies.iter().map(question).collect::<Result<_, _>>()?;
    let answers = bodies.iter().zip(asked).map(|(body, (resource, access))| Authorization {
        resource: &body.resource,
        segment: &body.segment,
        access: &body.access,
        allow: may(call, resource, &body.segment, access),
    });
    answer::json(call, &answers.collect::<Vec<_>>())
}

/// What is asked for. The word for how much may have any case, the one for what not.
fn question(body: &AuthorizationBody) -> Result<(Resource, Access), ApiError> {
    let resource = Resource::ALL.into_iter().find(|it| it.name() == body.resource.as_str());
    let resource = resource
        .ok_or_else(|| bad_request(format!("Invalid ACL resource requested: \"{}\"", body.resource)))?;
    let access = match body.access.to_ascii_lowercase().as_str() {
        "read" => Access::Read,
        "list" if resource.is_listed_apart() => Access::List,
        "write" => Access::Write,
        _ => {
            let (name, access) = (resource.name(), &body.access);
            return Err(bad_request(format!("Invalid access level for {name} resource: {access}")));
        }
    };
    Ok((resource, access))
}

fn bad_request(sentence: String) -> ApiError {
    ApiError::bad_request(bounded(format!("Bad request: {sentence}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_those_of_consul() {
        let rows = [
            ("key", "list", Ok((Resource::Key, Access::List))),
            ("key", "READ", Ok((Resource::Key, Access::Read))),
            ("intention", "write", Ok((Resource::Intention, Access::Write))),
            ("service", "list", Err("Bad request: Invalid access level for service resource: list")),
            ("acl", "", Err("Bad request: Invalid access level for acl resource: ")),
            ("KEY", "read", Err("Bad request: Invalid ACL resource requested: \"KEY\"")),
            ("mesh", "read", Err("Bad request: Invalid ACL resource requested: \"mesh\"")),
            ("", "", Err("Bad request: Invalid ACL resource requested: \"\"")),
        ];
        for (resource, access, expected) in rows {
            let body = AuthorizationBody {
                resource: resource.into(),
                access: access.into(),
                ..AuthorizationBody::default()
            };
            let asked = question(&body).map_err(|error| error.message.to_string());
            assert_eq!(asked, expected.map_err(str::to_owned), "{resource} {access}");
        }
    }
}
