//! Simulated lives by seed: the real loops of the engine in virtual time, on a store in memory, with everything going
//! wrong that can. The same seed is the same life, bit for bit.
//!
//! `SEED=7` lives through one seed; with `TRACE=1` all that happens is printed. `SEEDS=5000` lives through so many,
//! `SIMULATION_SECONDS=120` through as many as fit, and at least a thousand.

mod checks;
mod document;
mod life;
mod ports;
mod station;
mod tally;
mod trace;
mod witness;

use std::{
    process::Command,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use self::{
    life::{Lived, live},
    tally::Tally,
    trace::Keep,
};

/// What the line with the hash of a life begins with.
const HASH: &str = "trace hash";

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is not a number: {text}")))
}

/// Says how to live through a seed again that broke.
struct Broken(u64);

impl Drop for Broken {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}", again(self.0));
        }
    }
}

fn again(seed: u64) -> String {
    format!(
        "seed {seed} failed; this lives through it again (with TRACE=1 it prints all that happens):\n    \
         SEED={seed} cargo test -p turbocat-engine --test it simulation::whatever -- --nocapture"
    )
}

/// Lives through a seed. Returns what happened, or what did not hold.
fn judge(seed: u64, lived: &Lived) -> Result<Tally, String> {
    let Lived { violations, tally, .. } = lived;
    if violations.is_empty() { Ok(*tally) } else { Err(format!("{}\n{}\n", again(seed), violations.join("\n"))) }
}

/// Until when seeds are lived through.
struct Plan {
    /// At least so many.
    least: u64,
    /// No more than so many.
    most: u64,
    time: Duration,
}

impl Plan {
    fn from_environment() -> Self {
        match (number("SEEDS"), number("SIMULATION_SECONDS")) {
            (Some(seeds), _) => Self { least: seeds, most: seeds, time: Duration::ZERO },
            (None, Some(seconds)) => Self { least: 1_000, most: u64::MAX, time: Duration::from_secs(seconds) },
            (None, None) => Self { least: 200, most: u64::MAX, time: Duration::from_secs(15) },
        }
    }

    fn goes_on(&self, lived: u64, began: Instant) -> bool {
        lived < self.least || (lived < self.most && began.elapsed() < self.time)
    }
}

/// Lives through seeds on all processors, until too many have failed. Returns how many, what happened, what failed.
fn live_through(plan: &Plan) -> (u64, Tally, Vec<String>) {
    const FAILURES_MAX: usize = 3;
    let (next, failures) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    let (tally, began) = (Mutex::new(Tally::default()), Instant::now());
    let goes_on = || failures.lock().unwrap().len() < FAILURES_MAX && plan.goes_on(next.load(Ordering::SeqCst), began);
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while goes_on() {
                    let seed = next.fetch_add(1, Ordering::SeqCst) + 1;
                    let _should_it_panic = Broken(seed);
                    match judge(seed, &live(seed, Keep::Nothing)) {
                        Ok(happened) => tally.lock().unwrap().add(&happened),
                        Err(failure) => failures.lock().unwrap().push(failure),
                    }
                }
            });
        }
    });
    (next.into_inner(), tally.into_inner().unwrap(), failures.into_inner().unwrap())
}

#[test]
fn whatever_happens_every_execution_ends_as_it_should() {
    if let Some(seed) = number("SEED") {
        let _should_it_panic = Broken(seed);
        let lived = live(seed, if number("TRACE") == Some(1) { Keep::Lines } else { Keep::Hash });
        lived.told.lines.iter().for_each(|line| println!("{line}"));
        println!("{:?}", lived.tally);
        println!("{HASH} {:016x} of {} lines", lived.told.hash, lived.told.count);
        if let Err(failure) = judge(seed, &lived) {
            panic!("{failure}");
        }
        return;
    }
    let began = Instant::now();
    let (seeds, tally, failures) = live_through(&Plan::from_environment());
    let took_ms = began.elapsed().as_millis().max(1);
    println!("{seeds} seeds, {} a second: {tally:#?}", u128::from(seeds) * 1_000 / took_ms);
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    let rare = tally.too_rare(seeds);
    assert!(rare.is_empty(), "too little happened:\n{}", rare.join("\n"));
}

#[test]
fn the_same_seed_is_the_same_life_bit_for_bit() {
    for seed in 1..=number("SEEDS").unwrap_or(30).min(300) {
        let (one, again) = (live(seed, Keep::Hash).told, live(seed, Keep::Hash).told);
        assert!(one.count > 100, "seed {seed}: almost nothing happened");
        if (one.hash, one.count) != (again.hash, again.count) {
            let (one, again) = (live(seed, Keep::Lines).told, live(seed, Keep::Lines).told);
            panic!("seed {seed} was lived in two ways:\n{}", trace::difference(&one.lines, &again.lines));
        }
    }
}

#[test]
fn another_process_lives_the_same_life() {
    const THIS: &str = "simulation::whatever_happens_every_execution_ends_as_it_should";
    for seed in [3, 1_000_003] {
        let told = live(seed, Keep::Hash).told;
        let wanted = format!("{HASH} {:016x} of {} lines", told.hash, told.count);
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args([THIS, "--exact", "--nocapture"]).env("SEED", seed.to_string()).env_remove("TRACE");
        let output = child.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains(&wanted), "seed {seed}: {wanted} here, and there:\n{said}");
    }
}
