//! What is said of a run: a text for the terminal, JSON for programs, a page with pictures for people, and the tables of
//! a comparison.

pub mod json;
pub mod table;
pub mod text;
