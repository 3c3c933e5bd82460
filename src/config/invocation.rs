//! What muster was started with.

use std::path::PathBuf;

/// Command line and environment, as far as they configure. Kept by whoever reloads: loading it again reads the files
/// again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Invocation {
    /// `--config-file`, in the order given.
    pub config_files: Vec<PathBuf>,
    /// `--config-dir`, in the order given; each one's files in the order of their names.
    pub config_dirs: Vec<PathBuf>,
    /// `--config-format`: how files are read whose names do not tell; `json` or `hcl`.
    pub config_format: Option<String>,
    /// Settings given as flags, as key and value.
    pub flags: Vec<(&'static str, String)>,
    /// Configuration texts of `-hcl`, which are read as files are, and after them.
    pub texts: Vec<String>,
    /// Flags of Consul's, as flag, key in its files, and value.
    pub consul_flags: Vec<(&'static str, &'static str, String)>,
    /// The environment.
    pub environment: Vec<(String, String)>,
}
