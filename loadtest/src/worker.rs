//! One thread of the generator: a share of the connections and of the rate, on one epoll.
//!
//! Plain threads on epoll rather than coroutines: with ten thousand connections and a constant rate nearly every step is
//! a timer or one small read, and a coroutine that sleeps for each of them costs a multiple of the request itself.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::Clock;
use crate::connection::{Buffers, Connection};
use crate::figures::{Row, Slot};
use crate::load::Question;
use crate::poller::Poller;
use crate::template::mix;
use crate::verdict::Judge;

/// The longest sleep, so that the end is noticed.
const SLEEP_MAX_NS: u64 = 50_000_000;

/// How long after the end an answer may still come.
const GRACE_NS: u64 = 10_000_000_000;

/// How long a server that refuses connections is left alone.
const RECONNECT_AFTER_NS: u64 = 5_000_000;

/// When a run starts, counts and ends, in nanoseconds of its clock.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// What is due from here on counts.
    pub warm: u64,
    /// Nothing is due any more.
    pub end: u64,
    /// Nanoseconds between two requests of this thread; without it, as fast as they are answered.
    pub interval: Option<f64>,
}

/// The length of a slot of the course of a run: a tenth of a second.
pub const SLOT_NS: u64 = 100_000_000;

/// A thread's share of a run.
pub struct Worker<'a> {
    questions: &'a [Question],
    judges: Vec<Judge>,
    address: SocketAddr,
    clock: Clock,
    times: Times,
    /// Its number among `threads`, which makes its requests differ from those of the others.
    thread: (u64, u64),
    poller: Poller,
    connections: Vec<Option<Connection>>,
    /// What each connection waits for.
    pending: Vec<Option<Pending>>,
    /// Connections without a request, longest rested first, so that all are used.
    idle: VecDeque<usize>,
    /// Connections that were lost, and when to try again.
    lost: VecDeque<(u64, usize)>,
    waiting: usize,
    issued: u64,
    request: Vec<u8>,
    buffers: Buffers,
    /// What came of each kind of request.
    pub rows: Vec<Row>,
    /// The course of the run.
    pub slots: Vec<Slot>,
}

#[derive(Clone, Copy, Debug)]
struct Pending {
    question: usize,
    due: u64,
}

impl<'a> Worker<'a> {
    /// Opens the connections of one thread; `thread` is its number and how many there are.
    ///
    /// # Errors
    /// The server does not accept them.
    pub fn open(
        questions: &'a [Question],
        address: SocketAddr,
        connections: usize,
        thread: (u64, u64),
    ) -> io::Result<Self> {
        let poller = Poller::new()?;
        let mut worker = Self {
            questions,
            judges: questions.iter().map(|it| Judge::new(it.expected.clone())).collect(),
            address,
            clock: Clock::start(),
            times: Times { warm: 0, end: 0, interval: None },
            thread,
            poller,
            connections: Vec::with_capacity(connections),
            pending: vec![None; connections],
            idle: (0..connections).collect(),
            lost: VecDeque::new(),
            waiting: 0,
            issued: 0,
            request: Vec::new(),
            buffers: Buffers::default(),
            rows: vec![Row::default(); questions.len()],
            slots: Vec::new(),
        };
        for number in 0..connections {
            let connection = worker.connect(number)?;
            worker.connections.push(Some(connection));
        }
        Ok(worker)
    }

    fn connect(&self, number: usize) -> io::Result<Connection> {
        let connection = Connection::open(self.address)?;
        self.poller.add(connection.socket(), number)?;
        Ok(connection)
    }

    /// Runs from now to the end, and a little longer for the answers that are still to come. `answers` is counted up for
    /// whoever shows progress.
    ///
    /// # Errors
    /// The machine refuses to wait for sockets. Whatever the server does is counted, not returned.
    pub fn run(&mut self, clock: Clock, times: Times, answers: &AtomicU64) -> io::Result<()> {
        (self.clock, self.times) = (clock, times);
        let mut ready = Vec::new();
        loop {
            let now = self.clock.now();
            self.reconnect(now);
            let next = self.issue(now);
            if now >= times.end && (self.waiting == 0 || now >= times.end + GRACE_NS) {
                break;
            }
            let before = self.waiting;
            ready.extend(self.poller.wait(next.saturating_sub(now).min(SLEEP_MAX_NS))?);
            ready.drain(..).for_each(|number| self.readable(number));
            answers.fetch_add((before - self.waiting) as u64, Ordering::Relaxed);
        }
        self.give_up();
        Ok(())
    }

    /// Sends what is due as long as a connection is free; gives the time when the next will be.
    fn issue(&mut self, now: u64) -> u64 {
        loop {
            let due = match self.times.interval {
                None => now,
                Some(interval) => (self.issued as f64 * interval) as u64,
            };
            if due > now || due >= self.times.end {
                return due;
            }
            let Some(number) = self.idle.pop_front() else { return u64::MAX };
            self.ask(number, due);
        }
    }

    fn ask(&mut self, number: usize, due: u64) {
        let (thread, threads) = self.thread;
        let count = self.issued * threads + thread;
        self.issued += 1;
        let seed = mix(count, 0);
        let question = draw(self.questions, seed);
        self.questions[question].write(count, seed, &mut self.request);
        self.pending[number] = Some(Pending { question, due });
        self.waiting += 1;
        let connection = self.connections[number].as_mut().expect("a free connection is open");
        if let Err(error) = connection.send(&self.request) {
            self.lose(number, format!("sending failed: {}", error.kind()));
        }
    }

    fn readable(&mut self, number: usize) {
        let Some(connection) = self.connections[number].as_mut() else { return };
        let Some(Pending { question, .. }) = self.pending[number] else {
            return self.lose(number, "the connection ended while it rested".into());
        };
        let judge = &mut self.judges[question];
        let outcome = connection
            .receive(&mut self.buffers, |answer| (judge.judge(answer), answer.bytes, answer.head.close));
        match outcome {
            Ok(None) => {}
            Ok(Some((verdict, bytes, close))) => {
                self.answered(number, verdict.map(|()| bytes));
                if close {
                    self.connections[number] = None;
                    self.lost.push_back((self.clock.now(), number));
                } else {
                    self.idle.push_back(number);
                }
            }
            Err(complaint) => self.lose(number, complaint),
        }
    }

    /// Counts the end of what a connection waited for.
    fn answered(&mut self, number: usize, outcome: Result<usize, String>) {
        let Some(Pending { question, due }) = self.pending[number].take() else { return };
        self.waiting -= 1;
        if due < self.times.warm {
            return;
        }
        let now = self.clock.now();
        let at = (now.saturating_sub(self.times.warm) / SLOT_NS) as usize;
        if self.slots.len() <= at {
            self.slots.resize(at + 1, Slot::default());
        }
        let slot = &mut self.slots[at];
        match outcome {
            Ok(bytes) => {
                self.rows[question].right(now - due, bytes);
                slot.answers += 1;
                slot.slowest_us = slot.slowest_us.max((now - due) / 1000);
            }
            Err(complaint) => {
                self.rows[question].wrong(complaint);
                slot.errors += 1;
            }
        }
    }

    fn lose(&mut self, number: usize, complaint: String) {
        self.connections[number] = None;
        if self.pending[number].is_some() {
            self.answered(number, Err(complaint));
        } else {
            self.idle.retain(|it| *it != number);
        }
        self.lost.push_back((self.clock.now() + RECONNECT_AFTER_NS, number));
    }

    fn reconnect(&mut self, now: u64) {
        while let Some((_, number)) = self.lost.front().copied().filter(|(at, _)| *at <= now) {
            self.lost.pop_front();
            match self.connect(number) {
                Ok(connection) => {
                    self.connections[number] = Some(connection);
                    self.idle.push_back(number);
                }
                Err(_) => {
                    // Whoever refuses one refuses the others as well: all wait, so that no time is lost on each.
                    self.lost.push_back((now + RECONNECT_AFTER_NS, number));
                    break;
                }
            }
        }
    }

    /// Counts what was due and never sent, and what was never answered.
    fn give_up(&mut self) {
        for number in 0..self.pending.len() {
            if self.pending[number].is_some() {
                self.answered(number, Err("no answer within ten seconds".into()));
            }
        }
        if let Some(interval) = self.times.interval {
            let due = (self.times.end as f64 / interval) as u64;
            for _ in self.issued..due {
                self.rows[0].wrong("never sent: no connection was free until the end".into());
            }
        }
    }
}

/// The question that a seed draws, by weight.
fn draw(questions: &[Question], seed: u64) -> usize {
    if let [_] = questions {
        return 0;
    }
    let total: u64 = questions.iter().map(|it| it.weight).sum();
    let mut left = mix(seed, u64::MAX) % total;
    for (at, question) in questions.iter().enumerate() {
        if left < question.weight {
            return at;
        }
        left -= question.weight;
    }
    0
}
