//! What Consul's settings say of TLS, in the three places where they may stand.

use crate::config::kind::{SettingKind, SettingValue};
use crate::config::listening::strength;
use crate::config::problem::{Problem, SettingSource, quoted};
use crate::config::raw::{Raw, WrittenSetting};

/// Settings of Consul's, by the one here that they come to: the further down, the more they mean.
const OF_CONSUL: &[(&str, &str)] = &[
    ("cert_file", "tls_cert_file"),
    ("key_file", "tls_key_file"),
    ("ca_file", "tls_ca_file"),
    ("verify_incoming", VERIFY),
    ("verify_incoming_https", VERIFY),
    ("tls.defaults.cert_file", "tls_cert_file"),
    ("tls.defaults.key_file", "tls_key_file"),
    ("tls.defaults.ca_file", "tls_ca_file"),
    ("tls.defaults.verify_incoming", VERIFY),
    ("tls.defaults.tls_min_version", "tls_min_version"),
    ("tls.https.cert_file", "tls_cert_file"),
    ("tls.https.key_file", "tls_key_file"),
    ("tls.https.ca_file", "tls_ca_file"),
    ("tls.https.verify_incoming", VERIFY),
    ("tls.https.tls_min_version", "tls_min_version"),
];

const VERIFY: &str = "tls_verify_incoming";

/// Consul's keys that are about TLS.
pub(in crate::config) fn keys() -> impl Iterator<Item = &'static str> {
    OF_CONSUL.iter().map(|(theirs, _)| *theirs)
}

impl Raw {
    /// Takes one of Consul's settings, if it is about TLS; tells whether it was.
    pub(in crate::config) fn add_tls(&mut self, key: &str, texts: &[String], origin: &SettingSource) -> bool {
        let Some(place) = OF_CONSUL.iter().position(|(theirs, _)| *theirs == key) else { return false };
        let written = WrittenSetting { texts: texts.to_vec(), origin: origin.clone() };
        // Sources come in the order in which they win.
        self.tls.insert(place, written);
        true
    }

    /// Makes muster's settings of what Consul's say of TLS, unless they are set by a source that is as strong. Consul
    /// asks clients for certificates or does not; nothing between.
    pub fn settle_tls(&mut self) {
        let mut settled = Vec::new();
        for (place, written) in std::mem::take(&mut self.tls) {
            let (theirs, ours) = OF_CONSUL[place];
            if self.get(ours).is_some_and(|it| {
                !settled.contains(&ours) && strength(&it.origin) >= strength(&written.origin)
            }) {
                continue;
            }
            let WrittenSetting { mut texts, origin } = written;
            // An empty text is how Consul's configuration says nothing.
            if texts.iter().all(String::is_empty) {
                continue;
            }
            if ours == VERIFY {
                let word = match SettingKind::Boolean.read(&texts) {
                    Ok(SettingValue::Boolean(true)) => "required",
                    Ok(_) => "none",
                    Err(complaint) => {
                        self.problems.push(Problem {
                            key: theirs.to_owned(),
                            value: quoted(&texts.join(",")),
                            origin,
                            complaint,
                            allowed: SettingKind::Boolean.allowed(),
                            remedy: "write one of the two".to_owned(),
                        });
                        continue;
                    }
                };
                texts = vec![word.to_owned()];
            }
            settled.push(ours);
            self.put_key(ours, texts, &origin);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::{Value, json};

    use crate::config::invocation::Invocation;
    use crate::config::load::load;
    use crate::config::problem::Problems;
    use crate::config::validated::Config;
    use crate::net::tls::{ClientCertificates, KeyPairFiles, OldestVersion, TlsSettings};

    fn loaded(flags: &[(&'static str, &str)], consul: &Value) -> Result<Config, Problems> {
        let flags = flags.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
        let directory = tempfile::tempdir().expect("a temporary directory");
        let file = directory.path().join("consul.json");
        fs::write(&file, consul.to_string()).expect("a file can be written");
        load(&Invocation { flags, config_files: vec![file], ..Invocation::default() })
    }

    #[test]
    fn consuls_settings_become_those_of_muster() {
        let of_consul = json!({
            "ports": {"https": 8501},
            "ca_file": "/old/ca", "cert_file": "/old/cert", "key_file": "/old/key", "verify_incoming": true,
            "tls": {
                "defaults": {"cert_file": "/cert", "key_file": "/key", "verify_incoming": false,
                             "tls_min_version": "TLSv1_3", "verify_outgoing": true},
                "https": {"ca_file": "/ca", "verify_incoming": true},
                "internal_rpc": {"verify_server_hostname": true},
            },
        });
        let config = loaded(&[], &of_consul).expect("valid");
        let shown: Vec<String> = config.https_addresses.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["127.0.0.1:8501"]);
        let expected = TlsSettings {
            certificates: vec![KeyPairFiles { certificate: "/cert".into(), key: "/key".into() }],
            authorities: Some("/ca".into()),
            clients: ClientCertificates::Required,
            oldest_version: OldestVersion::Tls13,
        };
        assert_eq!(config.tls, expected);
        // What is set by muster's own names wins over a file.
        let flags =
            [("tls_cert_file", "/mine"), ("tls_key_file", "/mine.key"), ("tls_verify_incoming", "optional")];
        let config = loaded(&flags, &of_consul).expect("valid");
        let mine = KeyPairFiles { certificate: "/mine".into(), key: "/mine.key".into() };
        assert_eq!((config.tls.certificates, config.tls.authorities), (vec![mine], Some("/ca".into())));
        assert_eq!(config.tls.clients, ClientCertificates::Optional);
        let mixed =
            json!({"ports": {"http": -1, "https": 443}, "cert_file": "/c", "client_addr": "10.0.0.7 ::1"});
        let config = loaded(&[], &mixed).expect("valid");
        let shown: Vec<String> = config.https_addresses.iter().map(ToString::to_string).collect();
        assert!(config.http_addresses.is_empty() && shown == ["10.0.0.7:443", "[::1]:443"], "{shown:?}");
        let off = loaded(&[], &json!({"ports": {"https": -1}, "cert_file": "/c"})).expect("valid");
        assert!(off.https_addresses.is_empty());
        for (port, warnings) in [(8501, 1), (-1, 0)] {
            let bare = loaded(&[], &json!({"ports": {"https": port}})).expect("valid, as it is for Consul");
            let told = bare.warnings.iter().filter(|it| it.contains("HTTPS is not served")).count();
            assert_eq!((bare.https_addresses.len(), told), (0, warnings), "port {port}");
        }
        let problems = loaded(&[], &json!({"verify_incoming": "perhaps"})).expect_err("no truth");
        assert_eq!(problems.0[0].key, "verify_incoming");
    }
}
