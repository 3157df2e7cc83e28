//! Rebuilding a run from its journal.
//!
//! The journal holds facts (what agents answered, which timers fired) and ends that follow from facts. Only
//! facts are applied again, in their order and at their times; what follows from them follows again. What is
//! missing of it (the worker died between a commit and the next) is returned to be journalled.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    Run, RunContext,
    command::Command,
    event::{Event, StepAddress},
    frame::StepState,
};
use crate::{
    plan::Plan,
    step_run::{StepOutcome, StepRecord},
};

impl Run {
    /// Rebuilds a run from its records and returns the commands that are still to be done.
    ///
    /// Records may come in any order and may hold `running` ones; a record that does not fit any more (a late
    /// answer that was refused when it came) is passed over, as it was then.
    #[must_use]
    pub fn recover(plan: Arc<Plan>, context: Arc<RunContext>, records: &[StepRecord]) -> (Self, Vec<Command>) {
        let mut facts: Vec<_> = records.iter().filter(|record| record.outcome != StepOutcome::Running).collect();
        facts.sort_by_key(|record| record.seq);
        let stored: BTreeSet<_> = facts.iter().map(|record| (record.path.as_str(), record.attempt)).collect();
        let (mut run, mut derived) = Self::start(plan, context);
        for record in &facts {
            let Some(at) = record.ended_at else { continue };
            let Some(event) = run.resolve(&record.path).and_then(|step| run.fact(step, record)) else { continue };
            if let Ok(commands) = run.apply(&event, at) {
                derived.extend(commands);
            }
        }
        run.next_seq = facts.last().map_or(run.next_seq, |record| run.next_seq.max(record.seq + 1));
        let mut commands: Vec<_> = derived
            .into_iter()
            .filter(|command| match command {
                Command::Record(record) => !stored.contains(&(record.path.as_str(), record.attempt)),
                Command::Finish(_) => true,
                Command::Start(_) | Command::Wait(_) | Command::Interrupt { .. } => false,
            })
            .collect();
        run.renumber(&mut commands);
        let end = commands.iter().position(|command| matches!(command, Command::Finish(_))).unwrap_or(commands.len());
        commands.splice(end..end, run.outstanding());
        (run, commands)
    }

    /// The fact that a record holds, if it is one of a step that is active.
    fn fact(&self, step: StepAddress, record: &StepRecord) -> Option<Event> {
        match &self.slot(step)?.state {
            StepState::Running { .. } | StepState::Waiting { .. } => {}
            _ => return None,
        }
        match &record.outcome {
            StepOutcome::Completed(output) => {
                Some(Event::StepSucceeded { step, attempt: record.attempt, output: Arc::new(output.clone()) })
            }
            StepOutcome::Failed(error) => {
                Some(Event::StepFailed { step, attempt: record.attempt, error: error.clone() })
            }
            StepOutcome::Running | StepOutcome::Skipped(_) => None,
        }
    }

    /// Gives missing records places after all that are stored.
    fn renumber(&mut self, commands: &mut [Command]) {
        for command in commands {
            if let Command::Record(record) = command {
                record.seq = self.next_seq;
                self.next_seq += 1;
            }
        }
    }
}
