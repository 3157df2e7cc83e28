//! What the agents of the chaos do: as their inputs say, each telling the ledger before it acts.
//!
//! ```json
//! { "do": "flaky", "times": 1, "value": 7, "effect": true, "turns": 3, "after": ["s1", "s3[0].s4"] }
//! ```
//!
//! What an attempt comes to is decided by its inputs and its number alone, so that one that is made again comes to the
//! same. Before it acts it looks for the paths in `after` in the journal: they must be durable by then.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use serde_json::{Value, json};
use turbocat_domain::{
    id::ExecutionId,
    port::{AgentCall, AgentRunner, LogSink, PartKind, Queries, StepPart},
    step_run::{StepError, StepOutcome, StepRecord},
};
use uuid::Uuid;

use crate::evidence::Entry;

/// How long an agent waits for the journal, which faults may keep from answering.
const LOOK_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a turn takes: faults come in between.
const TURN: Duration = Duration::from_millis(20);

/// Where a worker tells what it does, outside of the database.
#[async_trait]
pub(crate) trait Ledger: Send + Sync {
    /// Tells it; returns when it is taken down.
    async fn tell(&self, entry: Entry) -> anyhow::Result<()>;

    /// The life of the worker (`workers.id`).
    fn worker(&self) -> Uuid;
}

/// Runs all agents of the chaos.
pub(crate) struct ChaosRunner {
    ledger: Arc<dyn Ledger>,
    journal: Arc<dyn Queries>,
}

/// What an attempt comes to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Decision {
    /// An answer.
    Answer(Value),
    /// An answer after so many milliseconds.
    Slow(u64, Value),
    /// A failure.
    Fail(StepError),
    /// It takes the runner down with it.
    Crash,
    /// It never answers.
    Hang,
}

/// Decides what an attempt comes to.
pub(crate) fn decide(inputs: &Value, attempt: u16) -> Decision {
    let number = |key: &str| inputs.get(key).and_then(Value::as_u64).unwrap_or_default();
    let value = || inputs.get("value").cloned().unwrap_or_default();
    let is_failing = u64::from(attempt) <= number("times");
    match inputs.get("do").and_then(Value::as_str).unwrap_or_default() {
        "slow" => Decision::Slow(number("ms"), value()),
        "fail" => Decision::Fail(StepError::permanent("refused", "the inputs ask for a failure")),
        "flaky" if is_failing => Decision::Fail(StepError::transient("flaky", "the inputs ask for another attempt")),
        "crash" if is_failing => Decision::Crash,
        "hang" if is_failing => Decision::Hang,
        _ => Decision::Answer(value()),
    }
}

impl ChaosRunner {
    /// A runner that tells this ledger, and looks into this journal.
    pub(crate) fn new(ledger: Arc<dyn Ledger>, journal: Arc<dyn Queries>) -> Self {
        Self { ledger, journal }
    }

    async fn tell(&self, entry: Entry) -> Result<(), StepError> {
        if self.ledger.tell(entry).await.is_err() {
            // Without the ledger nothing that this process does counts: it is about to end.
            std::future::pending::<()>().await;
        }
        Ok(())
    }

    /// Does one thing after the other that nobody wants to be done twice, and records each.
    async fn take_turns(&self, call: &AgentCall) -> Result<(), StepError> {
        let turns = call.inputs.get("turns").and_then(Value::as_u64).unwrap_or_default();
        if turns == 0 {
            return Ok(());
        }
        let worker = self.ledger.worker();
        let recorded = call.host.recorded().await?;
        for turn in 1..=turns {
            let key = format!("turn.{turn}");
            if recorded.iter().any(|part| part.key == key) {
                continue;
            }
            let entry = |is_recorded| Entry::Part {
                worker,
                execution: call.execution_id.as_uuid(),
                path: call.path.clone(),
                key: key.clone(),
                is_recorded,
            };
            self.tell(entry(false)).await?;
            tokio::time::sleep(TURN).await;
            let part = StepPart { key: key.clone(), kind: PartKind::Turn, data: json!({ "attempt": call.attempt }) };
            call.host.record(part, None).await?;
            self.tell(entry(true)).await?;
        }
        Ok(())
    }

    /// Which of the paths that must be durable are not; `None` if the journal does not answer.
    async fn missing(&self, execution: ExecutionId, after: Vec<String>) -> Option<Vec<String>> {
        if after.is_empty() {
            return Some(after);
        }
        let records = self.journal.executions().step_records(execution);
        let records = tokio::time::timeout(LOOK_TIMEOUT, records).await.ok()?.ok()?;
        Some(after.into_iter().filter(|path| !has_ended(&records, path)).collect())
    }
}

#[async_trait]
impl AgentRunner for ChaosRunner {
    async fn run(&self, call: AgentCall, _log: Arc<dyn LogSink>) -> Result<Value, StepError> {
        let (worker, execution) = (self.ledger.worker(), call.execution_id.as_uuid());
        let after = call.inputs.get("after").and_then(Value::as_array).into_iter().flatten();
        let after = after.filter_map(Value::as_str).map(str::to_owned).collect();
        let missing = self.missing(call.execution_id, after).await;
        let (path, attempt) = (call.path.clone(), call.attempt);
        self.tell(Entry::Start { worker, execution, path: path.clone(), attempt, missing }).await?;
        if call.inputs.get("effect").and_then(Value::as_bool) == Some(true) {
            let key = call.idempotency_key();
            self.tell(Entry::Effect { worker, key, execution, path, attempt }).await?;
        }
        self.take_turns(&call).await?;
        match decide(&call.inputs, call.attempt) {
            Decision::Answer(value) => Ok(value),
            Decision::Slow(ms, value) => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                Ok(value)
            }
            Decision::Fail(error) => Err(error),
            // Like a panic, but without a line on standard error.
            Decision::Crash => std::panic::resume_unwind(Box::new("the inputs ask for a crash")),
            Decision::Hang => std::future::pending().await,
        }
    }
}

/// Whether the last attempt of a path that is in the journal has ended.
fn has_ended(records: &[StepRecord], path: &str) -> bool {
    let last = records.iter().filter(|record| record.path == path).max_by_key(|record| record.attempt);
    last.is_some_and(|record| record.outcome != StepOutcome::Running)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use turbocat_domain::{
        agent::AgentType,
        port::{IdGenerator, MockLogSink},
    };
    use turbocat_testkit::{
        builder::{a_user, an_agent},
        ids::SequentialIds,
        memory::MemoryStore,
    };

    use super::*;

    #[derive(Default)]
    struct Told(Mutex<Vec<Entry>>);

    #[async_trait]
    impl Ledger for Told {
        async fn tell(&self, entry: Entry) -> anyhow::Result<()> {
            self.0.lock().unwrap().push(entry);
            Ok(())
        }

        fn worker(&self) -> Uuid {
            Uuid::from_u128(9)
        }
    }

    async fn run(inputs: Value, attempt: u16) -> (Result<Value, StepError>, Vec<Entry>) {
        let ids = SequentialIds::new(1);
        let owner = a_user(&ids);
        let call = AgentCall {
            execution_id: ExecutionId::from_uuid(ids.next()),
            user_id: owner.id,
            path: "s1".to_owned(),
            attempt,
            agent: Arc::new(an_agent(&ids, owner.id, AgentType::Code)),
            inputs,
            timeout_ms: 1_000,
            host: Arc::new(turbocat_testkit::host::MemoryHost::default()),
        };
        let told = Arc::new(Told::default());
        let runner = ChaosRunner::new(Arc::clone(&told) as Arc<dyn Ledger>, Arc::new(MemoryStore::default()));
        let result = runner.run(call, Arc::new(MockLogSink::new())).await;
        let entries = told.0.lock().unwrap().clone();
        (result, entries)
    }

    #[tokio::test]
    async fn an_effect_is_told_under_its_key_before_the_answer_and_what_is_not_durable_is_named() {
        let (result, entries) = run(json!({ "do": "echo", "value": 7, "effect": true, "after": ["s0"] }), 2).await;

        assert_eq!(result, Ok(json!(7)));
        let [Entry::Start { missing, .. }, Entry::Effect { key, execution, attempt, .. }] = entries.as_slice() else {
            panic!("{entries:?}")
        };
        assert_eq!(missing.as_deref(), Some(&["s0".to_owned()][..]));
        assert_eq!((key.as_str(), *attempt), (format!("{execution}/s1").as_str(), 2));
    }

    #[tokio::test]
    async fn turns_are_told_before_they_are_taken_and_again_when_they_are_durable() {
        let (_, entries) = run(json!({ "do": "echo", "turns": 2 }), 1).await;

        let told: Vec<_> = entries
            .iter()
            .filter_map(|entry| match entry {
                Entry::Part { key, is_recorded, .. } => Some((key.as_str(), *is_recorded)),
                _ => None,
            })
            .collect();
        assert_eq!(told, [("turn.1", false), ("turn.1", true), ("turn.2", false), ("turn.2", true)]);
    }

    #[test]
    fn the_number_of_the_attempt_decides_how_a_flaky_one_ends() {
        let inputs = json!({ "do": "flaky", "times": 2, "value": 1 });

        assert!(matches!(decide(&inputs, 2), Decision::Fail(error) if error.retryable));
        assert_eq!(decide(&inputs, 3), Decision::Answer(json!(1)));
        assert_eq!(decide(&json!({ "do": "crash", "times": 1 }), 1), Decision::Crash);
        assert!(matches!(decide(&json!({ "do": "fail" }), 9), Decision::Fail(error) if !error.retryable));
    }
}
