//! What the settings of TLS must be to each other, and to the addresses.

use crate::config::address::ListenAddress;

/// What is wrong with a setting beside others.
pub(in crate::config) struct Misfit {
    pub key: &'static str,
    pub complaint: String,
    pub allowed: &'static str,
    pub remedy: &'static str,
}

/// What is written of TLS, as far as one setting asks for another.
pub(in crate::config) struct WrittenTls {
    pub certificates: usize,
    pub keys: usize,
    /// Whether certificates of clients are asked for.
    pub asks_clients: bool,
    pub has_authorities: bool,
}

impl WrittenTls {
    /// What of these does not fit with where HTTP is spoken, and where through TLS.
    pub(in crate::config) fn misfits(&self, http: &[ListenAddress], https: &[ListenAddress]) -> Vec<Misfit> {
        let mut misfits = Vec::new();
        let mut complain = |key, complaint, allowed, remedy| {
            misfits.push(Misfit { key, complaint, allowed, remedy });
        };
        let takes_any_port = |it: &ListenAddress| matches!(it, ListenAddress::Tcp(tcp) if tcp.port() == 0);
        if let Some(shared) = https.iter().find(|it| http.contains(it) && !takes_any_port(it)) {
            let complaint = format!("HTTP without TLS is spoken at {shared} already");
            complain("https_addr", complaint, "an address of its own", "write another port, such as 8501");
        }
        let WrittenTls { certificates, keys, .. } = *self;
        if certificates == 0 {
            let complaint = "https_addr is set, and nothing says with which certificate".to_owned();
            complain("tls_cert_file", complaint, "the path of a PEM file", "set it, or remove https_addr");
        } else if keys != certificates {
            let complaint = format!("there are {certificates} in tls_cert_file and {keys} here");
            complain(
                "tls_key_file",
                complaint,
                "a key for each certificate",
                "name one for each, in their order",
            );
        }
        if self.asks_clients && !self.has_authorities {
            let complaint = "certificates of clients are asked for, and nothing says from whom".to_owned();
            let remedy = "set tls_ca_file to the authority that they come from";
            complain("tls_verify_incoming", complaint, "`none`, as long as there is no tls_ca_file", remedy);
        }
        misfits
    }
}

/// The misfit of an API that is to be served nowhere.
pub(in crate::config) fn nowhere() -> Misfit {
    Misfit {
        key: "http_addr",
        complaint: "this turns HTTP off, and no https_addr says where else to listen".to_owned(),
        allowed: "an address here or there",
        remedy: "write for example `127.0.0.1:8500`",
    }
}

#[cfg(test)]
mod tests {
    use crate::config::invocation::Invocation;
    use crate::config::load::load;
    use crate::config::problem::Problems;
    use crate::config::validated::Config;

    /// `(flags, the key of the problem, what is said)`
    type Row<'a> = (&'a [(&'static str, &'a str)], &'a str, &'a str);

    fn loaded(flags: &[(&'static str, &str)]) -> Result<Config, Problems> {
        let flags = flags.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
        load(&Invocation { flags, ..Invocation::default() })
    }

    #[test]
    fn what_does_not_fit_together_is_told() {
        let rows: [Row<'_>; 7] = [
            (&[("http_addr", "off")], "http_addr", "turns HTTP off"),
            (&[("https_addr", "localhost:8501")], "tls_cert_file", "with which certificate"),
            (
                &[("https_addr", "127.0.0.1:8500"), ("tls_cert_file", "c")],
                "https_addr",
                "spoken at 127.0.0.1:8500 already",
            ),
            (
                &[("https_addr", "localhost:8501"), ("tls_cert_file", "a,b"), ("tls_key_file", "c")],
                "tls_key_file",
                "2 in tls_cert_file and 1 here",
            ),
            (
                &[
                    ("https_addr", "localhost:8501"),
                    ("tls_cert_file", "c"),
                    ("tls_verify_incoming", "optional"),
                ],
                "tls_verify_incoming",
                "from whom",
            ),
            (&[("tls_min_version", "1.1")], "tls_min_version", "none of the words"),
            (&[("tls_verify_incoming", "true")], "tls_verify_incoming", "none of the words"),
        ];
        for (flags, key, said) in rows {
            let problems = loaded(flags).expect_err(key);
            let [problem] = &problems.0[..] else { panic!("{flags:?}: {problems}") };
            assert!(problem.key == key && problem.complaint.contains(said), "{flags:?}: {problem}");
        }
    }

    #[test]
    fn keys_default_to_the_certificates_and_http_may_be_off() {
        let flags = [("http_addr", "off"), ("https_addr", "localhost:8501"), ("tls_cert_file", "/a,/b")];
        let config = loaded(&flags).expect("valid");
        assert!(config.http_addresses.is_empty() && config.https_addresses.len() == 1);
        let keys: Vec<_> = config.tls.certificates.iter().map(|it| it.key.to_str()).collect();
        assert_eq!(keys, [Some("/a"), Some("/b")]);
        let config = loaded(&[("tls_cert_file", "/a")]).expect("valid");
        assert!(config.warnings[0].contains("tls_cert_file is set but not used"), "{:?}", config.warnings);
    }
}
