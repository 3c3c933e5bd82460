//! What clients share of something of which there is only so much: places, and bytes on a disk.
//!
//! No client has more than half of it, so whatever one of them does, another finds the other half; and operators have
//! as much again for themselves, and never wait behind anybody else.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::net::http::{Exchange, client_of};

/// So much of something, and who has how much of it.
#[derive(Debug)]
pub struct Quota {
    /// For all clients together; half of it for one, and as much again for operators.
    max: u64,
    /// Locked for a look-up.
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    of_clients: u64,
    of_operators: u64,
    /// Of each client that has any.
    by_client: HashMap<IpAddr, u64>,
}

/// Whose a share is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Who came over a Unix socket, or by `admin_addr`.
    Operators,
    /// Who came from this address. Everything on this machine is one client.
    Client(IpAddr),
}

impl Whose {
    /// Whose request this is.
    pub fn of(exchange: &Exchange<'_>) -> Whose {
        match exchange.request().peer().ip().map(client_of) {
            Some(_) if exchange.is_operators() => Whose::Operators,
            Some(client) if client.is_loopback() => Whose::Client(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            Some(client) => Whose::Client(client),
            None => Whose::Operators,
        }
    }
}

/// Why there is no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// Clients together, or operators, have all of it, which is so much.
    All(u64),
    /// The client has as much as one may have, which is so much.
    OfOne(u64),
}

impl Quota {
    /// So much, and nobody has any of it.
    pub fn new(max: u64) -> Arc<Quota> {
        Arc::new(Quota { max, held: Mutex::default() })
    }

    /// Takes so much, until the share is dropped.
    ///
    /// # Errors
    /// [`Over`] when there is not so much left.
    pub fn take(self: &Arc<Quota>, whose: Whose, amount: u64) -> Result<QuotaShare, Over> {
        let mut share = QuotaShare { of: self.clone(), whose, amount: 0 };
        share.grow(amount).map(|()| share)
    }
}

/// So much of it, given back when dropped.
#[derive(Debug)]
pub struct QuotaShare {
    of: Arc<Quota>,
    whose: Whose,
    amount: u64,
}

impl QuotaShare {
    /// Whether there is so much more, without taking it.
    ///
    /// # Errors
    /// As [`QuotaShare::grow`].
    pub fn probe(&self, more: u64) -> Result<(), Over> {
        self.of.take(self.whose, more).map(drop)
    }

    /// Takes so much more.
    ///
    /// # Errors
    /// [`Over`] when there is not so much left; the share stays as it was.
    pub fn grow(&mut self, more: u64) -> Result<(), Over> {
        let Quota { max, held } = &*self.of;
        let mut held = held.lock();
        match self.whose {
            Whose::Operators => {
                if held.of_operators.saturating_add(more) > *max {
                    return Err(Over::All(*max));
                }
                held.of_operators += more;
            }
            Whose::Client(client) => {
                let of_one = held.by_client.get(&client).copied().unwrap_or_default().saturating_add(more);
                if of_one > *max / 2 {
                    return Err(Over::OfOne(*max / 2));
                }
                if held.of_clients.saturating_add(more) > *max {
                    return Err(Over::All(*max));
                }
                held.of_clients += more;
                held.by_client.insert(client, of_one);
            }
        }
        self.amount += more;
        Ok(())
    }
}

impl Drop for QuotaShare {
    fn drop(&mut self) {
        let mut held = self.of.held.lock();
        match self.whose {
            Whose::Operators => held.of_operators -= self.amount,
            Whose::Client(client) => {
                held.of_clients -= self.amount;
                let left = held.by_client.get(&client).map_or(0, |of_one| of_one - self.amount);
                match left {
                    0 => drop(held.by_client.remove(&client)),
                    _ => drop(held.by_client.insert(client, left)),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(last: u8) -> Whose {
        Whose::Client(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)))
    }

    #[test]
    fn one_client_has_half_and_operators_as_much_as_all() {
        let shares = Quota::new(4);
        let mut first = shares.take(client(1), 1).unwrap();
        first.grow(1).unwrap();
        assert_eq!(first.grow(1), Err(Over::OfOne(2)));
        let second = shares.take(client(2), 2).unwrap();
        assert_eq!(shares.take(client(3), 1).unwrap_err(), Over::All(4));
        let operators = shares.take(Whose::Operators, 4).unwrap();
        assert_eq!(shares.take(Whose::Operators, 1).unwrap_err(), Over::All(4));
        drop(first);
        assert_eq!(shares.take(client(2), 1).unwrap_err(), Over::OfOne(2));
        let third = shares.take(client(3), 2).unwrap();
        drop((second, third, operators));
        let held = shares.held.lock();
        assert_eq!((held.of_clients, held.of_operators, held.by_client.len()), (0, 0, 0));
    }

    #[test]
    fn a_share_that_was_refused_holds_nothing() {
        let shares = Quota::new(2);
        assert!(shares.take(client(1), 2).is_err());
        assert!(shares.take(client(1), u64::MAX).is_err());
        assert_eq!(shares.held.lock().of_clients, 0);
        assert!(shares.take(client(1), 1).is_ok());
    }
}
