//! What records have in common is held once: names, tags, metadata, and how checks are made.
//!
//! The twenty instances of a service say the same of themselves but for an address and an id. What a registration
//! brings takes over the allocations of earlier ones where it is equal, before it is written; from then on every clone
//! of the record shares them.

use std::sync::Arc;

use crate::model::{Check, CheckDefinition, Command, Meta, Probe, Service};
use crate::stdx::lately::Lately;
use crate::stdx::text::Text;

/// Texts remembered. More than the names, tags and words of a large company; with fewer, rare ones displace each other.
const TEXTS: usize = 4_096;

/// Metadata and definitions remembered: as many services as register within the same minutes.
const METAS: usize = 1_024;
const DEFINITIONS: usize = 256;

/// Bytes of what is remembered, each. Longer ones are seldom alike, and would be held for nothing.
const TEXT_BYTES_MAX: usize = 128;
const META_BYTES_MAX: usize = 1_024;

/// What was registered lately.
pub struct Sharing {
    texts: Lately<Text>,
    metas: Lately<Meta>,
    definitions: Lately<Arc<CheckDefinition>>,
}

impl Default for Sharing {
    fn default() -> Self {
        let (texts, metas) = (Lately::new(TEXTS), Lately::new(METAS));
        Sharing { texts, metas, definitions: Lately::new(DEFINITIONS) }
    }
}

impl Sharing {
    /// Has a registration share what it has in common with earlier ones. It says the same as before.
    pub fn pare(&self, command: &mut Command) {
        let Command::Register(registration) = command else { return };
        registration.service.iter_mut().for_each(|service| self.pare_service(service));
        registration.checks.iter_mut().for_each(|check| self.pare_check(check));
    }

    fn pare_service(&self, service: &mut Service) {
        self.share(&mut service.name);
        service.tags.iter_mut().for_each(|tag| self.share(tag));
        if let Some(meta) = &mut service.meta {
            self.share_meta(meta);
        }
    }

    fn pare_check(&self, check: &mut Check) {
        [&mut check.name, &mut check.kind, &mut check.notes].into_iter().for_each(|text| self.share(text));
        // Other checks name the address of their own instance.
        if matches!(check.definition.probe, None | Some(Probe::Ttl { .. })) {
            check.definition = self.definitions.share(check.definition.clone());
        }
    }

    fn share(&self, text: &mut Text) {
        if !text.is_empty() && text.len() <= TEXT_BYTES_MAX {
            *text = self.texts.share(std::mem::take(text));
        }
    }

    fn share_meta(&self, meta: &mut Meta) {
        if meta.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>() > META_BYTES_MAX {
            return;
        }
        *meta = self.metas.find(meta).unwrap_or_else(|| {
            let shared = meta.iter().cloned().map(|(mut key, mut value)| {
                self.share(&mut key);
                self.share(&mut value);
                (key, value)
            });
            let meta = shared.collect();
            self.metas.remember(&meta);
            meta
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ExistingChecks, NodePart, Registration};

    fn registration(id: &str) -> Command {
        let pairs = [("version", "1"), ("zone", "a"), ("id", id)];
        let meta = pairs.map(|(key, value)| (Text::from(key), Text::from(value))).into_iter().collect();
        let tags = vec!["primary".into(), id.into()];
        let service =
            Service { id: id.into(), name: "web".into(), tags, meta: Some(meta), ..Service::default() };
        let check = Check { id: id.into(), name: "alive".into(), ..Check::default() };
        let (node, existing_checks) = (NodePart::Existing { name: "n".into() }, ExistingChecks::Replace);
        let (service, checks) = (Some(service), vec![check]);
        Command::Register(Box::new(Registration { node, service, checks, existing_checks }))
    }

    fn parts(command: &Command) -> (&Service, &Check) {
        let Command::Register(registration) = command else { panic!("a registration") };
        (registration.service.as_ref().unwrap(), &registration.checks[0])
    }

    #[test]
    fn what_is_alike_is_held_once_and_says_the_same() {
        let sharing = Sharing::default();
        let pared = ["a", "b", "a"].map(|id| {
            let mut command = registration(id);
            sharing.pare(&mut command);
            assert_eq!(command, registration(id));
            command
        });
        let [(a, a_check), (b, b_check), (c, _)] = [0, 1, 2].map(|at| parts(&pared[at]));
        assert!(std::ptr::eq(a.name.as_str(), b.name.as_str()));
        assert!(std::ptr::eq(a.tags[0].as_str(), b.tags[0].as_str()));
        let value = |of: &Service, key: &str| of.meta.as_ref().unwrap().get(key).unwrap().as_str().as_ptr();
        assert!(value(a, "zone") == value(b, "zone") && value(a, "id") != value(b, "id"));
        assert!(a.meta.as_ref().unwrap().as_ptr() == c.meta.as_ref().unwrap().as_ptr());
        assert!(std::ptr::eq(a_check.name.as_str(), b_check.name.as_str()));
        assert!(Arc::ptr_eq(&a_check.definition, &b_check.definition));
    }
}
