//! Links of tokens and roles: from what a body says to ids, and from ids to the names that they have now.

use crate::base::stdx::text::Text;
use crate::core::acl::state::AclState;
use crate::core::model::acl::{AclKind, Grants};
use crate::core::model::validate::{Violation, acl};
use crate::surface::context::error::ApiError;
use crate::wire::body::acl::LinkBody;
use crate::wire::show::LinkNames;

/// The ids that the body of a token, or of a role, links to, each once. A link has an id, or else a name.
///
/// # Errors
/// 500 in Consul's words where nothing has it.
pub fn resolve(
    state: &AclState,
    of: AclKind,
    kind: AclKind,
    links: &[LinkBody],
) -> Result<Vec<Text>, ApiError> {
    let word = kind.name();
    let refused = |sentence: String| ApiError::new(500, Violation::new(sentence).to_string());
    let mut ids = Vec::with_capacity(links.len().min(acl::GRANTS_MAX));
    for LinkBody { id, name } in links {
        let record = if id.is_empty() {
            let named = state.by_name(kind, name);
            named.ok_or_else(|| refused(format!("No such ACL {word} with name \"{name}\"")))?
        } else {
            acl::check_id(word, id)
                .map_err(|fault| refused(format!("Error looking up {word} for id \"{id}\": {fault}")))?;
            let there = state.get(kind, &id.folded());
            there.ok_or_else(|| {
                refused(match of {
                    AclKind::Role => format!("No such {word} with ID: {id}"),
                    _ => format!("No such ACL {word} with ID \"{id}\""),
                })
            })?
        };
        let id = record.id();
        if !ids.contains(&id) {
            ids.push(id);
        }
        if ids.len() > acl::GRANTS_MAX {
            break;
        }
    }
    Ok(ids)
}

/// What there is of the policies and roles that `grants` link to, and how it is called now.
pub fn names(state: &AclState, grants: &Grants) -> LinkNames {
    let names = |kind, ids: &[Text]| {
        let there = ids.iter().filter_map(|id| Some((id.clone(), state.get(kind, id)?.name().into())));
        there.collect()
    };
    LinkNames {
        policies: names(AclKind::Policy, &grants.policies),
        roles: names(AclKind::Role, &grants.roles),
    }
}

/// How many of them there are: looking for them takes time by that.
pub fn count(grants: &Grants) -> u64 {
    (grants.policies.len() + grants.roles.len() + grants.services.len() + grants.nodes.len()) as u64
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::core::model::acl::{AclRecord, Policy};

    const ID: &str = "f9f435eb-b3ca-a2c3-a9cb-f005748b4920";

    #[test]
    fn links_go_by_id_and_else_by_name() {
        let policy = Policy { id: ID.into(), name: "Web".into(), ..Policy::default() };
        let state = AclState::restored(usize::MAX, [AclRecord::Policy(Arc::new(policy))]);
        let link = |id: &str, name: &str| LinkBody { id: id.into(), name: name.into() };
        let absent = "00000000-0000-0000-0000-0000000000aa";
        let rows = [
            (vec![], Ok(0)),
            (vec![link(ID, "wrong"), link("", "wEB"), link(&ID.to_uppercase(), "")], Ok(1)),
            (vec![link("", "x")], Err("No such ACL policy with name \"x\"".to_owned())),
            (vec![link("", "")], Err("No such ACL policy with name \"\"".to_owned())),
            (vec![link(absent, "web")], Err(format!("No such ACL policy with ID \"{absent}\""))),
            (
                vec![link("zz", "")],
                Err("Error looking up policy for id \"zz\": failed acl policy lookup: index error: UUID must be \
                     36 characters"
                    .to_owned()),
            ),
        ];
        for (links, expected) in rows {
            let ids = resolve(&state, AclKind::Token, AclKind::Policy, &links);
            let found = ids.as_ref().map(Vec::len).map_err(|error| error.message.to_string());
            assert_eq!(found, expected, "{links:?}");
            assert!(ids.is_ok_and(|ids| ids.iter().all(|id| id.as_str() == ID)) || expected.is_err());
        }
        let grants = Grants { policies: vec![ID.into(), absent.into()], ..Grants::default() };
        assert_eq!(names(&state, &grants).policies, [(Text::from(ID), Text::from("Web"))]);
    }
}
