//! The words that stand in rows for the values of the model's enumerations.

use serde::{Deserialize, Serialize};

use crate::core::model::{Cause, Origin, Status};

/// Declares the words for the values of a type of the model, and both ways between them.
macro_rules! words {
    ($(#[$doc:meta])* $row:ident, $model:ident { $($variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub(super) enum $row { $(#[serde(rename = $word)] $variant,)+ }

        impl From<$model> for $row {
            fn from(value: $model) -> Self {
                match value { $($model::$variant => $row::$variant,)+ }
            }
        }

        impl From<$row> for $model {
            fn from(row: $row) -> Self {
                match row { $($row::$variant => $model::$variant,)+ }
            }
        }

        impl Default for $row {
            fn default() -> Self {
                $model::default().into()
            }
        }
    };
}

words! {
    /// How well a check is, in a row.
    StatusRow, Status { Passing = "passing", Warning = "warning", Critical = "critical", }
}

words! {
    /// What brought a status about, in a row.
    CauseRow, Cause {
        Registration = "registration",
        Probe = "probe",
        Ttl = "ttl",
        Report = "report",
        Alias = "alias",
        Damping = "damping",
        Drain = "drain",
        Deregistration = "deregistration",
        Reaping = "reaping",
        Restore = "restore",
    }
}

words! {
    /// Who keeps a record, in a row.
    OriginRow, Origin { Server = "server", Agent = "agent", Catalog = "catalog", }
}
