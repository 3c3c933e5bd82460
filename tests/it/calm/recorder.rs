//! Someone who follows one view by blocking queries and keeps every answer: what no client was told did not happen.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::support::client::{Answer, Client};

/// How long one query waits: as long as it takes to end the recording at most.
const WAIT: &str = "1s";

/// Pause between two attempts to reach a server that is away.
const ATTEMPT_PAUSE: Duration = Duration::from_millis(2);

/// Longest time to record.
const RECORDING_MAX: Duration = Duration::from_secs(300);

/// What was told, repetitions left out.
pub struct Recording {
    target: String,
    /// Each with the index it came with; the first is what was so at the beginning.
    told: Vec<(u64, String)>,
}

pub struct Recorder {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<Recording>>,
}

impl Recorder {
    /// Begins; what is there now is known when the call returns.
    pub fn start(server: SocketAddr, target: &str) -> Recorder {
        let mut client = Client::new(server);
        let first = client.get(target).expect("the server listens");
        let mut recording = Recording { target: target.to_owned(), told: Vec::new() };
        recording.take(&first);
        let is_over = Arc::new(AtomicBool::new(false));
        let end = is_over.clone();
        let thread = thread::spawn(move || {
            let until = Instant::now() + RECORDING_MAX;
            while !end.load(Ordering::SeqCst) && Instant::now() < until {
                match client.get(&recording.next_target()) {
                    Ok(answer) => recording.take(&answer),
                    // It is away; it comes back.
                    Err(_) => thread::sleep(ATTEMPT_PAUSE),
                }
            }
            recording
        });
        Recorder { is_over, thread: Some(thread) }
    }

    /// Ends the recording.
    pub fn finish(mut self) -> Recording {
        self.is_over.store(true, Ordering::SeqCst);
        let thread = self.thread.take().expect("it is finished once");
        thread.join().expect("a recorder does not panic")
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

impl Recording {
    fn next_target(&self) -> String {
        let index = self.told.last().map_or(0, |(index, _)| *index);
        let joint = if self.target.contains('?') { '&' } else { '?' };
        format!("{}{joint}index={index}&wait={WAIT}", self.target)
    }

    fn take(&mut self, answer: &Answer) {
        let said = match answer.status {
            200 => answer.text(),
            status => format!("{status} {}", answer.text()),
        };
        let index = answer.index().unwrap_or(0);
        if self.told.last().is_none_or(|(before, told)| *before != index || *told != said) {
            self.told.push((index, said));
        }
    }

    /// # Panics
    /// When any answer was another than the first, or there were more than so many indexes above the first.
    pub fn assert_calm(&self, index_steps_max: usize) {
        let (_, first) = &self.told[0];
        for (index, said) in &self.told {
            let (now, before) = around_the_difference(said, first);
            assert!(
                said == first,
                "{} at index {index}: this was told\n{now}\nand this at first\n{before}",
                self.target
            );
        }
        let steps = self.told.len() - 1;
        assert!(steps <= index_steps_max, "{}: indexes {:?}", self.target, self.indexes());
        assert!(self.indexes().is_sorted(), "{}: indexes {:?}", self.target, self.indexes());
    }

    fn indexes(&self) -> Vec<u64> {
        self.told.iter().map(|(index, _)| *index).collect()
    }
}

/// The parts of two texts around the first byte in which they differ.
fn around_the_difference<'a>(one: &'a str, other: &'a str) -> (&'a str, &'a str) {
    const BEFORE: usize = 300;
    const WIDTH: usize = 600;
    let at = one.bytes().zip(other.bytes()).take_while(|(one, other)| one == other).count();
    let part = |text: &'a str| {
        let from =
            (0..=at.saturating_sub(BEFORE).min(text.len())).rev().find(|at| text.is_char_boundary(*at));
        let from = from.unwrap_or(0);
        let to = (from..=(from + WIDTH).min(text.len())).rev().find(|at| text.is_char_boundary(*at));
        &text[from..to.unwrap_or(from)]
    };
    (part(one), part(other))
}
