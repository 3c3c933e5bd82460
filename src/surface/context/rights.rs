//! What a caller may do, as far as whatever is kept of answers has to tell callers apart.

use crate::net::http::Request;

/// Stands for what a caller may do: answers are shared by callers with the same rights, and by no others.
///
/// Part of every key under which anything of an answer is kept, so no way to an answer goes around access control.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rights(u64);

impl Rights {
    /// Those of whoever shows no token.
    pub const ANONYMOUS: Rights = Rights(0);

    /// Those of whoever sent `request`. While there is no access control a token (`?token=`, `X-Consul-Token`,
    /// `Authorization`) gives and takes nothing, as in a Consul without it.
    pub fn of(_request: &Request) -> Rights {
        Rights::ANONYMOUS
    }

    /// Those of some other caller.
    #[cfg(test)]
    pub const fn numbered(number: u64) -> Rights {
        Rights(number)
    }

    /// A number that is another one for other rights; 0 for [`Rights::ANONYMOUS`].
    pub fn fingerprint(self) -> u64 {
        self.0
    }
}
