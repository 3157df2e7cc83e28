//! Starting many executions with one request: all of them or none.

use std::collections::{BTreeMap, btree_map::Entry};

use turbocat_domain::{
    id::ExecutionId,
    limits::BULK_STARTS_MAX,
    permission::Permission,
    port::{ExecutionAcceptor, NewExecution, RepositoryError},
    problem::{Problem, Problems},
};
use uuid::Uuid;

use crate::{Actor, Error, Idempotency, Result, Selector, StartExecution, Started, UseCases, execution::Runnable};

impl UseCases {
    /// Starts executions, all of them or none; for a request that may be sent again if it has a key. Their ids follow
    /// from the first one: what is sent again gets the same ones.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] with all that is wrong with any of them, then there is none; [`Error::IdempotencyConflict`].
    pub async fn start_many(
        &self,
        (actor, once): (Actor, Option<&Idempotency>),
        acceptor: &dyn ExecutionAcceptor,
        requests: Vec<StartExecution>,
    ) -> Result<Vec<Started>> {
        actor.ensure(Permission::ExecutionsStart)?;
        let first = match requests.first() {
            Some(first) if requests.len() <= BULK_STARTS_MAX => first.id,
            _ => return Err(Error::Invalid(wrong_count(requests.len()).into())),
        };
        let Some(once) = once else {
            let executions = self.prepare_many(actor, with_ids(requests, first)).await?;
            let started = started(&executions, false);
            acceptor.accept(executions).await?;
            return Ok(started);
        };
        let mut uow = self.ports.store.begin().await?;
        let standing = once.claim(uow.as_mut(), actor, (first.as_uuid(), self.ports.clock.now())).await?;
        let first = standing.as_ref().map_or(first, |record| ExecutionId::from_uuid(record.resource_id));
        let requests = with_ids(requests, first);
        let ids: Vec<ExecutionId> = requests.iter().map(|request| request.id).collect();
        if standing.is_some()
            && let Some(before) = self.all_accepted_before(actor, &ids).await?
        {
            return Ok(before);
        }
        let executions = self.prepare_many(actor, requests).await?;
        uow.commit().await?;
        let started = started(&executions, standing.is_some());
        match acceptor.accept(executions).await {
            Ok(()) => Ok(started),
            // Accepted at the same time, with the versions that were active then.
            Err(error @ RepositoryError::AlreadyExists { .. }) => {
                self.all_accepted_before(actor, &ids).await?.ok_or_else(|| error.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// What an earlier request made of these ids; nothing if that made nothing. It made all of them or none.
    async fn all_accepted_before(&self, actor: Actor, ids: &[ExecutionId]) -> Result<Option<Vec<Started>>> {
        let mut all = Vec::with_capacity(ids.len());
        for id in ids {
            let Some(started) = self.accepted_before(actor, *id).await? else { return Ok(None) };
            all.push(started);
        }
        Ok(Some(all))
    }

    async fn prepare_many(&self, actor: Actor, requests: Vec<StartExecution>) -> Result<Vec<NewExecution>> {
        // Each workflow is looked at once, however many items name it.
        let mut known: BTreeMap<Selector, std::result::Result<Runnable, Problem>> = BTreeMap::new();
        let (mut prepared, mut problems) = (Vec::with_capacity(requests.len()), Problems::default());
        for (index, request) in requests.into_iter().enumerate() {
            let runnable = match known.entry(request.workflow.clone()) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => {
                    let found = self.runnable(actor, entry.key()).await;
                    entry.insert(found.map(Ok).or_else(|error| refusal(error).map(Err))?)
                }
            };
            match runnable {
                Err(problem) => problems.add(problem.code, format!("items[{index}].workflow"), problem.message.clone()),
                Ok(runnable) => match self.checked_start(actor, runnable, request) {
                    Ok(execution) => prepared.push(execution),
                    Err(Error::Input(input)) => {
                        for problem in input.problems {
                            let path = format!("items[{index}].input{}", problem.pointer.replace('/', "."));
                            problems.add("schema", path, problem.message);
                        }
                    }
                    Err(error) => return Err(error),
                },
            }
        }
        if problems.is_empty() { Ok(prepared) } else { Err(Error::Invalid(problems)) }
    }
}

/// What is wrong with a workflow that cannot be run; what is wrong with more than that is passed on.
fn refusal(error: Error) -> Result<Problem> {
    match error {
        Error::NotFound { .. } => Ok(Problem::new("not_found", "", error.to_string())),
        Error::NotRunning { .. } => Ok(Problem::new("not_running", "", error.to_string())),
        Error::NotActive { .. } => Ok(Problem::new("not_active", "", error.to_string())),
        error => Err(error),
    }
}

fn wrong_count(count: usize) -> Problem {
    let message = format!("it needs 1 to {BULK_STARTS_MAX} items, and has {count}");
    Problem::new("out_of_range", "items", message)
}

/// Gives each request its id: the first one's, counted on.
fn with_ids(requests: Vec<StartExecution>, first: ExecutionId) -> Vec<StartExecution> {
    let first = first.as_uuid().as_u128();
    let id = |place: u128| ExecutionId::from_uuid(Uuid::from_u128(first.wrapping_add(place)));
    (0..).zip(requests).map(|(place, request)| StartExecution { id: id(place), ..request }).collect()
}

fn started(executions: &[NewExecution], is_repeated: bool) -> Vec<Started> {
    let started = |new: &NewExecution| Started { id: new.id, workflow_id: new.workflow_id, is_repeated };
    executions.iter().map(started).collect()
}
