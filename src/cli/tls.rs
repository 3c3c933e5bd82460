//! `muster tls`: an authority of one's own, and certificates that it signs, under the names that Consul's command gives
//! them. It refuses to write over anything that is there.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::{ArgGroup, Args, Subcommand, value_parser};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, NameConstraints, PublicKeyData,
};
use uuid::Uuid;
use x509_parser::pem::parse_x509_pem;

use crate::base::sys::file;
use crate::cli::command::{CommandOutput, failed};

/// A century: what is to hold longer is a slip.
const DAYS_MAX: i64 = 36_525;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Clocks that are a little behind take a new certificate too.
const BEFORE: Duration = Duration::from_secs(60);

/// Bytes of a file with an authority or its key at most.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Who may read a certificate, and who a key.
const PUBLIC: u32 = 0o644;
const PRIVATE: u32 = 0o600;

/// What to make.
#[derive(Subcommand, Debug)]
pub enum TlsCommand {
    /// Make an authority
    #[command(subcommand)]
    Ca(CaCommand),
    /// Have an authority sign a certificate
    #[command(subcommand)]
    Cert(CertCommand),
}

/// What of an authority.
#[derive(Subcommand, Debug)]
pub enum CaCommand {
    /// Make an authority here: DOMAIN-agent-ca.pem, and DOMAIN-agent-ca-key.pem, which signs
    Create(CaArguments),
}

/// What of a certificate.
#[derive(Subcommand, Debug)]
pub enum CertCommand {
    /// Make a certificate here and its key: DC-server-DOMAIN-0.pem, DC-server-DOMAIN-0-key.pem, and so on
    Create(CertArguments),
}

/// What an authority is to be like.
#[derive(Args, Debug)]
pub struct CaArguments {
    /// What its files are called by, and below which names are where --name-constraint says so
    #[arg(long, value_name = "DOMAIN", default_value = "muster", value_parser = label)]
    domain: String,
    /// For how many days it holds
    #[arg(long, value_name = "DAYS", default_value_t = 1825, value_parser = value_parser!(i64).range(1..=DAYS_MAX))]
    days: i64,
    /// Nobody is to trust it with names other than localhost and those below --domain
    #[arg(long)]
    name_constraint: bool,
    /// As --name-constraint, and names may be below this as well; may be given several times
    #[arg(long, value_name = "DOMAIN")]
    additional_name_constraint: Vec<String>,
}

/// What a certificate is to be like.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("kind").required(true).args(["server", "client", "cli"]))]
pub struct CertArguments {
    /// Of an agent: for server.DC.DOMAIN, localhost and 127.0.0.1
    #[arg(long)]
    server: bool,
    /// Of a client that may be a server too: for client.DC.DOMAIN, localhost and 127.0.0.1
    #[arg(long)]
    client: bool,
    /// Of a client only, such as a command line
    #[arg(long)]
    cli: bool,
    /// The authority [default: DOMAIN-agent-ca.pem]
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The authority's key [default: DOMAIN-agent-ca-key.pem]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// For how many days it holds
    #[arg(long, value_name = "DAYS", default_value_t = 365, value_parser = value_parser!(i64).range(1..=DAYS_MAX))]
    days: i64,
    /// The datacenter in its name
    #[arg(long, value_name = "DC", default_value = "dc1", value_parser = label)]
    dc: String,
    /// The domain in its name
    #[arg(long, value_name = "DOMAIN", default_value = "muster", value_parser = label)]
    domain: String,
    /// Of an agent, also for NODE.server.DC.DOMAIN
    #[arg(long, value_name = "NODE", requires = "server", value_parser = label)]
    node: Option<String>,
    /// A further name; may be given several times
    #[arg(long, value_name = "NAME")]
    additional_dnsname: Vec<String>,
    /// A further address; may be given several times
    #[arg(long, value_name = "ADDRESS")]
    additional_ipaddress: Vec<IpAddr>,
}

/// A word that may be part of a name of DNS, and of one of a file.
fn label(word: &str) -> Result<String, String> {
    let is_fit = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '.' | '_');
    match word.starts_with(|it: char| it.is_ascii_alphanumeric()) && word.chars().all(is_fit) {
        true => Ok(word.to_owned()),
        false => Err("letters, digits, `-`, `.` and `_` may be in it".to_owned()),
    }
}

/// Does it.
pub fn run(command: TlsCommand) -> CommandOutput {
    let said = match command {
        TlsCommand::Ca(CaCommand::Create(arguments)) => create_authority(arguments),
        TlsCommand::Cert(CertCommand::Create(arguments)) => create_certificate(arguments),
    };
    said.map_err(failed)
}

fn create_authority(arguments: CaArguments) -> Result<String, String> {
    let CaArguments { domain, days, name_constraint, additional_name_constraint } = arguments;
    // Clients find an authority by its name, so no two have the same.
    let name = format!("Muster Agent CA {}", Uuid::new_v4().as_u128());
    let mut params = params(&name, Vec::new(), days)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages =
        vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    if name_constraint || !additional_name_constraint.is_empty() {
        let domains = [domain.clone(), "localhost".to_owned()].into_iter().chain(additional_name_constraint);
        let permitted_subtrees = domains.map(GeneralSubtree::DnsName).collect();
        params.name_constraints = Some(NameConstraints { permitted_subtrees, excluded_subtrees: Vec::new() });
    }
    let key = KeyPair::generate().map_err(unmade)?;
    let certificate = params.self_signed(&key).map_err(unmade)?;
    save(&format!("{domain}-agent-ca"), &certificate.pem(), &key)
}

fn create_certificate(arguments: CertArguments) -> Result<String, String> {
    use ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
    let CertArguments { days, dc, domain, node, additional_dnsname, additional_ipaddress, .. } = &arguments;
    let (kind, usages) = match () {
        () if arguments.server => ("server", vec![ServerAuth, ClientAuth]),
        () if arguments.client => ("client", vec![ClientAuth, ServerAuth]),
        () => ("cli", vec![ClientAuth]),
    };
    let path = |given: &Option<PathBuf>, end| {
        given.clone().unwrap_or_else(|| format!("{domain}-agent-{end}.pem").into())
    };
    let (ca, ca_key) = (path(&arguments.ca, "ca"), path(&arguments.key, "ca-key"));
    let issuer = authority(&ca, &ca_key)?;
    let name = format!("{kind}.{dc}.{domain}");
    let mut names = vec![name.clone(), "localhost".to_owned()];
    names.extend(node.as_ref().map(|node| format!("{node}.{name}")));
    names.extend((kind != "cli").then(|| "127.0.0.1".to_owned()));
    names.extend_from_slice(additional_dnsname);
    names.extend(additional_ipaddress.iter().map(IpAddr::to_string));
    let mut params = params(&name, names, *days)?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    params.extended_key_usages = usages;
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate().map_err(unmade)?;
    let certificate = params.signed_by(&key, &issuer).map_err(unmade)?;
    let stems = (0_u64..).map(|number| format!("{dc}-{kind}-{domain}-{number}"));
    let mut free = stems.skip_while(|stem| files(stem).iter().any(|file| fs::symlink_metadata(file).is_ok()));
    let stem = free.next().ok_or("there are too many certificates here")?;
    let saved = save(&stem, &certificate.pem(), &key)?;
    Ok(format!("==> Using {} and {}\n{saved}", ca.display(), ca_key.display()))
}

fn params(common_name: &str, names: Vec<String>, days: i64) -> Result<CertificateParams, String> {
    let mut params = CertificateParams::new(names).map_err(unmade)?;
    params.distinguished_name.push(DnType::CommonName, common_name);
    let now = SystemTime::now();
    params.not_before = (now - BEFORE).into();
    params.not_after = (now + DAY * days.unsigned_abs() as u32).into();
    Ok(params)
}

fn unmade(error: rcgen::Error) -> String {
    format!("the certificate cannot be made: {error}; names are those of DNS, in ASCII")
}

/// The authority in these files, which can sign.
fn authority(certificate: &Path, key: &Path) -> Result<Issuer<'static, KeyPair>, String> {
    let [text, key_text] = [certificate, key].map(|path| {
        file::read_text(path, FILE_BYTES_MAX).map_err(|error| {
            format!("{} cannot be read: {error}; `muster tls ca create` makes an authority", path.display())
        })
    });
    let (text, key_text) = (text?, key_text?);
    let signing_key = KeyPair::from_pem(&key_text)
        .map_err(|error| format!("{}: there is no key in it that can sign: {error}", key.display()))?;
    let unfit = |why: &str| format!("{}: {why}", certificate.display());
    let (_, pem) = parse_x509_pem(text.as_bytes()).map_err(|_| unfit("it is no PEM file"))?;
    let read = pem.parse_x509().map_err(|_| unfit("there is no certificate in it"))?;
    if !read.is_ca() {
        return Err(unfit("the certificate in it is of no authority"));
    }
    if read.public_key().raw != signing_key.subject_public_key_info() {
        return Err(unfit(&format!("the key in {} is not this authority's", key.display())));
    }
    Issuer::from_ca_cert_pem(&text, signing_key).map_err(|error| unfit(&error.to_string()))
}

fn files(stem: &str) -> [String; 2] {
    [format!("{stem}.pem"), format!("{stem}-key.pem")]
}

/// Writes both files, or none.
fn save(stem: &str, certificate: &str, key: &KeyPair) -> Result<String, String> {
    let [path, key_path] = files(stem);
    write_new(&key_path, &key.serialize_pem(), PRIVATE)?;
    write_new(&path, certificate, PUBLIC).inspect_err(|_| drop(fs::remove_file(&key_path)))?;
    Ok(format!("==> Saved {path}\n==> Saved {key_path}"))
}

fn write_new(path: &str, text: &str, mode: u32) -> Result<(), String> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let mut file = opened.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            format!("{path} already exists, and is not written over: move it away first")
        }
        _ => format!("{path} cannot be made: {error}"),
    })?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(|error| {
        drop(fs::remove_file(path));
        format!("{path} cannot be written: {error}")
    })
}
