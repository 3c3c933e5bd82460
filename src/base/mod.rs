//! What does not know the registry: small helpers, the operating system, log lines and metrics.

pub mod stdx;
pub mod sys;
pub mod telemetry;
