//! The agent's own chapters of Consul's API: itself, its services, its checks and their health.

pub mod await_health;
pub mod checks;
pub mod health;
pub mod info;
pub mod maintenance;
pub mod services;
