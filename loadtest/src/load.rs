//! Puts a scenario on a server: compiles its requests, runs the threads, and adds up what came of it.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Barrier, OnceLock};

use crate::clock::{Clock, nanoseconds};
use crate::crowd::Crowd;
use crate::figures::{Figures, Row, Slot, Usage};
use crate::process::{self, Process};
use crate::progress::Progress;
use crate::scenario::{Expectation, Request, Scenario};
use crate::template::{Filling, Template};
use crate::watchers;
use crate::worker::{Times, Worker};

/// One kind of request, ready to be written.
#[derive(Debug)]
pub struct Question {
    /// What reports call it.
    pub name: String,
    /// How often it is drawn.
    pub weight: u64,
    /// What its answer must look like.
    pub expected: Expectation,
    run: String,
    head: Template,
    body: Option<Template>,
    /// The whole request, if it is always the same.
    constant: Option<Vec<u8>>,
}

impl Question {
    /// # Errors
    /// A hole of the request cannot be filled.
    pub fn compile(request: &Request, host: SocketAddr, run: &str) -> Result<Self, String> {
        let mut head = format!("{} {} HTTP/1.1\r\nHost: {host}\r\n", request.method, request.path);
        request.headers.iter().for_each(|(name, value)| head += &format!("{name}: {value}\r\n"));
        let parse = |text: &str| Template::parse(text, &request.picks);
        let mut question = Self {
            name: request.name.clone(),
            weight: request.weight,
            expected: request.expect.clone(),
            run: run.to_owned(),
            head: parse(&head)?,
            body: request.body.as_deref().map(parse).transpose()?,
            constant: None,
        };
        if question.head.is_constant() && question.body.as_ref().is_none_or(Template::is_constant) {
            let mut bytes = Vec::new();
            question.write(0, 0, &mut bytes);
            question.constant = Some(bytes);
        }
        Ok(question)
    }

    /// Writes the request of that number into `out`, in place of what it holds.
    pub fn write(&self, number: u64, seed: u64, out: &mut Vec<u8>) {
        out.clear();
        if let Some(constant) = &self.constant {
            return out.extend_from_slice(constant);
        }
        let filling = Filling { number, run: &self.run, seed };
        self.head.fill(filling, out);
        let Some(body) = &self.body else { return out.extend_from_slice(b"\r\n") };
        // The length stands before the body and is known after it.
        let head_bytes = out.len();
        body.fill(filling, out);
        let body = out.split_off(head_bytes);
        write!(out, "Content-Length: {}\r\n\r\n", body.len()).expect("memory takes all");
        out.extend_from_slice(&body);
    }
}

/// What happens in the middle of a run: it may fail.
pub type Event<'a> = Box<dyn FnOnce() -> Result<(), String> + Send + 'a>;

/// Where a scenario is run, and by how much of this machine.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The server.
    pub address: SocketAddr,
    /// Its process, if it runs here and its use of processor and memory is wanted.
    pub process: Option<Process>,
    /// Threads of the generator.
    pub threads: usize,
}

/// Runs a scenario once: its peak first, if its rate is a share of that.
///
/// # Errors
/// The scenario cannot be compiled, or the server cannot be reached at all. What goes wrong later is in the figures.
pub fn run(scenario: &Scenario, target: Target, show: &Progress) -> Result<Figures, String> {
    run_beside(scenario, target, show, None)
}

/// As [`run`], with something that happens in the middle of the seconds that count.
///
/// # Errors
/// Those of [`run`].
pub fn run_beside(
    scenario: &Scenario,
    target: Target,
    show: &Progress,
    event: Option<Event<'_>>,
) -> Result<Figures, String> {
    if let Some(watch) = &scenario.watch {
        return watchers::run(watch, target, show);
    }
    let mut rate = scenario.rate;
    if let Some(share) = scenario.share_of_peak {
        let peak = run_at(scenario, None, target, show, None)?;
        rate = Some(peak.per_second() * share);
    }
    run_at(scenario, rate, target, show, event)
}

fn run_at(
    scenario: &Scenario,
    rate: Option<f64>,
    target: Target,
    show: &Progress,
    event: Option<Event<'_>>,
) -> Result<Figures, String> {
    let name = process::unique_name();
    let compile = |request: &Request| Question::compile(request, target.address, &name);
    let questions = scenario.requests.iter().map(compile).collect::<Result<Vec<_>, _>>()?;
    let threads = target.threads.clamp(1, scenario.connections);
    let warm = nanoseconds(scenario.warm_up_seconds);
    let end = warm + nanoseconds(scenario.seconds);
    let interval = rate.map(|rate| threads as f64 * 1e9 / rate);
    let times = Times { warm, end, interval };
    let mut crowd = Crowd::gather(target.address, scenario.idle_connections, &questions[0])?;
    let (ready, clock, answers) = (Barrier::new(threads + 1), OnceLock::new(), AtomicU64::new(0));
    let worker = |thread: usize| -> io::Result<(Vec<Row>, Vec<Slot>)> {
        // The shares differ by one connection at most.
        let share = (scenario.connections + thread) / threads;
        let opened = Worker::open(&questions, target.address, share, (thread as u64, threads as u64));
        ready.wait();
        ready.wait();
        let mut worker = opened?;
        worker.run(*clock.get().expect("it is set between the two waits"), times, &answers)?;
        Ok((worker.rows, worker.slots))
    };
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|thread| scope.spawn(move || worker(thread))).collect();
        ready.wait();
        let clock = *clock.get_or_init(Clock::start);
        ready.wait();
        let happening = event.map(|event| {
            scope.spawn(move || {
                clock.sleep_until(u64::midpoint(warm, end));
                event()
            })
        });
        show.watch(clock, warm, || answers.load(Ordering::Relaxed));
        let usage_before = target.process.map(|it| it.cpu_seconds());
        let own_before = Process::own().cpu_seconds();
        show.watch(clock, end, || answers.load(Ordering::Relaxed));
        let own_cpu_seconds = Process::own().cpu_seconds() - own_before;
        let server = target.process.zip(usage_before).map(|(process, before)| Usage {
            cpu_seconds: process.cpu_seconds() - before,
            rss_bytes: process.rss_bytes(),
        });
        let mut figures =
            Figures { seconds: scenario.seconds, rate, own_cpu_seconds, server, ..Figures::default() };
        figures.rows = questions.iter().map(|it| (it.name.clone(), Row::default())).collect();
        for thread in running {
            let (rows, slots) = thread
                .join()
                .expect("a worker does not panic")
                .map_err(|error| format!("{} cannot be loaded: {error}", target.address))?;
            figures.rows.iter_mut().zip(&rows).for_each(|((_, sum), row)| sum.add(row));
            figures.slots.resize(figures.slots.len().max(slots.len()), Slot::default());
            for (sum, slot) in figures.slots.iter_mut().zip(&slots) {
                sum.answers += slot.answers;
                sum.errors += slot.errors;
                sum.slowest_us = sum.slowest_us.max(slot.slowest_us);
            }
        }
        if let Some(happening) = happening {
            happening.join().expect("what happens does not panic")?;
        }
        figures.rows.extend(crowd.ask_again().map(|row| ("idle".to_owned(), row)));
        Ok(figures)
    })
}
