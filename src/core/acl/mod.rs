//! Access control: who may do what. Pure: no I/O, no clock, no lock; it knows neither HTTP nor where policies are kept.
//!
//! ```text
//! text of a policy ──parse──> Rules ──┐
//! service identity ─────────> Rules ──┼──> Authorizer ──decide──> AccessDecision
//! node identity ────────────> Rules ──┘    (all his rights)  (yes or no, and by which rule)
//! ```
//!
//! An [`AccessRule`](rules::AccessRule) says how much ([`Disposition`](resource::Disposition)) of which
//! [`Resource`](resource::Resource) somebody has: of one by its name, of all whose names begin so, or of the one there
//! is. [`parse::parse`] reads the [`Rules`](rules::Rules) of one text, HCL 1 or JSON, as Consul does. An
//! [`Authorizer`](authorizer::Authorizer) merges those of all policies, roles and identities of a token with the
//! default policy, and decides whether an [`Access`](resource::Access) is allowed, without going over the rules.
//!
//! Answers are kept for whoever has the same rights, so rights have numbers: [`rights_numbers`] gives one number to
//! authorizers that decide by the same rules, and never one to two that do not.
//!
//! What differs from Consul: the words of a block's policy mean the same in capitals everywhere (in Consul a `DENY`
//! loses to other rules of its segment, and a `WRITE` gives no intentions); a block without a segment has no effect (in
//! Consul `key { policy = "read" }` is a rule for the key `policy`); JSON may be cut off, but nothing may follow it.
//!
//! Start reading at [`authorizer`]. Rules: <https://developer.hashicorp.com/consul/docs/security/acl/acl-rules>

pub mod authorizer;
pub mod change;
pub mod identity;
pub mod parse;
pub mod ready;
pub mod resolve;
pub mod resource;
pub mod rights_numbers;
pub mod row;
pub mod rules;
pub mod state;
mod segment_table;

#[cfg(test)]
mod tests;
