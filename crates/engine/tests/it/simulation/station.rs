//! A worker's place in the world: all its ports, through which all that goes wrong comes.
//!
//! A call goes out when the worker is not paused, travels, fails or does what it was asked, is seen by the witness at
//! that moment, travels back, and is heard of when the worker is not paused. A paused worker's own timers go on, but
//! nothing leaves or reaches it: what it sent off in time arrives when its lease is long over.

use std::{
    fmt::{Debug, Display},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::time::Instant;
use turbocat_domain::{
    id::WorkerId,
    port::{AgentCall, AgentRunner, LogSink, PartKind, RepositoryError, Result, StepPart},
    step_run::StepError,
};
use turbocat_testkit::{faulty::FaultPlan, memory::MemoryStore, random::Random};

use super::{trace::Trace, witness::Witness};
use crate::simulation::life::now_since;

/// What all stations share.
pub(crate) struct Surroundings {
    pub(crate) seed: u64,
    pub(crate) start: Instant,
    pub(crate) memory: MemoryStore,
    pub(crate) faults: FaultPlan,
    pub(crate) trace: Trace,
    pub(crate) witness: Witness,
    pub(crate) weather: Mutex<Weather>,
}

/// How long calls take, and until when nothing gets through.
pub(crate) struct Weather {
    pub(crate) random: Random,
    /// Calls take up to so long each way.
    pub(crate) latency_ms: u64,
    /// So many calls in a thousand take longer than a lease.
    pub(crate) stalls_per_mille: u16,
    pub(crate) down_until: Instant,
}

/// The ports of one worker.
pub(crate) struct Station {
    pub(crate) number: u64,
    pub(crate) around: Arc<Surroundings>,
    state: Mutex<State>,
}

struct State {
    worker: Option<WorkerId>,
    paused_until: Instant,
    cut_off_until: Instant,
}

#[derive(Debug, thiserror::Error)]
#[error("storage is out of reach")]
struct OutOfReach;

impl Station {
    pub(crate) fn new(number: u64, around: &Arc<Surroundings>) -> Arc<Self> {
        let now = Instant::now();
        let state = Mutex::new(State { worker: None, paused_until: now, cut_off_until: now });
        Arc::new(Self { number, around: Arc::clone(around), state })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Pauses the worker.
    pub(crate) fn pause(&self, ms: u64) {
        self.state().paused_until = Instant::now() + Duration::from_millis(ms);
    }

    /// Cuts the worker off from storage.
    pub(crate) fn cut_off(&self, ms: u64) {
        self.state().cut_off_until = Instant::now() + Duration::from_millis(ms);
    }

    /// Notes under which id the worker lives now.
    pub(super) fn becomes(&self, worker: WorkerId) {
        self.state().worker = Some(worker);
    }

    /// Makes a call to storage. What it is called with and what comes of it is told to the trace.
    pub(super) async fn call<T: Debug>(
        &self,
        name: &'static str,
        given: &(dyn Debug + Sync),
        act: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        self.around.trace.tell(format_args!("w{} {name} {given:?}", self.number));
        self.travel(name).await;
        let is_down = Instant::now() < self.state().cut_off_until.max(self.around.weather().down_until);
        let result = if is_down {
            Err(RepositoryError::Backend { transient: true, source: Box::new(OutOfReach) })
        } else {
            self.around.memory.clock().advance_to(now_since(self.around.start));
            self.around.faults.call(name, act).await
        };
        self.tell_result(name, &result);
        self.travel(name).await;
        result
    }

    fn tell_result<T: Debug>(&self, name: &str, result: &Result<T>) {
        let told: &dyn Display = match result {
            Ok(value) => return self.around.trace.tell(format_args!("w{} {name} = {value:?}", self.number)),
            Err(error) => error,
        };
        self.around.trace.tell(format_args!("w{} {name} failed: {told}", self.number));
    }

    /// One way of a call.
    async fn travel(&self, name: &'static str) {
        const LEASE_MS: u64 = 10_000;
        let takes_ms = {
            let mut weather = self.around.weather();
            let Weather { latency_ms, stalls_per_mille, .. } = *weather;
            if weather.random.per_mille(stalls_per_mille) {
                self.around.witness.count(|tally| {
                    tally.stalls += 1;
                    tally.stalled_commits += u64::from(name == "journal.commit");
                });
                LEASE_MS + weather.random.below(LEASE_MS)
            } else {
                weather.random.below(latency_ms)
            }
        };
        if takes_ms > 0 {
            tokio::time::sleep(Duration::from_millis(takes_ms)).await;
        }
        self.wake().await;
    }

    /// Waits until the worker is not paused.
    async fn wake(&self) {
        loop {
            let until = self.state().paused_until;
            if Instant::now() >= until {
                return;
            }
            tokio::time::sleep_until(until).await;
        }
    }
}

impl Surroundings {
    pub(crate) fn weather(&self) -> MutexGuard<'_, Weather> {
        self.weather.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Station {
    /// Takes turns as an agent that talks does: what is recorded is not done again, and what stands counts.
    async fn take_turns(&self, call: &AgentCall, turns: u64) -> std::result::Result<(), StepError> {
        let recorded = call.host.recorded().await?;
        for turn in 0..turns {
            let key = format!("turn.{turn}");
            let found = recorded.iter().find(|part| part.key == key);
            let data = if let Some(part) = found {
                part.data.clone()
            } else {
                tokio::time::sleep(Duration::from_millis(150)).await;
                let data = json!({ "station": self.number, "attempt": call.attempt });
                call.host.record(StepPart { key: key.clone(), kind: PartKind::Turn, data }, None).await?
            };
            self.around.witness.goes_on_with(call, &key, &data, found.is_some());
        }
        Ok(())
    }
}

/// What an agent does, by the seed, the execution, the path and the attempt.
#[async_trait]
impl AgentRunner for Station {
    async fn run(&self, call: AgentCall, _: Arc<dyn LogSink>) -> std::result::Result<Value, StepError> {
        let AgentCall { execution_id, path, attempt, inputs, .. } = &call;
        self.around.trace.tell(format_args!("w{} agent {execution_id} {path} {attempt} {inputs}", self.number));
        let worker = self.state().worker;
        self.around.witness.called(worker, &call, now_since(self.around.start)).await;
        let mut random = Random::new(self.around.seed ^ call.execution_id.as_uuid().as_u64_pair().0);
        for byte in path.bytes().chain(attempt.to_be_bytes()) {
            random = Random::new(random.next() ^ u64::from(byte));
        }
        let kind = random.below(100);
        let takes_ms = match kind {
            0..30 => 0,
            30..90 => random.below(900),
            _ => random.below(9_000),
        };
        tokio::time::sleep(Duration::from_millis(takes_ms)).await;
        self.wake().await;
        if random.below(4) == 0 {
            self.take_turns(&call, 1 + random.below(3)).await?;
        }
        match random.below(100) {
            0..12 if *attempt < 3 => Err(StepError::transient("busy", "not now")),
            12..14 => Err(StepError::permanent("bad", "never")),
            14..16 => std::future::pending().await,
            16..18 => std::panic::resume_unwind(Box::new("an agent crashes")),
            kind => Ok(json!({ "path": path, "n": kind })),
        }
    }
}
