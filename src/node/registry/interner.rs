//! What records have in common is held once: names, tags, metadata, and how checks are made.
//!
//! The twenty instances of a service say the same of themselves but for an address and an id. What a registration
//! brings takes over the allocations of earlier ones where it is equal, before it is written; from then on every clone
//! of the record shares them.

use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use crate::base::stdx::recent::RecentSet;
use crate::base::stdx::text::Text;
use crate::core::model::{Check, CheckDefinition, Command, Meta, Probe, Service};

/// Texts remembered. More than the names, tags and words of a large company; with fewer, rare ones displace each other.
const TEXTS: usize = 4_096;

/// Metadata and definitions remembered: as many services as register within the same minutes.
const METAS: usize = 1_024;
const DEFINITIONS: usize = 256;

/// Bytes of what is remembered, each. Longer ones are seldom alike, and would be held for nothing.
const TEXT_BYTES_MAX: usize = 128;
const META_BYTES_MAX: usize = 1_024;

/// What was registered lately.
pub struct Interner {
    texts: RecentSet<Text>,
    metas: RecentSet<Meta>,
    definitions: RecentSet<Arc<CheckDefinition>>,
}

impl Default for Interner {
    fn default() -> Self {
        Interner {
            texts: RecentSet::new(TEXTS, |text| of_text(text)),
            metas: RecentSet::new(METAS, of_meta),
            definitions: RecentSet::new(DEFINITIONS, of_definition),
        }
    }
}

impl Interner {
    /// Has a registration share what it has in common with earlier ones. It says the same as before.
    pub fn intern(&self, command: &mut Command) {
        match command {
            Command::Register(registration) => {
                self.intern_all(registration.service.iter_mut(), registration.checks.iter_mut());
            }
            Command::Define(definitions) => {
                for defined in &mut definitions.defined {
                    self.intern_all(defined.service.iter_mut(), defined.checks.iter_mut());
                }
            }
            _ => {}
        }
    }

    fn intern_all<'r>(
        &self,
        services: impl Iterator<Item = &'r mut Service>,
        checks: impl Iterator<Item = &'r mut Check>,
    ) {
        services.for_each(|service| self.intern_service(service));
        checks.for_each(|check| self.intern_check(check));
    }

    fn intern_service(&self, service: &mut Service) {
        self.share(&mut service.name);
        service.tags.iter_mut().for_each(|tag| self.share(tag));
        if let Some(meta) = &mut service.meta {
            self.share_meta(meta);
        }
    }

    fn intern_check(&self, check: &mut Check) {
        [&mut check.name, &mut check.kind, &mut check.notes].into_iter().for_each(|text| self.share(text));
        // Other checks name the address of their own instance.
        if matches!(check.definition.probe, None | Some(Probe::Ttl { .. })) {
            self.definitions.share(&mut check.definition, |_| {});
        }
    }

    fn share(&self, text: &mut Text) {
        if !text.is_empty() && text.len() <= TEXT_BYTES_MAX {
            self.texts.share(text, |_| {});
        }
    }

    fn share_meta(&self, meta: &mut Meta) {
        if meta.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>() > META_BYTES_MAX {
            return;
        }
        self.metas.share(meta, |meta| {
            for (key, value) in meta.get_mut().into_iter().flatten() {
                self.share(key);
                self.share(value);
            }
        });
    }
}

fn of_text(text: &str) -> u64 {
    xxh3_64(text.as_bytes())
}

fn of_meta(meta: &Meta) -> u64 {
    meta.iter().fold(0, |sum: u64, (_, value)| sum.rotate_left(5) ^ of_text(value))
}

/// Those that are shared differ in their times.
fn of_definition(definition: &Arc<CheckDefinition>) -> u64 {
    let ttl = match &definition.probe {
        Some(Probe::Ttl { ttl }) => ttl.as_millis() as u64,
        _ => definition.interval.as_millis() as u64,
    };
    ttl ^ (definition.deregister_critical_service_after.as_millis() as u64).rotate_left(32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::{ExistingChecks, NodePart, Registration};

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
        let interner = Interner::default();
        let interned = ["a", "b", "a"].map(|id| {
            let mut command = registration(id);
            interner.intern(&mut command);
            assert_eq!(command, registration(id));
            command
        });
        let [(a, a_check), (b, b_check), (c, _)] = [0, 1, 2].map(|at| parts(&interned[at]));
        assert!(std::ptr::eq(a.name.as_str(), b.name.as_str()));
        assert!(std::ptr::eq(a.tags[0].as_str(), b.tags[0].as_str()));
        let value = |of: &Service, key: &str| of.meta.as_ref().unwrap().get(key).unwrap().as_str().as_ptr();
        assert!(value(a, "zone") == value(b, "zone") && value(a, "id") != value(b, "id"));
        assert!(a.meta.as_ref().unwrap().as_ptr() == c.meta.as_ref().unwrap().as_ptr());
        assert!(std::ptr::eq(a_check.name.as_str(), b_check.name.as_str()));
        assert!(Arc::ptr_eq(&a_check.definition, &b_check.definition));
    }
}
