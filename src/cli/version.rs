//! `muster version`: which muster this is.

use clap::ValueEnum;

/// How the version is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum VersionFormat {
    /// One line for people.
    #[default]
    Pretty,
    /// One JSON object.
    Json,
}

/// The version, as printed.
pub fn text(format: VersionFormat) -> String {
    let (name, version) = (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
    match format {
        VersionFormat::Pretty => format!("{name} v{version}"),
        VersionFormat::Json => serde_json::json!({ "name": name, "version": version }).to_string(),
    }
}
