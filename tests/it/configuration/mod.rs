//! What the built program is told by files, variables and flags, and what it makes of it.

mod changes;
mod errors;
mod files;
mod node;
mod strange;
