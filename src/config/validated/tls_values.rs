//! The settings of TLS in their typed places, and whether they fit together.

use std::path::PathBuf;

use crate::config::kind::SettingValue;
use crate::config::problem::{Problem, quoted};
use crate::config::tls::{self, Misfit, WrittenTls};
use crate::config::validated::Values;
use crate::net::tls::{ClientCertificates, KeyPairFiles, OldestVersion, TlsSettings};

impl Values {
    pub(super) fn tls(&self) -> TlsSettings {
        let clients = self.tls_clients();
        let pair = |(certificate, key): (String, String)| KeyPairFiles {
            certificate: certificate.into(),
            key: key.into(),
        };
        TlsSettings {
            certificates: take!(self, Names, "tls_cert_file")
                .into_iter()
                .zip(self.tls_keys())
                .map(pair)
                .collect(),
            // Of whom nobody is asked for, no file is read.
            authorities: self.tls_authorities().filter(|_| clients != ClientCertificates::None),
            clients,
            oldest_version: match &*take!(self, Text, "tls_min_version") {
                "1.3" => OldestVersion::Tls13,
                _ => OldestVersion::Tls12,
            },
        }
    }

    fn tls_clients(&self) -> ClientCertificates {
        match &*take!(self, Text, "tls_verify_incoming") {
            "required" => ClientCertificates::Required,
            "optional" => ClientCertificates::Optional,
            _ => ClientCertificates::None,
        }
    }

    /// Those of the certificates are in the same files, unless it is said where.
    fn tls_keys(&self) -> Vec<String> {
        match take!(self, Names, "tls_key_file") {
            keys if keys.is_empty() => take!(self, Names, "tls_cert_file"),
            keys => keys,
        }
    }

    fn tls_authorities(&self) -> Option<PathBuf> {
        Some(take!(self, Path, "tls_ca_file")).filter(|path| !path.as_os_str().is_empty())
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
                let written = WrittenTls {
                    certificates: take!(self, Names, "tls_cert_file").len(),
                    keys: self.tls_keys().len(),
                    asks_clients: self.tls_clients() != ClientCertificates::None,
                    has_authorities: self.tls_authorities().is_some(),
                };
                written.misfits(&http, &https)
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
