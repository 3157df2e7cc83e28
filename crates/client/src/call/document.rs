//! Workflows and agents.

use futures_util::Stream;
use turbocat_domain::id::{AgentId, WorkflowId};

use crate::{
    Agent, AgentQuery, Client, Documents, Error, Page, PageQuery, PublishReport, Workflow, WorkflowQuery, WorkflowStep,
    client::Call,
    operation::{
        DELETE_AGENT, DELETE_WORKFLOW, LIST_AGENT_VERSIONS, LIST_AGENTS, LIST_WORKFLOW_STEPS, LIST_WORKFLOW_VERSIONS,
        LIST_WORKFLOWS, PUBLISH_WORKFLOWS, RESTORE_AGENT, RESTORE_WORKFLOW, SHOW_AGENT, SHOW_WORKFLOW,
    },
    page,
};

impl Client {
    /// Publishes workflows and agents, all of them or none; what is unchanged stays as it is.
    ///
    /// # Errors
    ///
    /// [`Error`]; a problem `invalid_documents` has where each is wrong.
    pub async fn publish(&self, documents: &Documents) -> Result<PublishReport, Error> {
        let call = Call::new(PUBLISH_WORKFLOWS).body(documents.media_type, documents.text.clone());
        self.ask(call.keyed(documents.idempotency_key.as_deref())).await
    }

    /// A page of versions of workflows, the newest first, without their documents.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn workflows(&self, query: &WorkflowQuery) -> Result<Page<Workflow>, Error> {
        self.list(Call::new(LIST_WORKFLOWS), query).await
    }

    /// All of them, page after page.
    pub fn all_workflows(&self, query: WorkflowQuery) -> impl Stream<Item = Result<Workflow, Error>> {
        let client = self.clone();
        page::all(query, move |query| {
            let client = client.clone();
            async move { client.workflows(&query).await }
        })
    }

    /// A version of a workflow.
    ///
    /// # Errors
    ///
    /// [`Error`]; `not_found`.
    pub async fn workflow(&self, id: WorkflowId) -> Result<Workflow, Error> {
        self.ask(Call::about(SHOW_WORKFLOW, id)).await
    }

    /// The steps of a version, in their order.
    ///
    /// # Errors
    ///
    /// [`Error`]; `not_found`.
    pub async fn workflow_steps(&self, id: WorkflowId) -> Result<Vec<WorkflowStep>, Error> {
        self.ask(Call::about(LIST_WORKFLOW_STEPS, id)).await
    }

    /// A page of the versions that share the name of this one, the newest first.
    ///
    /// # Errors
    ///
    /// [`Error`]; `not_found`.
    pub async fn workflow_versions(&self, id: WorkflowId, query: &PageQuery) -> Result<Page<Workflow>, Error> {
        self.list(Call::about(LIST_WORKFLOW_VERSIONS, id), query).await
    }

    /// Deletes a version: it starts nothing any more. What runs goes on, and it can be restored.
    ///
    /// # Errors
    ///
    /// [`Error`]; `not_found`.
    pub async fn delete_workflow(&self, id: WorkflowId) -> Result<(), Error> {
        self.send(Call::about(DELETE_WORKFLOW, id)).await.map(drop)
    }

    /// Undoes a delete.
    ///
    /// # Errors
    ///
    /// [`Error`]; `not_found`.
    pub async fn restore_workflow(&self, id: WorkflowId) -> Result<Workflow, Error> {
        self.ask(Call::about(RESTORE_WORKFLOW, id)).await
    }

    /// A page of versions of agents, the newest first, without their configs.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn agents(&self, query: &AgentQuery) -> Result<Page<Agent>, Error> {
        self.list(Call::new(LIST_AGENTS), query).await
    }

    /// All of them, page after page.
    pub fn all_agents(&self, query: AgentQuery) -> impl Stream<Item = Result<Agent, Error>> {
        let client = self.clone();
        page::all(query, move |query| {
            let client = client.clone();
            async move { client.agents(&query).await }
        })
    }

    /// A version of an agent.
    ///
    /// # Errors
    ///
    /// [`Error`]; `not_found`.
    pub async fn agent(&self, id: AgentId) -> Result<Agent, Error> {
        self.ask(Call::about(SHOW_AGENT, id)).await
    }

    /// A page of the versions that share the name of this one, the newest first.
    ///
    /// # Errors
    ///
    /// [`Error`]; `not_found`.
    pub async fn agent_versions(&self, id: AgentId, query: &PageQuery) -> Result<Page<Agent>, Error> {
        self.list(Call::about(LIST_AGENT_VERSIONS, id), query).await
    }

    /// Deletes a version: nothing new can name it. What points at it still runs it, and it can be restored.
    ///
    /// # Errors
    ///
    /// [`Error`]; `not_found`.
    pub async fn delete_agent(&self, id: AgentId) -> Result<(), Error> {
        self.send(Call::about(DELETE_AGENT, id)).await.map(drop)
    }

    /// Undoes a delete.
    ///
    /// # Errors
    ///
    /// [`Error`]; `not_found`.
    pub async fn restore_agent(&self, id: AgentId) -> Result<Agent, Error> {
        self.ask(Call::about(RESTORE_AGENT, id)).await
    }
}
