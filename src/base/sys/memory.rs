//! What is asked of the allocator. Only glibc's knows these words; of any other nothing is asked.

/// Arenas that the allocator may keep, more than there are threads. By itself it keeps eight a core, and on two cores
/// the sixteenth thread shares that of the first one: a start, whose two threads both allocate without a pause, then
/// took 1.47 s instead of 1.08 s, most of it in waking for one lock.
#[cfg(target_env = "gnu")]
const ARENAS_MAX: i32 = 64;

/// The number of the bound of arenas in glibc's `malloc.h`.
#[cfg(target_env = "gnu")]
const M_ARENA_MAX: i32 = -8;

#[cfg(target_env = "gnu")]
#[allow(unsafe_code)]
// SAFETY: the signatures are those of glibc's `malloc.h`. Both take numbers alone, do their work under the allocator's
// own locks and may be called at any time by any thread. The tests below run them.
unsafe extern "C" {
    safe fn mallopt(parameter: i32, value: i32) -> i32;
    safe fn malloc_trim(pad: usize) -> i32;
}

/// Lets every thread have an arena of its own. For before the first thread.
pub fn allow_arenas() {
    #[cfg(target_env = "gnu")]
    mallopt(M_ARENA_MAX, ARENAS_MAX);
}

/// Gives what is free back to the system. It is worth it after something that took a multiple of what is left; the
/// allocator alone gives back no page that anything in use lies behind.
///
/// Cost: a look at every free piece, during which the threads of its arena wait: tens of milliseconds with some hundred
/// megabytes.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    malloc_trim(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_env = "gnu")]
    #[test]
    fn the_allocator_knows_the_words() {
        assert_eq!(mallopt(M_ARENA_MAX, ARENAS_MAX), 1);
    }

    #[test]
    fn what_is_in_use_stays() {
        let kept: Vec<Vec<u8>> = (0..1_000).map(|it| vec![it as u8; 5_000]).collect();
        let kept: Vec<Vec<u8>> = kept.into_iter().step_by(2).collect();
        give_back();
        assert!(kept.iter().zip(0..).all(|(bytes, it)| *bytes == vec![(2 * it) as u8; 5_000]));
    }
}
