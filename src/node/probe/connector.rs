//! Reaching a target that is named as `host:port`, in plain or through TLS.

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use crate::base::sys::recall::RecallableDeadline;
use crate::core::model::ProbeTls;
use crate::node::probe::channel::Channel;
use crate::node::probe::dial::Dialer;
use crate::node::probe::dial_error::DialError;
use crate::node::probe::tls::{self, Trust};
use crate::node::probe::words;

/// How a run reaches its target.
#[derive(Clone, Copy, Debug)]
pub struct TargetConnector<'a> {
    /// Opens connections.
    pub dialer: &'a Dialer,
    /// Whom to trust.
    pub trust: &'a Trust,
    /// How long it may take.
    pub until: &'a RecallableDeadline,
}

impl TargetConnector<'_> {
    /// Connects to `address`, and shakes hands where it is to be TLS; `protocol` is what is to be spoken through it,
    /// by its name in ALPN, if that matters.
    ///
    /// # Errors
    /// Why it is not to be had.
    pub fn open(
        &self,
        address: &str,
        security: Option<&ProbeTls>,
        protocol: Option<&'static str>,
    ) -> Result<Channel, ConnectorError> {
        let Some((host, port)) = self.dialer.names.split(address) else {
            return Err(ConnectorError::Address { address: address.to_owned() });
        };
        let addresses = self.dialer.names.resolve(host, port, self.until).map_err(ConnectorError::Dial)?;
        let (dialed, _) = self.dialer.connect(&addresses, self.until).map_err(ConnectorError::Dial)?;
        let Some(security) = security else { return Ok(Channel::Plain(dialed)) };
        let bare = host.trim_start_matches('[').trim_end_matches(']').split('%').next().unwrap_or_default();
        let name = if security.server_name.is_empty() { bare } else { &*security.server_name };
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_| ConnectorError::ServerName { name: name.to_owned() })?;
        let config = self.trust.config(security.skip_verify, self.dialer.names.files());
        let config = with_protocol(config.ok_or(ConnectorError::Busy)?, protocol);
        let stream = tls::shake_hands(config, name, dialed).map_err(ConnectorError::Handshake)?;
        Ok(Channel::Tls(Box::new(stream)))
    }
}

fn with_protocol(config: Arc<ClientConfig>, protocol: Option<&'static str>) -> Arc<ClientConfig> {
    let Some(protocol) = protocol else { return config };
    let mut config = ClientConfig::clone(&config);
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    Arc::new(config)
}

/// Why a target was not reached. Displayed in the words that Consul's outputs have for it.
#[derive(Debug)]
pub enum ConnectorError {
    /// The target is not written as `host:port`.
    Address {
        /// What is written.
        address: String,
    },
    /// There is no connection.
    Dial(DialError),
    /// The name to verify is none.
    ServerName {
        /// What is given.
        name: String,
    },
    /// The machine's authorities are needed, and too much is waiting to read them.
    Busy,
    /// The handshake failed.
    Handshake(io::Error),
}

impl ConnectorError {
    /// Whether time ran out.
    pub fn is_timeout(&self) -> bool {
        match self {
            ConnectorError::Dial(error) => error.is_timeout(),
            ConnectorError::Handshake(error) => error.kind() == io::ErrorKind::TimedOut,
            _ => false,
        }
    }
}

impl fmt::Display for ConnectorError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConnectorError::Address { address } => {
                write!(formatter, "dial tcp: address {address}: write it as host:port, the port up to 65535")
            }
            ConnectorError::Dial(error) => error.fmt(formatter),
            ConnectorError::ServerName { name } => {
                write!(formatter, "tls: the name to verify, {name:?}, is neither a DNS name nor an address")
            }
            ConnectorError::Busy => {
                formatter.write_str("tls: too much is waiting to read the certificate authorities")
            }
            ConnectorError::Handshake(error) => match tls::fault(error) {
                Some(fault) => formatter.write_str(&tls::words(fault)),
                None => write!(formatter, "tls: handshake: {}", words::io("read", error)),
            },
        }
    }
}

impl std::error::Error for ConnectorError {}
