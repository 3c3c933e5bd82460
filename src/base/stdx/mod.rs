//! Small things the standard library lacks. Knows nothing of muster: any program could use them.

pub mod blake2b;
pub mod calendar;
pub mod counted;
pub mod duration;
pub mod go_literal;
pub mod hcl;
pub mod recent;
pub mod meter;
pub mod nearest;
pub mod network;
pub mod pairs;
pub mod prehashed;
pub mod shared_map;
pub mod redact;
pub mod stop;
pub mod target_url;
pub mod text;
pub mod text_position;
pub mod tree;
pub mod fair_queue;
