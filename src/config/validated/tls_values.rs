//! The settings of TLS in their typed places, and whether they fit together.

use std::path::PathBuf;

use crate::config::kind::SettingValue;
use crate::config::problem::{Problem, quoted};
use crate::config::tls::{self, Misfit, Tls, VerifyIncoming};
use crate::config::validated::Values;

impl Values {
    pub(super) fn tls(&self) -> Tls {
        let paths = |names: Vec<String>| names.into_iter().map(PathBuf::from).collect::<Vec<_>>();
        let cert_files = paths(take!(self, Names, "tls_cert_file"));
        let key_files = paths(take!(self, Names, "tls_key_file"));
        Tls {
            key_files: if key_files.is_empty() { cert_files.clone() } else { key_files },
            cert_files,
            ca_file: Some(take!(self, Path, "tls_ca_file")).filter(|path| !path.as_os_str().is_empty()),
            verify_incoming: VerifyIncoming::of(&take!(self, Text, "tls_verify_incoming")),
            is_13_only: take!(self, Text, "tls_min_version") == "1.3",
        }
    }

    /// What of the settings about addresses and TLS does not fit together.
    pub(super) fn tls_misfits(&self) -> Vec<Problem> {
        let [mut http, admin, https] =
            ["http_addr", "admin_addr", "https_addr"].map(|key| match self.value(key) {
                SettingValue::Addresses(addresses) => addresses.clone(),
                other => unreachable!("{key} is no list of addresses: {other}"),
            });
        let misfits = match (http.is_empty(), https.is_empty()) {
            (true, true) => vec![tls::nowhere()],
            (false, true) => Vec::new(),
            (_, false) => {
                http.extend(admin);
                self.tls().misfits(&http, &https)
            }
        };
        let problem = |Misfit { key, complaint, allowed, remedy }| {
            let (value, origin) = &self.0[key];
            let (value, origin) = (quoted(&value.to_string()), origin.clone());
            let (key, allowed, remedy) = (key.to_owned(), allowed.to_owned(), remedy.to_owned());
            Problem { key, value, origin, complaint, allowed, remedy }
        };
        misfits.into_iter().map(problem).collect()
    }
}
