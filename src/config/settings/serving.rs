//! The settings of where HTTP is spoken, and of TLS.

use crate::config::kind::SettingKind;
use crate::config::settings::Effect::{Reload, Restart};
use crate::config::settings::Fallback::{Derived, Text};
use crate::config::settings::{Setting, setting};

pub(super) const SETTINGS: &[Setting] = &[
    setting(
        "http_addr",
        SettingKind::Addresses,
        Text("127.0.0.1:8500"),
        Restart,
        "Where the HTTP API listens; `off` for nowhere but at https_addr. In text, several are separated by commas.",
    ),
    setting(
        "https_addr",
        SettingKind::AddressesOrNone,
        Derived("none"),
        Restart,
        "Where the HTTP API listens for TLS, with the certificate in tls_cert_file: `muster help tls` tells of it.",
    ),
    setting(
        "tls_cert_file",
        SettingKind::Files,
        Derived("none"),
        Reload,
        "A PEM file with the certificate of https_addr, and with those that lead from it to an authority. Of several, \
         separated by commas in text, each is for clients that ask for its name, the first for all others.",
    ),
    setting(
        "tls_key_file",
        SettingKind::Files,
        Derived("tls_cert_file, for a file that holds both"),
        Reload,
        "A PEM file with the key of the certificate in tls_cert_file; of several, one for each and in the same order.",
    ),
    setting(
        "tls_ca_file",
        SettingKind::File,
        Derived("none"),
        Reload,
        "A PEM file with the authorities that certificates of clients must come from.",
    ),
    setting(
        "tls_verify_incoming",
        SettingKind::Choice(&["none", "optional", "required"]),
        Text("none"),
        Reload,
        "Whether clients at https_addr are asked for a certificate: no, yes but may show none, or not let in without.",
    ),
    setting(
        "tls_min_version",
        SettingKind::Choice(&["1.2", "1.3"]),
        Text("1.2"),
        Reload,
        "The oldest version of TLS that is spoken at https_addr.",
    ),
];
