//! What is asked of executions that go on: that they are cancelled, paused, resumed.

use turbocat_domain::{
    execution::Pause, id::ExecutionId, permission::Permission, port::RequestOutcome, problem::Problem,
};

use crate::{
    Actor, Error, Result, UseCases,
    audit::{Audited, Changes},
};

/// What is asked of an execution.
enum Request {
    Cancel,
    Pause(Option<String>),
    Resume,
}

impl UseCases {
    /// Asks for an execution to be cancelled.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is none, or it belongs to somebody else.
    pub async fn cancel_execution(&self, actor: Actor, id: ExecutionId) -> Result<RequestOutcome> {
        actor.ensure(Permission::ExecutionsCancel)?;
        self.ask(actor, id, Request::Cancel).await
    }

    /// Asks for an execution to be paused: attempts that run go on to their end, and nothing else of it begins until it is
    /// resumed. Executions that it has started go on. One that is paused stays so, since when and why it was.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is none, or it belongs to somebody else; [`Error::Invalid`] for what is no reason.
    pub async fn pause_execution(
        &self,
        actor: Actor,
        id: ExecutionId,
        reason: Option<String>,
    ) -> Result<RequestOutcome> {
        actor.ensure(Permission::ExecutionsPause)?;
        if let Some(Err(message)) = reason.as_deref().map(Pause::check_reason) {
            return Err(Error::Invalid(Problem::new("invalid_field", "/reason", message).into()));
        }
        self.ask(actor, id, Request::Pause(reason)).await
    }

    /// Asks for a paused execution to go on.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is none, or it belongs to somebody else.
    pub async fn resume_execution(&self, actor: Actor, id: ExecutionId) -> Result<RequestOutcome> {
        actor.ensure(Permission::ExecutionsPause)?;
        self.ask(actor, id, Request::Resume).await
    }

    async fn ask(&self, actor: Actor, id: ExecutionId, request: Request) -> Result<RequestOutcome> {
        let before = self.stored_execution(actor, id).await?.paused;
        let now = self.ports.clock.now();
        let mut uow = self.ports.store.begin().await?;
        let executions = uow.executions();
        let outcome = match &request {
            Request::Cancel => executions.request_cancel(id).await?,
            Request::Pause(reason) => executions.pause(id, reason.clone()).await?,
            Request::Resume => executions.resume(id).await?,
        };
        if outcome == RequestOutcome::Requested {
            let was_paused = before.is_some();
            let changes = Changes::default();
            let (action, changes) = match request {
                Request::Cancel => ("execution.cancelled", changes),
                // A second one changes nothing, and is told all the same: somebody asked for it.
                Request::Pause(_) if was_paused => ("execution.paused", changes),
                Request::Pause(reason) => {
                    let changes = changes.field("paused", false, true).field("pause_reason", None::<String>, reason);
                    ("execution.paused", changes)
                }
                Request::Resume => ("execution.resumed", changes.field("paused", was_paused, false)),
            };
            let (user, resource) = (Some(actor.id), Some(id.as_uuid()));
            self.note(uow.as_mut(), Audited { user, action, resource_type: "execution", resource, changes }, now)
                .await?;
        }
        uow.commit().await?;
        Ok(outcome)
    }
}
