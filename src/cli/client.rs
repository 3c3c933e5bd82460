//! How an agent is spoken to by commands: where, by which TLS, and as whom. Flags come first, then the environment by
//! muster's names, then by Consul's. Who is spoken to decides [`remote`](crate::cli::remote).

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};

use crate::base::sys::file::{self, LIST_BYTES_MAX};
use crate::config::load;

/// Where the agent is looked for when nothing says otherwise.
const ADDRESS_DEFAULT: &str = "127.0.0.1:8500";

/// Where the agent is, and how it is spoken to.
#[derive(Args, Debug, Default)]
pub struct ClientArguments {
    /// The agent's address [default: of muster.toml, or 127.0.0.1:8500] [env: MUSTER_HTTP_ADDR, CONSUL_HTTP_ADDR]
    #[arg(long, value_name = "ADDRESS")]
    http_addr: Option<String>,
    #[command(flatten)]
    tls: TlsArguments,
    #[command(flatten)]
    token: TokenArguments,
}

/// By which TLS servers are spoken to.
#[derive(Args, Debug, Default)]
pub struct TlsArguments {
    /// The only authorities to trust, a PEM file [env: MUSTER_CACERT, CONSUL_CACERT]
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// The same, a directory of such files [env: MUSTER_CAPATH, CONSUL_CAPATH]
    #[arg(long, value_name = "DIR")]
    ca_path: Option<PathBuf>,
    /// The certificate to show, a PEM file [env: MUSTER_CLIENT_CERT, CONSUL_CLIENT_CERT]
    #[arg(long, value_name = "FILE")]
    client_cert: Option<PathBuf>,
    /// Its key [default: in the same file] [env: MUSTER_CLIENT_KEY, CONSUL_CLIENT_KEY]
    #[arg(long, value_name = "FILE")]
    client_key: Option<PathBuf>,
    /// The name to find in the server's certificate, if not its address [env: MUSTER_TLS_SERVER_NAME,
    /// CONSUL_TLS_SERVER_NAME]
    #[arg(long, value_name = "NAME")]
    tls_server_name: Option<String>,
}

/// As whom.
#[derive(Args, Default)]
pub struct TokenArguments {
    /// A token, sent as X-Consul-Token [env: MUSTER_HTTP_TOKEN, CONSUL_HTTP_TOKEN]
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// A file that holds the token [env: MUSTER_HTTP_TOKEN_FILE, CONSUL_HTTP_TOKEN_FILE]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl std::fmt::Debug for TokenArguments {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("TokenArguments")
    }
}

/// How servers are spoken to.
#[derive(Clone, Default)]
pub struct Terms {
    /// The only authorities that are trusted: files, and a directory of such.
    authorities: (Option<PathBuf>, Option<PathBuf>),
    /// The certificate that is shown, and its key.
    certificate: Option<(PathBuf, PathBuf)>,
    /// Whether the server may be anybody.
    trusts_anybody: bool,
    /// The name to find in the server's certificate.
    pub server_name: Option<String>,
    /// Sent as `X-Consul-Token`.
    pub token: Option<String>,
    /// How long an answer may take up to its end.
    pub wait_max: Option<Duration>,
}

/// What variables are called by before their name: muster's come first.
const PREFIXES: [&str; 2] = ["MUSTER_", "CONSUL_"];

/// What the environment says.
#[derive(Clone, Copy)]
pub struct Environment<'a>(pub &'a [(String, String)]);

impl<'a> Environment<'a> {
    fn one(self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(other, value)| other == name && !value.is_empty()).map(|(_, value)| &**value)
    }

    fn text(self, name: &str) -> Option<&'a str> {
        PREFIXES.iter().find_map(|prefix| self.one(&format!("{prefix}{name}")))
    }

    fn path(self, flag: Option<PathBuf>, name: &str) -> Option<PathBuf> {
        flag.or_else(|| self.text(name).map(PathBuf::from))
    }

    fn truth(self, name: &str) -> Result<Option<bool>, String> {
        match self.text(name).map(str::to_ascii_lowercase).as_deref() {
            None => Ok(None),
            Some("1" | "t" | "true") => Ok(Some(true)),
            Some("0" | "f" | "false") => Ok(Some(false)),
            Some(_) => Err(format!("MUSTER_{name} or CONSUL_{name} is neither true nor false")),
        }
    }

    /// The token by the variables of one prefix.
    fn token_of(self, prefix: &str) -> Result<Option<String>, String> {
        match self.one(&format!("{prefix}HTTP_TOKEN")) {
            Some(token) => checked(token.to_owned()).map(Some),
            None => {
                self.one(&format!("{prefix}HTTP_TOKEN_FILE")).map(|file| token_in(file.as_ref())).transpose()
            }
        }
    }

    /// The token for the agent alone, where another one is for another server.
    fn own_token(self) -> Result<Option<String>, String> {
        self.token_of(PREFIXES[0])
    }
}

impl ClientArguments {
    /// The agent's address, and how it is spoken to.
    ///
    /// # Errors
    /// A sentence about what cannot be.
    pub fn settle(self, environment: Environment<'_>) -> Result<(String, Terms), String> {
        let terms = self.tls.settle(environment)?.with_token(self.token.settle(environment)?);
        Ok((address(self.http_addr, environment)?, terms))
    }

    /// As [`ClientArguments::settle`], and before that how another server is spoken to. Of tokens, those of flags and
    /// of Consul's variables are for that one, and the agent is not told them.
    ///
    /// # Errors
    /// As there.
    pub fn settle_two(self, environment: Environment<'_>) -> Result<(Terms, (String, Terms)), String> {
        let (terms, token) = (self.tls.settle(environment)?, self.token.flags()?);
        let foreign = token.map_or_else(|| environment.token_of(PREFIXES[1]), |given| Ok(Some(given)))?;
        let own = terms.clone().with_token(environment.own_token()?);
        Ok((terms.with_token(foreign), (address(self.http_addr, environment)?, own)))
    }
}

/// The agent's address: the flag's, or the environment's, or that of the agent's own files, or the default. Of a list,
/// the first. As with Consul: where TLS is wanted, nothing is said without.
fn address(flag: Option<String>, environment: Environment<'_>) -> Result<String, String> {
    let written = flag.or_else(|| environment.text("HTTP_ADDR").map(str::to_owned));
    let written = written.or_else(|| load::http_address(environment.0));
    let written = written.unwrap_or_else(|| ADDRESS_DEFAULT.to_owned());
    let address = written.split(',').next().unwrap_or(ADDRESS_DEFAULT).trim();
    if environment.truth("HTTP_SSL")? != Some(true) || address.starts_with("unix://") {
        return Ok(address.to_owned());
    }
    let host = address.split_once("://").map_or(address, |(_, host)| host);
    Ok(format!("https://{host}"))
}

impl TlsArguments {
    /// How servers are spoken to, without a token.
    ///
    /// # Errors
    /// A sentence about what cannot be.
    pub fn settle(self, environment: Environment<'_>) -> Result<Terms, String> {
        let key = environment.path(self.client_key, "CLIENT_KEY");
        let certificate = environment.path(self.client_cert, "CLIENT_CERT");
        let name = self.tls_server_name.or_else(|| environment.text("TLS_SERVER_NAME").map(str::to_owned));
        Ok(Terms {
            authorities: (environment.path(self.ca_file, "CACERT"), environment.path(self.ca_path, "CAPATH")),
            certificate: certificate.map(|file| (file.clone(), key.unwrap_or(file))),
            trusts_anybody: environment.truth("HTTP_SSL_VERIFY")? == Some(false),
            server_name: name,
            ..Terms::default()
        })
    }
}

impl TokenArguments {
    /// The token, if there is one: a flag's before a variable's.
    ///
    /// # Errors
    /// A sentence about what cannot be one.
    pub fn settle(self, environment: Environment<'_>) -> Result<Option<String>, String> {
        match self.flags()? {
            None => match environment.own_token()? {
                None => environment.token_of(PREFIXES[1]),
                own => Ok(own),
            },
            given => Ok(given),
        }
    }

    fn flags(self) -> Result<Option<String>, String> {
        match (self.token, self.token_file) {
            (Some(token), _) => checked(token).map(Some),
            (None, file) => file.as_deref().map(token_in).transpose(),
        }
    }
}

fn token_in(path: &Path) -> Result<String, String> {
    let read = file::read_text(path, LIST_BYTES_MAX);
    let text = read.map_err(|error| format!("the token's file {}: {error}", path.display()))?;
    checked(text.trim().to_owned())
}

/// A token as it can be sent. It is not shown.
fn checked(token: String) -> Result<String, String> {
    match !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(token),
        false => Err("the token is none: it is empty, or has spaces or odd letters".to_owned()),
    }
}

impl Terms {
    /// With this token, if any.
    pub fn with_token(self, token: Option<String>) -> Terms {
        Terms { token, ..self }
    }

    /// With so long for each answer up to its end.
    pub fn patient(self, wait_max: Duration) -> Terms {
        Terms { wait_max: Some(wait_max), ..self }
    }

    /// What TLS is spoken with. Reads the files.
    ///
    /// # Errors
    /// A sentence about the file that cannot be used.
    pub fn tls(&self) -> Result<TlsConfig, String> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let roots = match &self.authorities {
            (None, None) => file::authorities().certs,
            (file, directory) => {
                let mut roots = Vec::new();
                for path in file.iter() {
                    roots.extend(certificates("--ca-file", path)?);
                }
                for path in directory.iter() {
                    roots.extend(certificates_below(path)?);
                }
                roots
            }
        };
        let roots: Vec<Certificate<'static>> =
            roots.iter().map(|it| Certificate::from_der(it).to_owned()).collect();
        let client_cert = match &self.certificate {
            None => None,
            Some((certificate, key)) => {
                let chain = certificates("--client-cert", certificate)?;
                let shown: Vec<_> = chain.iter().map(|it| Certificate::from_der(it).to_owned()).collect();
                let of_key =
                    |fault: &dyn std::fmt::Display| format!("--client-key {}: {fault}", key.display());
                let pem = file::read(key, LIST_BYTES_MAX).map_err(|error| of_key(&error))?;
                let read = PrivateKeyDer::from_pem_slice(&pem).map_err(|error| of_key(&error))?;
                CertifiedKey::from_der(chain, read, &provider).map_err(|error| of_key(&error))?;
                let key = PrivateKey::from_pem(&pem).map_err(|error| of_key(&error))?;
                Some(ClientCert::new_with_certs(&shown, key))
            }
        };
        Ok(TlsConfig::builder()
            .root_certs(RootCerts::new_with_certs(&roots))
            .client_cert(client_cert)
            .disable_verification(self.trusts_anybody)
            .unversioned_rustls_crypto_provider(provider)
            .build())
    }
}

/// The certificates in a file, one at least.
fn certificates(flag: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let unfit = |fault: &dyn std::fmt::Display| format!("{flag} {}: {fault}", path.display());
    let pem = file::read(path, LIST_BYTES_MAX).map_err(|error| unfit(&error))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match found.map_err(|error| unfit(&error))? {
        none if none.is_empty() => Err(unfit(&"there is no certificate in it")),
        found => Ok(found),
    }
}

/// Those in all files of a directory.
fn certificates_below(directory: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let unread = |error: std::io::Error| format!("--ca-path {}: {error}", directory.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(unread)? {
        let path = entry.map_err(unread)?.path();
        if path.is_file() {
            found.extend(certificates("--ca-path", &path)?);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_wins_over_our_variable_over_consuls() {
        let address_of = |flag, environment| address(flag, environment).expect("an address");
        let both = [("CONSUL_HTTP_ADDR", "c:1"), ("MUSTER_HTTP_ADDR", "m:1,m:2")];
        let environment: Vec<_> =
            both.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        assert_eq!(address_of(Some("f:1".into()), Environment(&environment)), "f:1");
        assert_eq!(address_of(None, Environment(&environment)), "m:1");
        assert_eq!(address_of(None, Environment(&environment[..1])), "c:1");
        assert_eq!(address_of(None, Environment(&[])), ADDRESS_DEFAULT);
        let directory = tempfile::tempdir().expect("a temporary directory");
        let file = directory.path().join("m.toml");
        let named = [("MUSTER_CONFIG_FILE".to_owned(), file.display().to_string())];
        for (text, expected) in [
            ("http_addr = \"unix:///run/s\"", "unix:///run/s"),
            ("http_addr = [\"unix:///run/s\", \"localhost:9\"]", "127.0.0.1:9"),
            ("http_addr = \"{{ GetPrivateIP }}:1\"", ADDRESS_DEFAULT),
            ("node = \"n\"", ADDRESS_DEFAULT),
            ("no TOML", ADDRESS_DEFAULT),
        ] {
            std::fs::write(&file, text).expect("a file can be written");
            assert_eq!(address_of(None, Environment(&named)), expected, "{text}");
        }
    }
}
