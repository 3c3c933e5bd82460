//! The first token of all, which may do everything and needs no other; and replication, which there is none of.
//!
//! <https://developer.hashicorp.com/consul/api-docs/acl>

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use crate::core::model::Caller;
use crate::core::model::acl::{AclKind, AclRecord, AclWrite, Grants, MANAGEMENT_ID, Token, TokenSecret};
use crate::core::model::validate::acl;
use crate::surface::acl::{new_uuid, on, tokens, write};
use crate::surface::answers::answer;
use crate::surface::context::call::{Call, HandlerResult};
use crate::surface::context::error::ApiError;
use crate::wire::body::acl::BootstrapBody;
use crate::wire::decode::from_bytes;
use crate::wire::show::AclToken;

/// Bytes of the file that names an index: its digits and what may stand around them.
const RESET_BYTES_MAX: u64 = 64;

/// `PUT /v1/acl/bootstrap`: once, and once more for whoever may write a file beside the server's.
pub fn bootstrap(call: &mut Call<'_, '_>) -> HandlerResult {
    let access = on(call)?;
    let accessor = new_uuid();
    let token = Token {
        accessor: accessor.clone(),
        secret: secret(call.body()?)?,
        description: "Bootstrap Token (Global Management)".into(),
        grants: Grants { policies: vec![MANAGEMENT_ID.into()], ..Grants::default() },
        created_ms: call.api.clock.unix_ms(),
        ..Token::default()
    };
    let record = AclRecord::Token(Arc::new(token.clone()));
    let files = &call.api.resources.files;
    let file = call.api.host.bootstrap_reset_file();
    let reset_index = match file.clone() {
        Some(file) => {
            files.run(move || named_in(&file)).map_err(|error| ApiError::new(503, error.to_string()))?
        }
        None => None,
    };
    write(call, AclWrite::Bootstrap { token, reset_index })?;
    let Caller { by, request_id } = call.caller();
    log::warn!(peer = by.as_str(), request_id = request_id.as_str();
        "gave out a token that may do everything: {accessor}");
    if let Some(file) = file.filter(|_| reset_index.is_some()) {
        let told = file.display().to_string();
        if !matches!(files.run(move || fs::remove_file(file)), Ok(Ok(()))) {
            log::warn!("{told} has had its effect and cannot be removed: remove it");
        }
    }
    let shown =
        access.read(|state| tokens::named(state, state.get(AclKind::Token, &accessor).unwrap_or(&record)));
    answer::json(call, &shown.as_ref().map(|(token, names)| AclToken::first(token, names)))
}

/// `GET /v1/acl/replication`: there is one server.
pub fn replication(call: &mut Call<'_, '_>) -> HandlerResult {
    on(call)?;
    call.read_params()?;
    const NEVER: &str = "0001-01-01T00:00:00Z";
    // In this order, which that of a map is not.
    #[derive(serde::Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Shown {
        enabled: bool,
        running: bool,
        source_datacenter: &'static str,
        replication_type: &'static str,
        replicated_index: u64,
        replicated_role_index: u64,
        replicated_token_index: u64,
        last_success: &'static str,
        last_error: &'static str,
    }
    answer::json(
        call,
        &Shown {
            enabled: false,
            running: false,
            source_datacenter: "",
            replication_type: "",
            replicated_index: 0,
            replicated_role_index: 0,
            replicated_token_index: 0,
            last_success: NEVER,
            last_error: NEVER,
        },
    )
}

/// What the token shows, if that is said; made up otherwise.
fn secret(body: &[u8]) -> Result<TokenSecret, ApiError> {
    let BootstrapBody { secret } = match body {
        [] => BootstrapBody::default(),
        body => from_bytes(body)
            .map_err(|error| ApiError::bad_request(format!("Request decode failed: {error}")))?,
    };
    match secret.reveal() {
        text if text.is_empty() => Ok(TokenSecret::new(new_uuid())),
        text if acl::is_uuid(text) && !acl::is_reserved(text) => Ok(secret),
        _ => Err(ApiError::bad_request("Bad request: BootstrapSecret is not a valid UUID")),
    }
}

/// The index that a file names; none where it is not there or names none.
fn named_in(file: &Path) -> Option<u64> {
    let mut text = String::new();
    File::open(file).ok()?.take(RESET_BYTES_MAX).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_names_an_index_or_none() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("acl-bootstrap-reset");
        assert_eq!(named_in(&file), None);
        for (text, expected) in [("9", Some(9)), ("9\n", Some(9)), ("", None), ("nine", None), ("-9", None)] {
            fs::write(&file, text).unwrap();
            assert_eq!(named_in(&file), expected, "{text:?}");
        }
    }

    #[test]
    fn a_secret_may_be_named_and_is_made_up_otherwise() {
        let named = r#"{"BootstrapSecret":"b1946ac9-2492-d234-7c62-35b4d2611184"}"#;
        assert_eq!(
            secret(named.as_bytes()).unwrap().reveal().as_str(),
            "b1946ac9-2492-d234-7c62-35b4d2611184"
        );
        for body in ["", "null", "{}"] {
            assert!(acl::is_uuid(secret(body.as_bytes()).unwrap().reveal()), "{body}");
        }
        let rows = [
            ("{", "Request decode failed: unexpected EOF"),
            (r#"{"BootstrapSecret":"hello"}"#, "Bad request: BootstrapSecret is not a valid UUID"),
            (
                r#"{"BootstrapSecret":"00000000-0000-0000-0000-000000000001"}"#,
                "Bad request: BootstrapSecret is not a valid UUID",
            ),
        ];
        for (body, expected) in rows {
            let error = secret(body.as_bytes()).unwrap_err();
            assert_eq!((error.status, &*error.message), (400, expected), "{body}");
        }
    }
}
