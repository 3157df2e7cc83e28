//! What must hold between the misfortunes, and when everything has ended.

use turbocat_domain::{
    execution::{Execution, ExecutionStatus},
    port::{CounterRepository, ExecutionFilter, PageRequest, Queries},
    step_run::StepOutcome,
};

use super::{life::Life, witness::POISON};
use crate::world::{World, pass};

/// All executions, without what they were given and came to.
pub(crate) async fn all(world: &World) -> Vec<Execution> {
    let mut page = PageRequest { limit: 200, after: None };
    let mut all = Vec::new();
    loop {
        let found = world.store.queries().executions().list(&ExecutionFilter::default(), page).await.unwrap();
        all.extend(found.items);
        page.after = found.next;
        if page.after.is_none() {
            return all;
        }
    }
}

/// What has ended stays as it ended, owned by nobody; what is confirmed is there.
pub(crate) async fn in_between(life: &Life) {
    let (witness, memory) = (&life.around.witness, &life.around.memory);
    let ended = witness.ended();
    let executions = all(&life.world).await;
    for execution in &executions {
        let (id, status) = (execution.id, execution.status);
        let known = ended.get(&id).copied();
        if known != status.is_terminal().then_some(status) {
            witness.accuse(format!("{id} is {status}, and ended as {known:?}"));
        }
        if status.is_terminal() && memory.owner_of(id).is_some() {
            witness.accuse(format!("{id} has ended and has an owner"));
        }
    }
    let accepted = life.accepted.lock().unwrap().clone();
    for id in accepted {
        if executions.iter().all(|execution| execution.id != id) {
            witness.accuse(format!("{id} was accepted and is not there"));
        }
    }
}

/// What must be true when everything has ended and some time has passed since.
pub(crate) async fn after_the_end(life: &Life) {
    in_between(life).await;
    let witness = &life.around.witness;
    let held = held_at_rest(life).await;
    if held > 0 {
        witness.accuse(format!("everything has ended, and {held} executions are held in memory"));
    }
    let executions = all(&life.world).await;
    let faults = life.around.faults.counts();
    witness.count(|tally| {
        tally.failed_before += faults.values().map(|count| count.failed_before).sum::<u64>();
        tally.failed_after += faults.values().map(|count| count.failed_after).sum::<u64>();
        tally.executions += executions.iter().filter(|execution| execution.parent.is_none()).count() as u64;
        tally.children += executions.iter().filter(|execution| execution.parent.is_some()).count() as u64;
    });
    for execution in &executions {
        let takeovers = witness.takeovers(execution.id);
        // That of a child is the failure of a step of its parent.
        let is_poison = execution.error_code.as_deref() == Some(POISON) && execution.error_stack.is_none();
        if is_poison != (takeovers > life.options.takeovers_max) {
            witness.accuse(format!("{takeovers} takeovers without progress, and poison: {is_poison}: {execution:?}"));
        }
    }
    check_counters(life, &executions).await;
}

/// How many executions are held when nothing is there to be held. A claim under way has places too, for a while.
async fn held_at_rest(life: &Life) -> usize {
    const LOOKS: u32 = 100;
    let held = || life.engines.iter().map(|(engine, _)| engine.handle().held()).sum();
    for _ in 0..LOOKS {
        if held() == 0 {
            return 0;
        }
        pass(100).await;
    }
    held()
}

/// The metrics of workflows and agents are the fold of what is recorded.
async fn check_counters(life: &Life, executions: &[Execution]) {
    let (witness, memory) = (&life.around.witness, &life.around.memory);
    CounterRepository::fold(memory).await.unwrap();
    for id in life.world.workflows.keys() {
        let workflow = memory.workflows().get(*id).await.unwrap();
        let of_it = || executions.iter().filter(|execution| execution.workflow_id == *id);
        let completed = of_it().filter(|execution| execution.status == ExecutionStatus::Completed).count();
        let counted = (workflow.total_executions as usize, workflow.successful_executions as usize);
        if counted != (of_it().count(), completed) {
            witness.accuse(format!("workflow {} counts {counted:?}, not {completed} of its own", workflow.name));
        }
    }
    let (mut attempts, mut completed) = (0_u64, 0_u64);
    for execution in executions {
        for record in life.world.records(execution.id).await.iter().filter(|record| record.agent_id.is_some()) {
            attempts += u64::from(matches!(record.outcome, StepOutcome::Completed(_) | StepOutcome::Failed(_)));
            completed += u64::from(matches!(record.outcome, StepOutcome::Completed(_)));
        }
    }
    let mut counted = (0, 0);
    for id in life.world.agent_ids() {
        let agent = memory.agents().get(id).await.unwrap();
        counted.0 += u64::from(agent.total_executions);
        counted.1 += u64::from(agent.successful_executions);
    }
    if counted != (attempts, completed) {
        witness
            .accuse(format!("agents count {counted:?}, and {attempts} attempts are recorded, {completed} completed"));
    }
}
