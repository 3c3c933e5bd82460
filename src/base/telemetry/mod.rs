//! Log lines and metrics.
//!
//! Owns how a log line looks and how it reaches stderr without anyone waiting for it ([`logging`]), and which
//! metrics there are ([`families`]) and how they are counted, read and written out ([`metrics`]). It refuses
//! to know who counts: lower layers keep plain atomics, and the code that puts the parts together registers a
//! closure that reads them when Prometheus asks. Request ids belong to `http`.

pub mod families;
pub mod family;
pub mod histogram;
pub mod line;
pub mod logging;
pub mod metrics;
pub mod readings;
pub mod sink;
pub mod log_limit;
