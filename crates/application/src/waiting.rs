//! What executions wait for, and what ends it: events, decisions of people, and the times of schedules.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use turbocat_domain::{
    approval::{Decision, WaitingApproval},
    id::{EventId, ExecutionId, WorkflowId},
    limits,
    permission::Permission,
    port::{ApprovalFilter, NewEvent, Page, PageRequest, RepositoryError, StoredSchedule, StoredTick},
    problem::{Problem, Problems},
    run::AwaitedEvent,
    value::{Name, json_text},
};

use crate::{
    Actor, Error, Idempotency, InvalidInput, Result, UseCases,
    audit::{Audited, Changes},
    library::missing,
};

/// An event that somebody sends.
#[derive(Debug, Clone, PartialEq)]
pub struct SendEvent {
    /// Its name.
    pub name: String,
    /// What is known about it.
    pub payload: Value,
    /// The only execution and step that it is meant for; `None` for all of the sender's that wait for the name.
    pub target: Option<(ExecutionId, String)>,
    /// The trace of who sends it, as the header of that name has it: what the event starts goes on with it.
    pub traceparent: Option<String>,
}

/// An event that was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentEvent {
    /// Its id.
    pub id: EventId,
    /// How many executions it woke. Those that run without being parked see it too, and are not counted.
    pub woken: u64,
    /// The executions that it started.
    pub started: Vec<ExecutionId>,
    /// The workflows that it should have started, and why it did not.
    pub refused: Vec<RefusedStart>,
}

/// A workflow that something should have started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedStart {
    /// Its name.
    pub workflow: String,
    /// Why it was not started.
    pub reason: String,
}

impl UseCases {
    /// Sends an event to one's own executions, and starts one's own workflows that it triggers. All of that is durable
    /// when this returns; a wait that looks back finds the event. A request that may be sent again has a key, and is
    /// answered as the first was.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`]; [`Error::NotFound`] for a target that is not one's own; [`Error::IdempotencyConflict`].
    pub async fn send_event(
        &self,
        (actor, once): (Actor, Option<&Idempotency>),
        event: SendEvent,
    ) -> Result<(SentEvent, bool)> {
        actor.ensure(Permission::EventsSend)?;
        check_event(&event)?;
        if let Some((id, _)) = &event.target
            && self.stored_execution(actor, *id).await?.user_id != actor.id
        {
            return Err(missing("execution", id));
        }
        let id = EventId::from_uuid(self.ports.ids.next());
        let SendEvent { name, payload, target, traceparent } = event;
        let event = NewEvent { id, name, payload, target, user_id: actor.id };
        let (executions, refused) = self.triggered(actor, (&event, traceparent.as_deref())).await?;
        let started = executions.iter().map(|execution| execution.id).collect();
        let mut uow = self.ports.store.begin().await?;
        if let Some(once) = once
            && let Some(standing) = once.claim(uow.as_mut(), actor, (id.as_uuid(), self.ports.clock.now())).await?
        {
            let sent = serde_json::from_value(standing.answer.unwrap_or_default());
            let corrupt =
                |error: serde_json::Error| RepositoryError::Corrupt { entity: "answer", source: error.into() };
            return Ok((sent.map_err(corrupt)?, true));
        }
        let woken = uow.executions().send(&event).await?;
        uow.executions().insert(&executions).await?;
        let sent = SentEvent { id, woken, started, refused };
        if let Some(once) = once {
            uow.idempotency().answer(actor.id, once.key(), &json!(sent)).await?;
        }
        uow.commit().await?;
        Ok((sent, false))
    }

    /// A page of the decisions that executions wait for and that concern who asks: of one's own executions, and those
    /// that one is asked for.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`], [`Error::Storage`].
    pub async fn approvals(
        &self,
        actor: Actor,
        execution: Option<ExecutionId>,
        page: PageRequest,
    ) -> Result<Page<(WaitingApproval, bool)>> {
        actor.ensure(Permission::ApprovalsDecide)?;
        let email = self.ports.queries.users().get(actor.id).await?.email;
        let filter = ApprovalFilter { user: actor.id, email, execution, path: None };
        let found = self.ports.queries.approvals().list(&filter, page).await?;
        let with_right = |waiting: WaitingApproval| {
            let may_decide = waiting.may_be_decided_by(actor.id, &filter.email);
            (waiting, may_decide)
        };
        Ok(Page { items: found.items.into_iter().map(with_right).collect(), next: found.next })
    }

    /// Takes a decision. The execution goes on when there are enough of them.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if nothing waits there, or it does not concern who asks; [`Error::Forbidden`] if others are
    /// asked; [`Error::Invalid`] or [`Error::Input`] for what is not among the buttons or does not fit the form;
    /// [`RepositoryError::AlreadyExists`] in [`Error::Storage`] if one has decided before.
    pub async fn decide_approval(
        &self,
        actor: Actor,
        (execution, path): (ExecutionId, String),
        decision: Decision,
    ) -> Result<EventId> {
        actor.ensure(Permission::ApprovalsDecide)?;
        let email = self.ports.queries.users().get(actor.id).await?.email;
        let nothing = || missing("open approval", format!("{execution}/{path}"));
        let filter = ApprovalFilter { user: actor.id, email, execution: Some(execution), path: Some(path.clone()) };
        let found = self.ports.queries.approvals().list(&filter, PageRequest::default()).await?;
        let waiting = found.items.into_iter().next().ok_or_else(nothing)?;
        if !waiting.may_be_decided_by(actor.id, &filter.email) {
            return Err(Error::Forbidden { permission: Permission::ApprovalsDecide });
        }
        if waiting.was_decided_by(&filter.email) {
            return Err(RepositoryError::AlreadyExists { entity: "decision" }.into());
        }
        self.check_decision(&waiting, &decision)?;
        let (now, id) = (self.ports.clock.now(), EventId::from_uuid(self.ports.ids.next()));
        let action = if decision.approved { "execution.approved" } else { "execution.refused" };
        let event = NewEvent {
            id,
            name: AwaitedEvent::APPROVAL.to_owned(),
            payload: decision.payload(&filter.email),
            target: Some((execution, path.clone())),
            // An event reaches its sender's executions: this one is sent in the name of the owner, who asked for it.
            user_id: waiting.user_id,
        };
        let entry = Audited {
            user: Some(actor.id),
            action,
            resource_type: "execution",
            resource: Some(execution.as_uuid()),
            changes: Changes::default().field(&path, Value::Null, event.payload.clone()),
        };
        let mut uow = self.ports.store.begin().await?;
        uow.executions().send(&event).await?;
        self.note(uow.as_mut(), entry, now).await?;
        uow.commit().await?;
        Ok(id)
    }

    /// A page of schedules: of all users for an administrator, one's own for the others.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`], [`Error::Storage`].
    pub async fn schedules(&self, actor: Actor, page: PageRequest) -> Result<Page<StoredSchedule>> {
        actor.ensure(Permission::SchedulesRead)?;
        let user = if actor.sees_all() { None } else { Some(actor.id) };
        Ok(self.ports.queries.schedules().list(user, page).await?)
    }

    /// What became of the last ticks of a workflow's schedule, the newest first.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is no such workflow, or it is somebody else's.
    pub async fn schedule_ticks(&self, actor: Actor, id: WorkflowId, limit: u16) -> Result<Vec<StoredTick>> {
        actor.ensure(Permission::SchedulesRead)?;
        self.own_workflow(actor, id).await?;
        Ok(self.ports.queries.schedules().ticks(id, limit).await?)
    }

    fn check_decision(&self, waiting: &WaitingApproval, decision: &Decision) -> Result<()> {
        let problems = waiting.check(decision);
        if !problems.is_empty() {
            return Err(Error::Invalid(problems));
        }
        let (true, Some(form)) = (decision.approved, waiting.form()) else { return Ok(()) };
        let data = decision.data.clone().unwrap_or_else(|| json!({}));
        self.ports
            .schemas
            .validate(form, &data)
            .map_err(|problems| Error::Input(InvalidInput { workflow: waiting.workflow_name.clone(), problems }))
    }
}

fn check_event(event: &SendEvent) -> Result<()> {
    let mut problems = Problems::default();
    if let Err(error) = Name::parse(event.name.clone()) {
        problems.add("invalid_name", "name", error.to_string());
    }
    if event.name == AwaitedEvent::APPROVAL {
        let message = "`approval` is not sent as an event: decide what waits for an approval";
        problems.add("reserved_name", "name", message);
    }
    if let Err(error) = limits::EXECUTION_INPUT.check(&event.payload) {
        problems.add("too_large", "payload", error.to_string());
    }
    if json_text::clean(event.payload.clone()).1 || event.target.as_ref().is_some_and(|(_, path)| path.contains('\0')) {
        return Err(Error::Invalid(
            Problem::new("invalid_text", "payload", "text may not have the character NUL").into(),
        ));
    }
    if problems.is_empty() { Ok(()) } else { Err(Error::Invalid(problems)) }
}
