//! What a handler works with: the request with its caller and parameters, what the agent has, and how it refuses.

pub mod api;
pub mod call;
pub mod error;
pub mod host;
pub mod metered_views;
pub mod params;
pub mod rights;
pub mod sight;
mod write_permission;
