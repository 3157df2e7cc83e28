//! The agents of the workloads: they answer at once, so that what is measured is the engine.

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use serde_json::{Value, json};
use turbocat_domain::{
    port::{AgentCall, AgentRunner, LogSink},
    step_run::StepError,
};

/// What every step of the bench answers.
pub(crate) const OUTPUT: &str = r#"{"v":1}"#;

/// Does nothing.
#[derive(Debug, Default)]
pub(crate) struct Noop;

#[async_trait]
impl AgentRunner for Noop {
    async fn run(&self, _: AgentCall, _: Arc<dyn LogSink>) -> Result<Value, StepError> {
        Ok(json!({ "v": 1 }))
    }
}

/// Computes the tenth Fibonacci number the slow way, and knows how long that took in all.
#[derive(Debug, Default)]
pub(crate) struct Fibonacci {
    spent_ns: AtomicU64,
    calls: AtomicU32,
}

impl Fibonacci {
    /// The time spent in all calls, and how many there were.
    pub(crate) fn spent(&self) -> (Duration, u32) {
        (Duration::from_nanos(self.spent_ns.load(Relaxed)), self.calls.load(Relaxed))
    }
}

#[async_trait]
impl AgentRunner for Fibonacci {
    async fn run(&self, _: AgentCall, _: Arc<dyn LogSink>) -> Result<Value, StepError> {
        let began = Instant::now();
        let answer = fibonacci(black_box(10));
        self.spent_ns.fetch_add(u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX), Relaxed);
        self.calls.fetch_add(1, Relaxed);
        Ok(json!({ "v": answer }))
    }
}

fn fibonacci(n: u32) -> u64 {
    if n < 2 { u64::from(n) } else { fibonacci(n - 1) + fibonacci(n - 2) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tenth_fibonacci_number_is_55() {
        assert_eq!(fibonacci(10), 55);
    }

    #[test]
    fn the_limit_stores_what_the_agents_answer() {
        assert_eq!(serde_json::from_str::<Value>(OUTPUT).unwrap(), json!({ "v": 1 }));
    }
}
