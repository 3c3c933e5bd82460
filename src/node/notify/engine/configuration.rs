//! Which webhooks there are: those of the start, those of another configuration, and the queues of those that are gone.

use std::sync::atomic::Ordering;

use crate::config::webhooks::Webhook;
use crate::core::filter::error::FilterError;
use crate::node::notify::engine::{DeliveryEngine, now};
use crate::node::notify::hook::Hook;
use crate::node::notify::rows::{self, KnownWebhook};

impl DeliveryEngine {
    /// Delivers to these webhooks from now on, and to no others. What waits for one that stays, stays. On disk when it
    /// returns, so that from here on not even a crash loses an event.
    pub(in crate::node::notify) fn configure(&mut self, webhooks: Vec<Webhook>) {
        let newest = self.registry.history().newest_index();
        self.change_to(webhooks, newest);
        self.position_due_ms = Some(0);
        self.write(now());
    }

    fn change_to(&mut self, webhooks: Vec<Webhook>, newest: u64) {
        let was_listening = self.shared.is_listening.load(Ordering::Acquire);
        if !was_listening && !self.keeping.is_there() && !webhooks.is_empty() {
            self.take_up(webhooks, newest);
            return;
        }
        self.shared.is_listening.store(!webhooks.is_empty(), Ordering::Release);
        if was_listening {
            self.reconcile(webhooks, self.position.index);
            return;
        }
        self.position.index = newest;
        self.reconcile(webhooks, newest);
        self.catch_up();
    }

    /// Opens what was kept and finds out what happened since.
    pub(super) fn take_up(&mut self, webhooks: Vec<Webhook>, newest: u64) {
        let rows = self.keeping.open();
        self.shared.is_listening.store(!webhooks.is_empty(), Ordering::Release);
        self.position.index = match rows.position {
            // A registry that was put back to a backup counts anew.
            Some(kept) if kept.registry_id == self.source.registry_id => kept.index.min(newest),
            _ => newest,
        };
        for (name, stored) in rows.webhooks {
            let is_configured = webhooks.iter().any(|webhook| webhook.name == name);
            let known = stored.known.unwrap_or_default();
            let was_removed = known.is_removed;
            self.orphaned.put(name.clone(), known.since, stored.waiting, stored.dead, was_removed);
            if !is_configured && !was_removed {
                let known = KnownWebhook { is_removed: true, ..known };
                self.keeping.add([rows::known(&name, Some(&known))]);
            }
        }
        // Indexes above what the registry has are of another life of it.
        self.orphaned.each_since(|since| *since = (*since).min(newest));
        self.position_due_ms = Some(0);
        self.reconcile(webhooks, newest);
        self.catch_up();
    }

    /// Makes the webhooks these; a new one gets what comes after `now_index`.
    fn reconcile(&mut self, webhooks: Vec<Webhook>, now_index: u64) {
        let is_wanted = |name: &String| webhooks.iter().any(|webhook| webhook.name == *name);
        let gone: Vec<String> = self.hooks.keys().filter(|name| !is_wanted(name)).cloned().collect();
        for name in gone {
            if let Some(hook) = self.hooks.remove(&name) {
                self.orphan(name, hook);
            }
        }
        for webhook in webhooks {
            let name = webhook.name.clone();
            if let Err(error) = self.adopt(webhook, now_index) {
                // The configuration was checked by the same code.
                log::error!(webhook = name.as_str(); "the webhook's filter cannot be used: {error}");
            }
        }
    }

    fn adopt(&mut self, webhook: Webhook, now_index: u64) -> Result<(), FilterError> {
        let (name, datacenter) = (webhook.name.clone(), self.source.datacenter.clone());
        let is_queued = webhook.format.is_queued();
        if let Some(hook) = self.hooks.get_mut(&name)
            && hook.webhook.format.is_queued() == is_queued
        {
            return hook.configure(webhook, &datacenter);
        }
        if let Some(other) = self.hooks.remove(&name) {
            self.orphan(name.clone(), other);
        }
        let (since, queue) = match self.orphaned.take(&name) {
            // Alerts have no queue; what waits for events of this name waits on.
            Some(kept) if !is_queued => {
                self.orphaned.put_back(name.clone(), kept);
                (self.position.index, None)
            }
            Some(kept) if !kept.was_removed => (kept.since, Some(kept.queue)),
            Some(kept) => (now_index, Some(kept.queue)),
            None => (now_index, None),
        };
        let hook = Hook::new(webhook, &datacenter, since, queue)?;
        hook.expose(&self.metrics);
        self.keeping.add([rows::known(&name, Some(&KnownWebhook { since, is_removed: false }))]);
        self.hooks.insert(name, hook);
        Ok(())
    }

    /// Keeps the queue of a webhook that is no longer configured.
    fn orphan(&mut self, name: String, hook: Hook) {
        let since = hook.since;
        let Some(mut queue) = hook.into_queue() else {
            self.keeping.add([rows::known(&name, None)]);
            return;
        };
        self.keeping.add(queue.take_edits().iter().map(|edit| rows::edit(&name, edit)));
        self.keeping.add([rows::known(&name, Some(&KnownWebhook { since, is_removed: true }))]);
        let dropped = self.orphaned.add(name, since, queue);
        self.keeping.add(dropped);
    }
}
