//! Why there is no connection to what a check names.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use crate::core::model::target::TargetRefusal;
use crate::node::probe::words;

/// Why there is no connection, displayed in the words that Consul's outputs have for it.
#[derive(Debug)]
pub enum DialError {
    /// The name has no address.
    UnknownName {
        /// The name.
        host: String,
    },
    /// The lookup took longer than the check may.
    NameTimeout {
        /// The name.
        host: String,
    },
    /// The name server gave no answer that settles it.
    NameServer {
        /// The name.
        host: String,
    },
    /// Too many lookups are waiting already.
    NamesBusy {
        /// The name.
        host: String,
    },
    /// The address may not be probed.
    Refused {
        /// The address.
        address: SocketAddr,
        /// Why.
        refusal: TargetRefusal,
    },
    /// The address does not answer.
    Connect {
        /// The address.
        address: SocketAddr,
        /// What the operating system says.
        error: io::Error,
    },
}

impl DialError {
    /// Whether time ran out.
    pub fn is_timeout(&self) -> bool {
        match self {
            DialError::NameTimeout { .. } => true,
            DialError::Connect { error, .. } => error.kind() == io::ErrorKind::TimedOut,
            _ => false,
        }
    }

    /// The words for it, where the connection was to be of `network`: `tcp` or `udp`.
    pub fn over(&self, network: &str) -> String {
        let dial = format!("dial {network}");
        match self {
            DialError::UnknownName { host } => format!("{dial}: lookup {host}: no such host"),
            DialError::NameTimeout { host } => format!("{dial}: lookup {host}: i/o timeout"),
            DialError::NameServer { host } => format!("{dial}: lookup {host}: server misbehaving"),
            DialError::NamesBusy { host } => {
                format!("{dial}: lookup {host}: too many lookups are waiting; is the name server well?")
            }
            DialError::Refused { address, refusal } => format!("{dial} {address}: {refusal}"),
            DialError::Connect { address, error } => {
                format!("{dial} {address}: {}", words::io("connect", error))
            }
        }
    }
}

impl fmt::Display for DialError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.over("tcp"))
    }
}

impl std::error::Error for DialError {}
