//! Opening a connection to what a check names: lookup, rules, connect, all within one deadline.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::base::sys::dial::Dialed;
use crate::base::sys::recall::RecallableDeadline;
use crate::node::probe::dial_error::DialError;
use crate::node::probe::names::Names;
use crate::node::probe::target::TargetRules;

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
        until: &RecallableDeadline,
    ) -> Result<(Dialed, SocketAddr), DialError> {
        let mut first_error = None;
        for (index, &address) in addresses.iter().enumerate() {
            let permitted = self.rules.check_connection(address);
            let permitted = permitted.map_err(|refusal| DialError::Refused { address, refusal });
            let outcome = permitted.and_then(|()| {
                let left = until.left();
                let share = (left / (addresses.len() - index) as u32).max(ATTEMPT_MIN.min(left));
                Dialed::connect(address, Instant::now() + share, until)
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
