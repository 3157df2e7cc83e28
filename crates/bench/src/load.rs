//! The load: a closed loop that keeps so many executions in flight, and measures between two moments of it.

use std::{collections::HashMap, time::Duration};

use anyhow::{Context, bail, ensure};
use tokio::{
    sync::mpsc::UnboundedReceiver,
    task::JoinSet,
    time::{Instant, sleep_until, timeout_at},
};
use turbocat_domain::{
    id::ExecutionId,
    port::{ExecutionAcceptor, Result as PortResult},
};

use crate::{
    counters::{Counters, Usage},
    document::Workflow,
    meter::{Counts, Ended},
    stats::ms,
    subject::Subject,
};

/// How much load there is, and for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// How many executions are in flight at once.
    pub(crate) in_flight: usize,
    /// How long it goes on before it is measured.
    pub(crate) warm_up: Duration,
    /// How long it is measured.
    pub(crate) measured: Duration,
}

/// What happened between the two moments.
#[derive(Debug)]
pub(crate) struct Window {
    /// What was used, and counted, at the first moment.
    pub(crate) from: (Usage, Counts),
    /// The same at the second.
    pub(crate) to: (Usage, Counts),
    /// From the call that brought an execution to its end being committed, in milliseconds, for each that ended.
    pub(crate) latencies_ms: Vec<f64>,
}

impl Window {
    /// How many steps ended in it.
    pub(crate) const fn steps(&self) -> u64 {
        self.to.1.steps - self.from.1.steps
    }

    /// How many executions ended in it.
    pub(crate) const fn executions(&self) -> u64 {
        self.to.1.executions - self.from.1.executions
    }
}

/// Keeps executions in flight.
pub(crate) struct Load<'a> {
    subject: &'a Subject,
    workflow: &'a Workflow,
    ends: &'a mut UnboundedReceiver<Ended>,
    started: HashMap<ExecutionId, std::time::Instant>,
    accepting: JoinSet<PortResult<()>>,
    latencies_ms: Vec<f64>,
}

impl<'a> Load<'a> {
    /// A load of executions of one workflow.
    pub(crate) fn new(subject: &'a Subject, workflow: &'a Workflow, ends: &'a mut UnboundedReceiver<Ended>) -> Self {
        let (started, accepting, latencies_ms) = (HashMap::new(), JoinSet::new(), Vec::new());
        Self { subject, workflow, ends, started, accepting, latencies_ms }
    }

    /// Runs to the end: no execution is in flight afterwards, and all have completed.
    ///
    /// # Errors
    ///
    /// If an execution is refused, does not complete, or does not end.
    pub(crate) async fn run(mut self, plan: Plan, mut counters: Option<&mut Counters>) -> anyhow::Result<Window> {
        let began = Instant::now();
        self.bring(plan.in_flight);
        self.go_on(began + plan.warm_up).await?;
        self.latencies_ms.clear();
        let from = self.mark(counters.as_deref_mut()).await?;
        self.go_on(Instant::now() + plan.measured).await?;
        let to = self.mark(counters).await?;
        let latencies_ms = std::mem::take(&mut self.latencies_ms);
        self.finish().await?;
        ensure!(to.1.steps > from.1.steps, "no step ended while it was measured");
        Ok(Window { from, to, latencies_ms })
    }

    /// Without counters, only what this process knows by itself is noted.
    async fn mark(&self, counters: Option<&mut Counters>) -> anyhow::Result<(Usage, Counts)> {
        let counts = self.subject.meter.counts();
        let usage = match counters {
            Some(counters) => counters.usage().await?,
            None => Usage::of_process(),
        };
        Ok((usage, counts))
    }

    /// Brings so many executions in one call.
    fn bring(&mut self, count: usize) {
        let executions: Vec<_> = (0..count).map(|_| self.workflow.execution()).collect();
        let now = std::time::Instant::now();
        self.started.extend(executions.iter().map(|execution| (execution.id, now)));
        let handle = self.subject.handle();
        self.accepting.spawn(async move { handle.accept(executions).await });
    }

    /// Replaces what ends until then.
    async fn go_on(&mut self, until: Instant) -> anyhow::Result<()> {
        loop {
            tokio::select! {
                () = sleep_until(until) => return Ok(()),
                Some(accepted) = self.accepting.join_next() => accepted?.context("an execution was refused")?,
                ended = self.ends.recv() => {
                    let count = self.note(ended)?;
                    self.bring(count);
                }
            }
        }
    }

    /// Notes the latency of what has ended, and returns how much that is.
    fn note(&mut self, ended: Option<Ended>) -> anyhow::Result<usize> {
        let Some(ended) = ended else { bail!("the engine has stopped by itself") };
        let mut count = 0;
        for id in ended.ids {
            if let Some(started) = self.started.remove(&id) {
                self.latencies_ms.push(ms(ended.at - started));
                count += 1;
            }
        }
        Ok(count)
    }

    async fn finish(&mut self) -> anyhow::Result<()> {
        const PATIENCE: Duration = Duration::from_mins(1);
        let deadline = Instant::now() + PATIENCE;
        while let Some(accepted) = self.accepting.join_next().await {
            accepted?.context("an execution was refused")?;
        }
        while !self.started.is_empty() {
            let ended = timeout_at(deadline, self.ends.recv()).await;
            let ended = ended.with_context(|| format!("{} executions do not end", self.started.len()))?;
            self.note(ended)?;
        }
        let counts = self.subject.meter.counts();
        ensure!(counts.failed == 0, "{} of {} executions did not complete", counts.failed, counts.executions);
        Ok(())
    }
}
