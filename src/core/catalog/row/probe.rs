//! A way of checking, as a check's row has it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::stdx::text::Text;
use crate::core::model::{Probe, ProbeTls};

#[derive(Serialize, Deserialize)]
pub(in crate::core::catalog) enum ProbeRow<'a> {
    #[serde(rename = "ttl")]
    Ttl { ttl: Duration },
    #[serde(rename = "http")]
    Http {
        url: Cow<'a, Text>,
        method: Cow<'a, Text>,
        header: Cow<'a, BTreeMap<Text, Vec<Text>>>,
        body: Cow<'a, Text>,
        tls_skip_verify: bool,
        tls_server_name: Cow<'a, Text>,
        disable_redirects: bool,
    },
    #[serde(rename = "tcp")]
    Tcp {
        address: Cow<'a, Text>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tls: Option<TlsRow<'a>>,
    },
    #[serde(rename = "udp")]
    Udp { address: Cow<'a, Text> },
    #[serde(rename = "grpc")]
    Grpc { address: Cow<'a, Text>, service: Cow<'a, Text>, tls: Option<TlsRow<'a>> },
    #[serde(rename = "h2_ping")]
    H2Ping { address: Cow<'a, Text>, tls: Option<TlsRow<'a>> },
    #[serde(rename = "os_service")]
    OsService { name: Cow<'a, Text> },
    #[serde(rename = "script")]
    Script { args: Cow<'a, [Text]> },
    #[serde(rename = "alias")]
    Alias { node: Cow<'a, Text>, service_id: Cow<'a, Text> },
}

#[derive(Serialize, Deserialize)]
pub(in crate::core::catalog) struct TlsRow<'a> {
    skip_verify: bool,
    server_name: Cow<'a, Text>,
}

impl<'a> From<&'a Probe> for ProbeRow<'a> {
    fn from(probe: &'a Probe) -> Self {
        let text = Cow::Borrowed;
        let tls_row = |tls: &'a Option<ProbeTls>| tls.as_ref().map(TlsRow::from);
        match probe {
            Probe::Ttl { ttl } => ProbeRow::Ttl { ttl: *ttl },
            Probe::Http {
                url,
                method,
                header,
                body,
                tls_skip_verify,
                tls_server_name,
                disable_redirects,
            } => ProbeRow::Http {
                url: text(url),
                method: text(method),
                header: Cow::Borrowed(header),
                body: text(body),
                tls_skip_verify: *tls_skip_verify,
                tls_server_name: text(tls_server_name),
                disable_redirects: *disable_redirects,
            },
            Probe::Tcp { address, tls } => ProbeRow::Tcp { address: text(address), tls: tls_row(tls) },
            Probe::Udp { address } => ProbeRow::Udp { address: text(address) },
            Probe::Grpc { address, service, tls } => {
                ProbeRow::Grpc { address: text(address), service: text(service), tls: tls_row(tls) }
            }
            Probe::H2Ping { address, tls } => ProbeRow::H2Ping { address: text(address), tls: tls_row(tls) },
            Probe::OsService { name } => ProbeRow::OsService { name: text(name) },
            Probe::Script { args } => ProbeRow::Script { args: Cow::Borrowed(args) },
            Probe::Alias { node, service_id } => {
                ProbeRow::Alias { node: text(node), service_id: text(service_id) }
            }
        }
    }
}

impl From<ProbeRow<'_>> for Probe {
    fn from(row: ProbeRow<'_>) -> Self {
        let text = Cow::<'_, Text>::into_owned;
        match row {
            ProbeRow::Ttl { ttl } => Probe::Ttl { ttl },
            ProbeRow::Http {
                url,
                method,
                header,
                body,
                tls_skip_verify,
                tls_server_name,
                disable_redirects,
            } => Probe::Http {
                url: text(url),
                method: text(method),
                header: header.into_owned(),
                body: text(body),
                tls_skip_verify,
                tls_server_name: text(tls_server_name),
                disable_redirects,
            },
            ProbeRow::Tcp { address, tls } => Probe::Tcp { address: text(address), tls: tls.map(Into::into) },
            ProbeRow::Udp { address } => Probe::Udp { address: text(address) },
            ProbeRow::Grpc { address, service, tls } => {
                Probe::Grpc { address: text(address), service: text(service), tls: tls.map(Into::into) }
            }
            ProbeRow::H2Ping { address, tls } => {
                Probe::H2Ping { address: text(address), tls: tls.map(Into::into) }
            }
            ProbeRow::OsService { name } => Probe::OsService { name: text(name) },
            ProbeRow::Script { args } => Probe::Script { args: args.into_owned() },
            ProbeRow::Alias { node, service_id } => {
                Probe::Alias { node: text(node), service_id: text(service_id) }
            }
        }
    }
}

impl<'a> From<&'a ProbeTls> for TlsRow<'a> {
    fn from(ProbeTls { skip_verify, server_name }: &'a ProbeTls) -> Self {
        TlsRow { skip_verify: *skip_verify, server_name: Cow::Borrowed(server_name) }
    }
}

impl From<TlsRow<'_>> for ProbeTls {
    fn from(TlsRow { skip_verify, server_name }: TlsRow<'_>) -> Self {
        ProbeTls { skip_verify, server_name: server_name.into_owned() }
    }
}
