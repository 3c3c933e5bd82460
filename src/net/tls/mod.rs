//! TLS on the server's side: a connection that may be encrypted, and what its certificates are made of.
//!
//! It knows no HTTP beyond its first letter, by which a client that speaks none of TLS is told apart. Start reading at
//! `link.rs`, then `terms.rs` for what files become.

mod certificate;
mod endpoint;
mod link;
mod terms;

pub(crate) use certificate::named_client;
pub use endpoint::{HandshakeOutcome, TlsEndpoint, TlsStats};
pub(crate) use link::{Link, LinkEnd};
pub use terms::{ClientCertificates, KeyPairFiles, OldestVersion, TlsSettings, TlsTerms};
