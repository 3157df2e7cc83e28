//! Workflows that an event starts.

use serde_json::{Value, json};
use turbocat_domain::{
    document::Document,
    execution::TriggerType,
    id::ExecutionId,
    port::{NewEvent, NewExecution, PageRequest, SchemaProblem, WorkflowFilter},
    workflow::{Workflow, WorkflowStatus},
};

use crate::{Actor, Error, InvalidInput, RefusedStart, Result, Selector, StartExecution, UseCases};

impl UseCases {
    /// The executions that an event starts: one of each active workflow of its sender with a trigger for its name
    /// whose filter takes it, with its payload as input. What cannot be started is told, and keeps nothing else from
    /// being started.
    pub(crate) async fn triggered(
        &self,
        actor: Actor,
        (event, traceparent): (&NewEvent, Option<&str>),
    ) -> Result<(Vec<NewExecution>, Vec<RefusedStart>)> {
        let (mut executions, mut refused) = (Vec::new(), Vec::new());
        // What is meant for one step is for nobody else.
        if event.target.is_some() {
            return Ok((executions, refused));
        }
        let filter = WorkflowFilter {
            owner: Some(actor.id),
            status: Some(WorkflowStatus::Active),
            event: Some(event.name.clone()),
            ..WorkflowFilter::default()
        };
        let mut page = PageRequest { limit: 200, after: None };
        loop {
            let found = self.ports.queries.workflows().list(&filter, page).await?;
            for workflow in found.items {
                let name = workflow.name.to_string();
                match self.triggered_one(actor, workflow, (event, traceparent)).await {
                    Ok(execution) => executions.extend(execution),
                    Err(reason) => refused.push(RefusedStart { workflow: name, reason }),
                }
            }
            match found.next {
                Some(next) => page.after = Some(next),
                None => return Ok((executions, refused)),
            }
        }
    }

    /// The execution of one of them; none if its filter does not take the event; or why it cannot be started.
    async fn triggered_one(
        &self,
        actor: Actor,
        workflow: Workflow,
        (event, traceparent): (&NewEvent, Option<&str>),
    ) -> std::result::Result<Option<NewExecution>, String> {
        let document = Document::parse(&workflow.definition).map_err(|problems| problems.to_string())?;
        let Some(trigger) = &document.triggers().event else { return Ok(None) };
        match trigger.takes(&event.payload) {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(error) => return Err(format!("triggers.event.filter: {}", error.message)),
        }
        let request = StartExecution {
            id: ExecutionId::from_uuid(self.ports.ids.next()),
            workflow: Selector::Id(workflow.id),
            input: event.payload.clone(),
            trigger_type: TriggerType::Event,
            trigger_data: traced(json!({ "event": event.name, "event_id": event.id.to_string() }), traceparent),
        };
        let runnable = self.compiled(workflow, document).await.map_err(|error| error.to_string())?;
        self.checked_start(actor, &runnable, request).map(Some).map_err(|error| match error {
            Error::Input(InvalidInput { problems, .. }) => {
                format!("its input may not be this payload: {}", SchemaProblem::list(&problems))
            }
            error => error.to_string(),
        })
    }
}

/// What started an execution, with the trace that its steps go on with.
pub(crate) fn traced(mut trigger_data: Value, traceparent: Option<&str>) -> Value {
    if let (Some(trace), Some(data)) = (traceparent, trigger_data.as_object_mut()) {
        data.insert("traceparent".to_owned(), trace.into());
    }
    trigger_data
}
