//! The ways in which an instance ends, or ceases to serve, and what muster promises of each.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::instance::Instance;

/// What a promise is given beyond its letter when a test holds muster to it: for a machine that is busy otherwise.
const SLACK: Duration = Duration::from_secs(5);

/// How the instance is checked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Http,
    Https,
    /// With the connection kept, which TCP checks do on request only.
    Tcp,
}

/// What befalls it.
#[derive(Clone, Copy)]
pub enum Fault {
    Signal(Signal),
    /// An order to the instance.
    Order(&'static str),
    /// The link of its host goes down.
    Vanish,
}

/// When muster notices at the latest.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Promise {
    /// Far sooner than the next run of the check: its connection breaks.
    AtOnce,
    /// At the next run, which may take its whole timeout.
    NextRun,
}

/// One way to end.
pub struct Scenario {
    /// As the table in the documentation has it.
    pub name: &'static str,
    pub kind: Kind,
    pub fault: Fault,
    /// Whether it is on a host of its own.
    pub on_host: bool,
    /// Failing results in a row that the check demands.
    pub failures: u32,
    pub promise: Promise,
}

/// How often checks run, and how many instances die.
#[derive(Clone, Copy)]
pub struct Pace {
    pub interval: Duration,
    pub timeout: Duration,
    pub deaths: usize,
}

const fn row(name: &'static str, kind: Kind, fault: Fault, promise: Promise) -> Scenario {
    Scenario { name, kind, fault, on_host: false, failures: 1, promise }
}

/// Everything that can happen on one host, itself alive.
pub const ON_THIS_HOST: &[Scenario] = &[
    row("killed (SIGKILL)", Kind::Http, Fault::Signal(Signal::KILL), Promise::AtOnce),
    Scenario {
        failures: 3,
        ..row("killed, 3 failures demanded", Kind::Http, Fault::Signal(Signal::KILL), Promise::AtOnce)
    },
    row("killed, TCP check", Kind::Tcp, Fault::Signal(Signal::KILL), Promise::AtOnce),
    row("ends in order (SIGTERM)", Kind::Http, Fault::Signal(Signal::TERM), Promise::AtOnce),
    row("comes back refusing TLS", Kind::Https, Fault::Order("refuse"), Promise::AtOnce),
    row("comes back with an expired certificate", Kind::Https, Fault::Order("expired"), Promise::AtOnce),
    row("stopped (SIGSTOP)", Kind::Http, Fault::Signal(Signal::STOP), Promise::NextRun),
    row("hangs: accepts, never answers", Kind::Http, Fault::Order("hang"), Promise::NextRun),
    row("answers after twice the timeout", Kind::Http, Fault::Order("slow 4000"), Promise::NextRun),
    row("answers 503", Kind::Http, Fault::Order("fail"), Promise::NextRun),
];

/// What happens to hosts.
pub const ON_A_HOST_OF_ITS_OWN: &[Scenario] = &[
    Scenario {
        on_host: true,
        ..row("another host, killed", Kind::Http, Fault::Signal(Signal::KILL), Promise::AtOnce)
    },
    Scenario {
        on_host: true,
        ..row("another host, its link goes down", Kind::Http, Fault::Vanish, Promise::NextRun)
    },
];

/// Still answers on the connection that is kept, but nobody else can connect.
pub const DEAF: Scenario =
    row("listener closed, open connections served", Kind::Http, Fault::Order("deaf"), Promise::NextRun);

impl Scenario {
    /// The registration of one instance. `watch` is muster's own word, which Consul does not know.
    pub fn registration(&self, name: &str, instance: &Instance, pace: Pace, knows_watch: bool) -> Value {
        let address = instance.address;
        let span = |span: Duration| format!("{}ms", span.as_millis());
        let mut check = json!({
            "CheckID": format!("{name}-check"), "Name": "check",
            "Interval": span(pace.interval), "Timeout": span(pace.timeout),
            "FailuresBeforeCritical": self.failures,
        });
        let (key, value) = match self.kind {
            Kind::Http => ("HTTP", format!("http://{address}/health")),
            Kind::Https => ("HTTP", format!("https://{address}/health")),
            Kind::Tcp => ("TCP", address.to_string()),
        };
        check[key] = json!(value);
        if self.kind == Kind::Tcp && knows_watch {
            check["Watch"] = json!(true);
        }
        json!({"Name": name, "Address": address.ip(), "Port": address.port(), "Check": check})
    }

    /// How long after its fault an instance of a test may be shown at most.
    pub fn detection_max(&self, pace: Pace) -> Duration {
        match self.promise {
            // The next run would be half an interval away on average.
            Promise::AtOnce => pace.interval / 2,
            Promise::NextRun => pace.interval + pace.timeout + SLACK,
        }
    }

    /// How long it is waited for: long enough for a server that knows nothing but intervals.
    pub fn patience(&self, pace: Pace) -> Duration {
        let by_intervals = (pace.interval + pace.timeout) * self.failures + 2 * SLACK;
        self.detection_max(pace).max(by_intervals)
    }
}
