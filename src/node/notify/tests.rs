//! The thread and the registry together.

use std::sync::OnceLock;

use super::*;
use crate::config::problem::SettingSource;
use crate::config::webhooks;
use crate::core::model::{Observation, Status};
use crate::node::notify::follower::intake;
use crate::node::probe::{self, Prober};
use crate::node::registry::publish::{CommittedBatch, Follower};
use crate::node::registry::tests::{open_followed, register, ttl_check};

/// Holds the writer, after the news was sent to the thread, until the thread has compared it with the registry.
struct Slow(Arc<OnceLock<Notifier>>);

impl Follower for Slow {
    fn follow(&mut self, _news: &CommittedBatch<'_>) {
        let Some(notifier) = self.0.get() else { return };
        // Handled after the news, which was sent before. The thread takes a batch of messages before it does what is
        // due, so an answer alone would not show that it has.
        notifier.run(DeliveryEngine::step).unwrap();
    }
}

/// A notifier for the tests of others too.
pub(crate) fn begun(
    inbox: EventInbox,
    registry: &Arc<Registry>,
    metrics: &Arc<Metrics>,
    webhooks: Vec<Webhook>,
) -> Notifier {
    let http = Prober::new(probe::ProbeSettings::default()).unwrap().sender().unwrap();
    Notifier::start(inbox, registry.clone(), metrics.clone(), http, QueueStorage::Memory, webhooks).unwrap()
}

#[test]
fn an_alert_is_not_raised_late() {
    let notifier = Arc::new(OnceLock::new());
    let (intake, inbox) = intake();
    let registry = Arc::new(open_followed(vec![Box::new(intake), Box::new(Slow(notifier.clone()))]));
    let table = "name = 'a'\nurl = 'http://127.0.0.1:1'\nformat = 'alertmanager'".parse().unwrap();
    let webhooks = webhooks::read(&[(table, SettingSource::Default)], &[]).unwrap();
    let metrics = Arc::new(Metrics::new().unwrap());
    assert!(notifier.set(begun(inbox, &registry, &metrics, webhooks)).is_ok());

    registry.write(register("web-1", Some(ttl_check("web-1")))).unwrap();
    for (status, alerts) in [(Status::Passing, 0), (Status::Critical, 1)] {
        let output = "as told".into();
        registry.report(&"service:web-1".into(), Observation { status, output }).unwrap();
        let overview = notifier.get().unwrap().overview().unwrap();
        assert_eq!(overview.webhooks[0].pending, alerts, "alerts that stand when it is {status}");
    }
}
