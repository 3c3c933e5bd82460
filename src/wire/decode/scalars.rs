//! Texts, numbers and booleans.

use crate::base::stdx::text::Text;
use crate::wire::decode::audit::Audit;
use crate::wire::decode::read::{FieldFault, ReadJson};

impl ReadJson for Text {
    fn go_type() -> String {
        "string".into()
    }

    fn text(&mut self, text: &str) -> Result<(), FieldFault> {
        *self = text.into();
        Ok(())
    }
}

impl ReadJson for bool {
    fn go_type() -> String {
        "bool".into()
    }

    fn boolean(&mut self, boolean: bool) -> Result<(), FieldFault> {
        *self = boolean;
        Ok(())
    }
}

/// Whole numbers, wide enough to say of every one that it is out of bounds.
impl ReadJson for i64 {
    fn go_type() -> String {
        "int".into()
    }

    fn integer(&mut self, number: i64) -> Result<(), FieldFault> {
        *self = number;
        Ok(())
    }

    fn float(&mut self, number: f64) -> Result<(), FieldFault> {
        Err(FieldFault::Mismatch(format!("number {number}")))
    }
}

impl Audit for Text {}
impl Audit for bool {}
impl Audit for i64 {}
