//! How large the body of a request may be, and what the client of a larger one is answered.

use crate::core::model::limits::VALUE_BYTES_MAX;
use crate::net::http::BodyBound;
use crate::surface::context::error::ApiError;
use crate::surface::context::host::HostProcess;

/// How large the body of a request may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLimit {
    /// As large as any: `limits.body_bytes_max`.
    General,
    /// As large as a value, which is [`VALUE_BYTES_MAX`], where `limits.body_bytes_max` lets it be.
    Value,
    /// As large as a snapshot: `limits.snapshot_bytes_max`. The handler reads it as it comes.
    Snapshot,
}

impl BodyLimit {
    /// Whether the server reads such a body into memory. Any other has to be found before it is read.
    pub(super) const fn is_in_memory(self) -> bool {
        !matches!(self, BodyLimit::Snapshot)
    }

    /// What the server is to hold a body to while it reads it; `None` for what holds for all.
    pub(super) fn bound(self, host: &dyn HostProcess) -> Option<BodyBound> {
        (!self.is_in_memory()).then(|| BodyBound {
            bytes_max: host.snapshot_bytes_max(),
            setting: "limits.snapshot_bytes_max",
            is_read_by_handler: true,
        })
    }

    /// Refuses a body that is too long for this route, though not for the server, which has read it.
    ///
    /// # Errors
    /// 413, in Consul's words.
    pub fn check(self, bytes: usize) -> Result<(), ApiError> {
        match self {
            BodyLimit::Value if bytes > VALUE_BYTES_MAX => Err(value_too_large(bytes)),
            BodyLimit::General | BodyLimit::Value | BodyLimit::Snapshot => Ok(()),
        }
    }
}

#[cold]
fn value_too_large(bytes: usize) -> ApiError {
    let sentence = format!(
        "Request body({bytes} bytes) too large, max size: {VALUE_BYTES_MAX} bytes. See \
         https://www.consul.io/docs/agent/options.html#kv_max_value_size. In muster that is fixed."
    );
    ApiError::new(413, sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_values_have_a_limit_that_the_server_does_not_know() {
        for (limit, bytes, is_accepted) in [
            (BodyLimit::Value, VALUE_BYTES_MAX, true),
            (BodyLimit::Value, VALUE_BYTES_MAX + 1, false),
            (BodyLimit::General, VALUE_BYTES_MAX + 1, true),
            (BodyLimit::Snapshot, VALUE_BYTES_MAX + 1, true),
        ] {
            assert_eq!(limit.check(bytes).is_ok(), is_accepted, "{limit:?} {bytes}");
        }
    }
}
