//! A check: what is known about the health of an instance or a node, and how it is found out.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::stdx::text::Text;
use crate::core::model::{Indexes, Origin};

/// How well the checked thing is. Ordered from best to worst, so the worst of several is their maximum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Fit to serve.
    Passing,
    /// Serving, with trouble.
    Warning,
    /// Unfit: left out of discovery that asks for passing instances. The status of a check that has not run yet.
    #[default]
    Critical,
}

impl Status {
    /// The word for it on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Passing => "passing",
            Status::Warning => "warning",
            Status::Critical => "critical",
        }
    }

    /// Reads the word on the wire; `None` for any other.
    pub fn parse(word: &str) -> Option<Status> {
        [Status::Passing, Status::Warning, Status::Critical]
            .into_iter()
            .find(|status| status.as_str() == word)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// What brought a status about, or its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Cause {
    /// Whoever registered the check said so when it was new, through either API or a definition file; maintenance mode
    /// is such a check.
    #[default]
    Registration,
    /// A run of the check.
    Probe,
    /// The instance was silent for longer than its TTL.
    Ttl,
    /// The instance, or a monitor that registered the check once more, reported it through the API.
    Report,
    /// The checks that an alias stands for.
    Alias,
    /// Flap damping held a status back, or let it go.
    Damping,
    /// The end of a drain.
    Drain,
    /// Whoever removed the check, its instance or its node through either API or a definition file.
    Deregistration,
    /// The instance was critical for longer than it may be, and was deregistered for that.
    Reaping,
    /// A snapshot was restored.
    Restore,
}

impl Cause {
    /// The word for it on the wire and in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Cause::Registration => "registration",
            Cause::Probe => "probe",
            Cause::Ttl => "ttl",
            Cause::Report => "report",
            Cause::Alias => "alias",
            Cause::Damping => "damping",
            Cause::Drain => "drain",
            Cause::Deregistration => "deregistration",
            Cause::Reaping => "reaping",
            Cause::Restore => "restore",
        }
    }
}

/// One check, of a service instance or (with an empty `service_id`) of a whole node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Check {
    /// Unique on the node.
    pub id: Text,
    /// For people.
    pub name: Text,
    /// The current verdict.
    pub status: Status,
    /// The owner's remark, for people.
    pub notes: Text,
    /// What the last run said, at most `limits::OUTPUT_BYTES_MAX` bytes plus a remark that it was cut.
    pub output: Text,
    /// Id of the instance on the same node that is checked; empty for a check of the node itself.
    pub service_id: Text,
    /// The word for the way of checking that answers show (`ttl`, `http`, `maintenance`, …); may be empty.
    pub kind: Text,
    /// How to check. Shared by what has the same: each verdict is a new record, and says the same of this.
    pub definition: Arc<CheckDefinition>,
    /// Who keeps this record. Only the agent's checks are run by muster; the catalog's are findings of other programs.
    pub origin: Origin,
    /// When the status last changed, in milliseconds of Unix time. Survives restarts, so that reaping stays exact.
    pub status_since_ms: u64,
    /// What brought the present status about.
    pub status_cause: Cause,
    /// Position of the record in the order of changes.
    pub indexes: Indexes,
}

impl Check {
    /// Whether both say the same, whenever they were written.
    pub fn same_content(&self, other: &Check) -> bool {
        let Check { id, name, status, notes, output, service_id, kind, definition, origin, .. } = self;
        let Check { status_since_ms: _, status_cause: _, indexes: _, .. } = self;
        *status == other.status
            && *output == other.output
            && *id == other.id
            && *name == other.name
            && *notes == other.notes
            && *service_id == other.service_id
            && *kind == other.kind
            && *definition == other.definition
            && *origin == other.origin
    }

    /// Whether the check is of the node as a whole and so counts for every instance on it.
    pub fn is_node_level(&self) -> bool {
        self.service_id.is_empty()
    }
}

/// How a check is made, with every setting a registration may give. Absent settings take the defaults of `health`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct CheckDefinition {
    /// The way of checking; `None` for a record that is only kept (the catalog's, maintenance mode, `serfHealth`).
    pub probe: Option<Probe>,
    /// Time between runs; zero when not given. Not used by TTL and alias checks.
    pub interval: Duration,
    /// Time a run may take; zero when not given.
    pub timeout: Duration,
    /// Passing results in a row that make a failing check pass; 0 and 1 both mean the first one does.
    pub success_before_passing: u32,
    /// Failing results in a row that make a passing check warn; 0 when not given (then as `failures_before_critical`).
    pub failures_before_warning: u32,
    /// Failing results in a row that make a check critical; 0 and 1 both mean the first one does.
    pub failures_before_critical: u32,
    /// After this long without a break in critical the instance is deregistered; zero for never.
    pub deregister_critical_service_after: Duration,
    /// Bytes of output kept, at most `limits::OUTPUT_BYTES_MAX`; 0 when not given.
    pub output_max_size: u32,
    /// Whether a connection to the target is kept between runs and watched for its end; `None` when not given, which
    /// means yes for HTTP checks and no for TCP checks. Other kinds keep none.
    pub watch: Option<bool>,
    /// Flap damping; `None` is off.
    pub damping: Option<Damping>,
    /// How often its owner says it runs a check of the catalog, beside the definition: what agents tell of their own
    /// checks. Told on as it is.
    pub owner: Cadence,
    /// What a check of the catalog was registered with beside its way of checking, by Consul's keys and in its values:
    /// a second way, the id of a container. Told on as it is; nobody here acts on it.
    pub told: BTreeMap<Text, serde_json::Value>,
}

/// How often another program runs a check, as it says; zeros where it says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Cadence {
    /// Time between runs.
    pub interval: Duration,
    /// Time a run may take.
    pub timeout: Duration,
    /// The port at which a proxy lets it through.
    pub exposed_port: u16,
}

/// Flap damping after the pattern of BGP (RFC 2439): each fall out of passing adds a penalty that decays by half in
/// every half-life. A check whose penalty has reached `suppress` is kept from passing until it has decayed to `reuse`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Damping {
    /// Time in which a penalty halves; at least a second.
    pub half_life: Duration,
    /// Penalty from which on the check is suppressed. One fall weighs [`Damping::PENALTY`].
    pub suppress: u32,
    /// Penalty at which a suppressed check may pass again; below `suppress`.
    pub reuse: u32,
}

impl Damping {
    /// What one fall out of passing adds.
    pub const PENALTY: u32 = 1_000;
}

/// TLS towards a target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ProbeTls {
    /// Accept any certificate.
    pub skip_verify: bool,
    /// Name to ask for and verify in the handshake; empty means the target's host.
    pub server_name: Text,
}

/// A way of checking.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Probe {
    /// The instance must report in at least this often.
    Ttl {
        /// Longest silence that is not a failure.
        ttl: Duration,
    },
    /// An HTTP request whose status decides: 2xx passes, 429 warns, the rest is critical.
    Http {
        /// Absolute `http` or `https` URL.
        url: Text,
        /// Request method; empty means `GET`.
        method: Text,
        /// Request headers, each with its values.
        header: BTreeMap<Text, Vec<Text>>,
        /// Request body; empty for none.
        body: Text,
        /// Accept any certificate.
        tls_skip_verify: bool,
        /// Name to ask for and verify in the TLS handshake; empty means the URL's host.
        tls_server_name: Text,
        /// Take a redirect as the answer instead of following it.
        disable_redirects: bool,
    },
    /// A TCP connection that must be accepted.
    Tcp {
        /// `host:port`.
        address: Text,
        /// A TLS handshake that must succeed as well; `None` for plain TCP.
        tls: Option<ProbeTls>,
    },
    /// A datagram that must not be refused: silence passes.
    Udp {
        /// `host:port`.
        address: Text,
    },
    /// The health service of gRPC (`grpc.health.v1.Health/Check`), which must answer `SERVING`.
    Grpc {
        /// `host:port`.
        address: Text,
        /// Name of the service asked for; empty means the server as a whole.
        service: Text,
        /// `None` for plain text.
        tls: Option<ProbeTls>,
    },
    /// A ping of HTTP/2 that must be acknowledged.
    H2Ping {
        /// `host:port`.
        address: Text,
        /// `None` for plain text.
        tls: Option<ProbeTls>,
    },
    /// A unit of the operating system's service manager that must be active.
    OsService {
        /// Name of the unit.
        name: Text,
    },
    /// A program whose exit code decides: 0 passes, 1 warns, any other is critical. Only from definition files.
    Script {
        /// The program and its arguments; never handed to a shell.
        args: Vec<Text>,
    },
    /// The worst status of another instance's checks, or of a node's.
    Alias {
        /// Node of that instance; empty means this node.
        node: Text,
        /// Its service id; empty means the node itself.
        service_id: Text,
    },
}

impl Probe {
    /// The word for it that answers show as the check's type.
    pub fn kind(&self) -> &'static str {
        match self {
            Probe::Ttl { .. } => "ttl",
            Probe::Http { .. } => "http",
            Probe::Tcp { .. } => "tcp",
            Probe::Udp { .. } => "udp",
            Probe::Grpc { .. } => "grpc",
            Probe::H2Ping { .. } => "h2ping",
            Probe::OsService { .. } => "os_service",
            Probe::Script { .. } => "script",
            Probe::Alias { .. } => "alias",
        }
    }
}

#[cfg(test)]
impl Probe {
    /// A GET as most are.
    pub(crate) fn http(url: &str, header: BTreeMap<Text, Vec<Text>>, body: &str) -> Probe {
        Probe::Http {
            url: url.into(),
            method: "".into(),
            header,
            body: body.into(),
            tls_skip_verify: false,
            tls_server_name: "".into(),
            disable_redirects: false,
        }
    }
}

/// What one run of a check, or one report of an instance, came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// The verdict of this run alone, before thresholds.
    pub status: Status,
    /// What there is to say about it.
    pub output: Text,
}
