//! Small things the standard library lacks. Knows nothing of muster: any program could use them.

pub mod duration;
pub mod go_literal;
pub mod lately;
pub mod network;
pub mod pairs;
pub mod text;
