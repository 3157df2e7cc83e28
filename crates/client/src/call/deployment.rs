//! Deployments.

use futures_util::Stream;
use turbocat_domain::id::DeploymentId;

use crate::{
    Client, Deployment, DeploymentChange, DeploymentHealth, DeploymentKey, DeploymentQuery, DeploymentRequest,
    DeploymentRevision, Error, NewDeployment, Page, PageQuery, Rollback, Started,
    client::Call,
    operation::{
        ACTIVATE_DEPLOYMENT, CHANGE_DEPLOYMENT, CREATE_DEPLOYMENT, DELETE_DEPLOYMENT, ISSUE_DEPLOYMENT_KEY,
        LIST_DEPLOYMENT_REVISIONS, LIST_DEPLOYMENTS, MAINTAIN_DEPLOYMENT, RESTORE_DEPLOYMENT, REVOKE_DEPLOYMENT_KEY,
        ROLL_DEPLOYMENT_BACK, SHOW_DEPLOYMENT, SHOW_DEPLOYMENT_HEALTH, START_BY_DEPLOYMENT, STOP_DEPLOYMENT,
    },
    page,
};

impl Client {
    /// A page of deployments, the newest first, without their variables.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn deployments(&self, query: &DeploymentQuery) -> Result<Page<Deployment>, Error> {
        self.list(Call::new(LIST_DEPLOYMENTS), query).await
    }

    /// All of them, page after page.
    pub fn all_deployments(&self, query: DeploymentQuery) -> impl Stream<Item = Result<Deployment, Error>> {
        let client = self.clone();
        page::all(query, move |query| {
            let client = client.clone();
            async move { client.deployments(&query).await }
        })
    }

    /// Makes a deployment. It is stopped, and has its first revision.
    ///
    /// # Errors
    ///
    /// [`Error`]; `invalid`, `already_exists`, `not_found` for what it is to run.
    pub async fn create_deployment(&self, wanted: &NewDeployment) -> Result<Deployment, Error> {
        let call = Call::new(CREATE_DEPLOYMENT).json(wanted)?;
        self.ask(call.keyed(wanted.idempotency_key.as_deref())).await
    }

    /// A deployment.
    ///
    /// # Errors
    ///
    /// [`Error`]; `not_found`.
    pub async fn deployment(&self, id: DeploymentId) -> Result<Deployment, Error> {
        self.ask(Call::about(SHOW_DEPLOYMENT, id)).await
    }

    /// Changes a deployment. What it runs, and how, is a new revision, which holds for what is started from now on.
    ///
    /// # Errors
    ///
    /// [`Error`]; `invalid`, `not_found`, `conflict` if somebody else changes it at the same moment.
    pub async fn change_deployment(&self, id: DeploymentId, change: &DeploymentChange) -> Result<Deployment, Error> {
        self.ask(Call::about(CHANGE_DEPLOYMENT, id).json(change)?).await
    }

    /// Deletes a deployment: it starts nothing any more. What runs goes on, and it can be restored.
    ///
    /// # Errors
    ///
    /// [`Error`]; `not_found`.
    pub async fn delete_deployment(&self, id: DeploymentId) -> Result<(), Error> {
        self.send(Call::about(DELETE_DEPLOYMENT, id)).await.map(drop)
    }

    /// Undoes a delete. The deployment is stopped then.
    ///
    /// # Errors
    ///
    /// [`Error`]; `not_found`.
    pub async fn restore_deployment(&self, id: DeploymentId) -> Result<Deployment, Error> {
        self.ask(Call::about(RESTORE_DEPLOYMENT, id)).await
    }

    /// Lets a deployment answer. If what it runs cannot be run it is failed afterwards, and its health says why.
    ///
    /// # Errors
    ///
    /// [`Error`]; `not_found`.
    pub async fn activate_deployment(&self, id: DeploymentId) -> Result<Deployment, Error> {
        self.ask(Call::about(ACTIVATE_DEPLOYMENT, id)).await
    }

    /// Keeps a deployment from answering; what it has begun goes on.
    ///
    /// # Errors
    ///
    /// [`Error`]; `not_found`.
    pub async fn stop_deployment(&self, id: DeploymentId) -> Result<Deployment, Error> {
        self.ask(Call::about(STOP_DEPLOYMENT, id)).await
    }

    /// Keeps a running deployment from answering for a while.
    ///
    /// # Errors
    ///
    /// [`Error`]; `not_found`.
    pub async fn maintain_deployment(&self, id: DeploymentId) -> Result<Deployment, Error> {
        self.ask(Call::about(MAINTAIN_DEPLOYMENT, id)).await
    }

    /// Goes back to what a deployment ran before: a new revision, after all others.
    ///
    /// # Errors
    ///
    /// [`Error`]; `not_found`.
    pub async fn roll_deployment_back(&self, id: DeploymentId, to: &Rollback) -> Result<Deployment, Error> {
        self.ask(Call::about(ROLL_DEPLOYMENT_BACK, id).json(to)?).await
    }

    /// Gives a deployment a new key, in place of the one that it had. The key itself is in this answer and nowhere else.
    ///
    /// # Errors
    ///
    /// [`Error`]; `not_found`.
    pub async fn issue_deployment_key(&self, id: DeploymentId) -> Result<DeploymentKey, Error> {
        self.ask(Call::about(ISSUE_DEPLOYMENT_KEY, id)).await
    }

    /// Takes the key of a deployment away.
    ///
    /// # Errors
    ///
    /// [`Error`]; `not_found`.
    pub async fn revoke_deployment_key(&self, id: DeploymentId) -> Result<(), Error> {
        self.send(Call::about(REVOKE_DEPLOYMENT_KEY, id)).await.map(drop)
    }

    /// A page of what a deployment ran, the newest first.
    ///
    /// # Errors
    ///
    /// [`Error`]; `not_found`.
    pub async fn deployment_revisions(
        &self,
        id: DeploymentId,
        query: &PageQuery,
    ) -> Result<Page<DeploymentRevision>, Error> {
        self.list(Call::about(LIST_DEPLOYMENT_REVISIONS, id), query).await
    }

    /// Looks whether a deployment works.
    ///
    /// # Errors
    ///
    /// [`Error`]; `not_found`.
    pub async fn deployment_health(&self, id: DeploymentId) -> Result<DeploymentHealth, Error> {
        self.ask(Call::about(SHOW_DEPLOYMENT_HEALTH, id)).await
    }

    /// Starts an execution of what a deployment runs. It is durable when this returns.
    ///
    /// # Errors
    ///
    /// [`Error`]; `not_found`, `not_active`, `invalid_input`.
    pub async fn start_by_deployment(&self, id: DeploymentId, wanted: &DeploymentRequest) -> Result<Started, Error> {
        let call = Call::about(START_BY_DEPLOYMENT, id).json(wanted)?;
        self.ask(call.keyed(wanted.idempotency_key.as_deref())).await
    }
}
