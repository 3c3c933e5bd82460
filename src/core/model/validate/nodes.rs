//! What nodes may be.

use crate::core::model::validate::bounds::check_indexes;
use crate::core::model::validate::{Violation, metadata, names};
use crate::core::model::{Meta, Node, NodePart};

/// Length of a UUID with its four dashes, and where these stand.
const UUID_BYTES: usize = 36;
const UUID_DASHES: [usize; 4] = [8, 13, 18, 23];

/// Refuses what a registration says of its node, if it says anything.
///
/// # Errors
/// The first rule that it breaks.
pub fn check_part(part: &NodePart) -> Result<(), Violation> {
    let NodePart::Set { name, id, address, tagged_addresses, meta, keep_existing } = part else {
        return Ok(());
    };
    check_given(name)?;
    names::check("node name", name)?;
    if address.is_empty() && !keep_existing {
        return Err(Violation::new("Must provide address if SkipNodeUpdate is not set"));
    }
    names::check("node address", address)?;
    check_rest(id, meta.as_ref(), tagged_addresses.as_ref())
}

/// Refuses a node that could not have come anew, names apart that only newcomers may not have.
///
/// # Errors
/// The first rule that it breaks.
pub fn check_held(node: &Node) -> Result<(), Violation> {
    check_name(&node.name)?;
    names::check_held("node address", &node.address)?;
    check_rest(&node.id, node.meta.as_ref(), node.tagged_addresses.as_ref())?;
    check_indexes(node.indexes)
}

/// As [`check_held`], of one that comes anew.
///
/// # Errors
/// As [`check_held`].
pub fn check_new(node: &Node) -> Result<(), Violation> {
    names::check("node name", &node.name)?;
    names::check("node address", &node.address)?;
    check_held(node)
}

/// Refuses what can be the name of no node.
///
/// # Errors
/// The first rule that it breaks.
pub fn check_name(name: &str) -> Result<(), Violation> {
    check_given(name)?;
    names::check_held("node name", name)
}

/// Refuses to go without the name of a node.
///
/// # Errors
/// When there is none.
pub fn check_given(name: &str) -> Result<(), Violation> {
    if name.is_empty() { Err(Violation::new("Must provide node")) } else { Ok(()) }
}

fn check_rest(id: &str, meta: Option<&Meta>, tagged_addresses: Option<&Meta>) -> Result<(), Violation> {
    check_uuid(id)?;
    metadata::check_size("Invalid Node Meta", meta)?;
    metadata::check_size("Invalid Node TaggedAddresses", tagged_addresses)
}

fn check_uuid(id: &str) -> Result<(), Violation> {
    let bytes = id.as_bytes();
    let fault = if bytes.is_empty() {
        return Ok(());
    } else if bytes.len() != UUID_BYTES {
        "uuid string is wrong length".to_owned()
    } else if UUID_DASHES.iter().any(|at| bytes[*at] != b'-') {
        "uuid is improperly formatted".to_owned()
    } else {
        let is_digit = |at: usize| UUID_DASHES.contains(&at) || bytes[at].is_ascii_hexdigit();
        let Some(at) = (0..UUID_BYTES).find(|at| !is_digit(*at)) else { return Ok(()) };
        let character = char::from(bytes[at]);
        format!("encoding/hex: invalid byte: U+{:04X} {character:?}", u32::from(character))
    };
    Err(Violation::new(format!("Bad node ID: {fault}")))
}
