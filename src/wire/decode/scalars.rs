//! Texts, numbers and booleans.

use crate::stdx::text::Text;
use crate::wire::decode::read::{Fault, Read};

impl Read for Text {
    fn go_type() -> String {
        "string".into()
    }

    fn text(&mut self, text: &str) -> Result<(), Fault> {
        *self = text.into();
        Ok(())
    }
}

impl Read for bool {
    fn go_type() -> String {
        "bool".into()
    }

    fn boolean(&mut self, boolean: bool) -> Result<(), Fault> {
        *self = boolean;
        Ok(())
    }
}

/// Whole numbers, wide enough to say of every one that it is out of bounds.
impl Read for i64 {
    fn go_type() -> String {
        "int".into()
    }

    fn integer(&mut self, number: i64) -> Result<(), Fault> {
        *self = number;
        Ok(())
    }

    fn float(&mut self, number: f64) -> Result<(), Fault> {
        Err(Fault::Mismatch(format!("number {number}")))
    }
}
