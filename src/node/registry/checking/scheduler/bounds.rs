//! How many runs may be under way, of what answers and of what does not.

use crate::node::registry::checking::scheduler::SpeedClass;

/// The bounds. Each run holds a coroutine and a descriptor.
#[derive(Clone, Copy, Debug)]
pub struct ProbeBounds {
    /// All runs under way.
    pub total_max: usize,
    /// Runs of each class that answers or may: quick, slow, new. Quick ones take a tenth of a second at most, so this
    /// is five thousand a second at the very least.
    pub answering_max: usize,
    /// Runs towards what did not answer the last time. With 10 s timeouts this tries a hundred a second.
    pub silent_max: usize,
    /// Runs that have lost their place and are under way all the same. Past it the oldest are called back.
    pub overdue_max: usize,
    /// Runs of one class towards one address: what a target that is in trouble can bear, beside its own clients.
    pub address_max: usize,
}

/// Programs under way, waiting for their threads included.
const PROGRAMS_MAX: usize = 256;

/// The runs towards one address that hangs are a fraction of those towards one that answers: of a thousand checks of it
/// each has its turn all the same.
const SILENT_SHARE: usize = 4;

impl ProbeBounds {
    /// The usual bounds, or less in proportion where fewer runs may be under way. What is left between the parts and
    /// the whole is for runs that were called back and have not ended yet.
    pub fn within(total_max: usize) -> ProbeBounds {
        let total_max = total_max.clamp(12, 3_072);
        ProbeBounds {
            total_max,
            answering_max: total_max / 6,
            silent_max: total_max / 4,
            overdue_max: total_max / 12,
            address_max: 256,
        }
    }

    /// Places of a class.
    pub fn places(&self, class: SpeedClass) -> usize {
        match class {
            SpeedClass::Quick | SpeedClass::Slow | SpeedClass::New => self.answering_max,
            SpeedClass::Silent => self.silent_max,
            SpeedClass::Program => PROGRAMS_MAX.min(self.total_max / 12),
        }
    }

    /// Places of a class that one address may have.
    pub fn address_max(&self, class: SpeedClass) -> usize {
        match class {
            SpeedClass::Silent => (self.address_max / SILENT_SHARE).max(1),
            _ => self.address_max,
        }
    }
}

impl Default for ProbeBounds {
    fn default() -> ProbeBounds {
        ProbeBounds::within(usize::MAX)
    }
}
