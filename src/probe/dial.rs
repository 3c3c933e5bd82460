//! Opening a connection to what a check names: lookup, rules, connect, all within one deadline.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::model::target::TargetRefusal;
use crate::probe::names::Names;
use crate::probe::target::TargetRules;
use crate::probe::words;
use crate::sys::dial::Dialed;
use crate::sys::patience::RecallableDeadline;

/// Least time an address gets when a name has several, as long as there is that much left.
const ATTEMPT_MIN: Duration = Duration::from_secs(2);

/// Opens connections for checks.
#[derive(Clone, Debug)]
pub struct Dialer {
    /// Which addresses may be connected to.
    pub rules: TargetRules,
    /// Where names are looked up.
    pub names: Names,
}

impl Dialer {
    /// Connects to the first of `addresses` that is permitted and answers. Each gets its share of the time left.
    ///
    /// # Errors
    /// What happened to the first address.
    pub fn connect(
        &self,
        addresses: &[SocketAddr],
        patience: &RecallableDeadline,
    ) -> Result<(Dialed, SocketAddr), DialError> {
        let mut first_error = None;
        for (index, &address) in addresses.iter().enumerate() {
            let permitted = self.rules.check_connection(address);
            let permitted = permitted.map_err(|refusal| DialError::Refused { address, refusal });
            let outcome = permitted.and_then(|()| {
                let left = patience.left();
                let share = (left / (addresses.len() - index) as u32).max(ATTEMPT_MIN.min(left));
                Dialed::connect(address, Instant::now() + share, patience)
                    .map_err(|error| DialError::Connect { address, error })
            });
            match outcome {
                Ok(stream) => return Ok((stream, address)),
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        Err(first_error.unwrap_or(DialError::UnknownName { host: String::new() }))
    }
}

/// Why there is no connection. Displayed in the words that Consul's outputs have for it.
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
}

impl DialError {
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
