//! The key of a deployment: what somebody without an account asks it with, and nothing else.
//!
//! # Invariants
//!
//! 1. A key starts executions of its deployment, in the name of its owner, and can do nothing more.
//! 2. Who has no key learns nothing: not even whether there is such a deployment.

use std::fmt;

use serde_json::{Value, json};
use turbocat_domain::{
    deployment::Deployment,
    execution::TriggerType,
    id::{DeploymentId, ExecutionId},
    permission::{Permission, PermissionSet},
    port::{ExecutionAcceptor, RepositoryError},
};

use crate::{
    Access, Actor, Error, Idempotency, Origin, Result, Selector, StartExecution, Started, Token,
    access::deployment_hash, audit::Changes,
};

/// A request of somebody who has the key of a deployment.
pub struct EndpointCall {
    /// The deployment.
    pub deployment: DeploymentId,
    /// The key.
    pub key: String,
    /// What the deployment is given.
    pub input: Value,
    /// What makes it safe to send the request again.
    pub once: Option<Idempotency>,
}

impl fmt::Debug for EndpointCall {
    /// Shows no key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointCall").field("deployment", &self.deployment).finish_non_exhaustive()
    }
}

impl Access {
    /// Gives a deployment a new key, in place of the one that it had.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`]; [`Error::NoRandomness`].
    pub async fn issue_deployment_key(
        &self,
        actor: Actor,
        id: DeploymentId,
        origin: &Origin,
    ) -> Result<(Deployment, Token)> {
        let token = self.new_deployment_token()?;
        let next = |stored: Deployment| Deployment { api_key_hash: Some(token.hash()), ..stored };
        let deployment = self.change_deployment_key((actor, origin), (id, "deployment.key_issued"), next).await?;
        Ok((deployment, token))
    }

    /// Takes the key of a deployment away.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`].
    pub async fn revoke_deployment_key(&self, actor: Actor, id: DeploymentId, origin: &Origin) -> Result<Deployment> {
        let next = |stored: Deployment| Deployment { api_key_hash: None, ..stored };
        self.change_deployment_key((actor, origin), (id, "deployment.key_revoked"), next).await
    }

    async fn change_deployment_key(
        &self,
        (actor, origin): (Actor, &Origin),
        (id, action): (DeploymentId, &'static str),
        next: impl FnOnce(Deployment) -> Deployment,
    ) -> Result<Deployment> {
        actor.ensure(Permission::DeploymentsWrite)?;
        let use_cases = self.use_cases().on_behalf_of(origin);
        let stored = use_cases.own_deployment(actor, id).await?;
        let now = use_cases.ports.clock.now();
        let mut uow = use_cases.ports.store.begin().await?;
        uow.deployments().save(&next(stored), now).await?;
        use_cases.note_deployment(uow.as_mut(), (actor, action, id), Changes::default()).await?;
        uow.commit().await?;
        use_cases.own_deployment(actor, id).await
    }

    /// Starts an execution for who has the key of a deployment.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`] if it is not the key of this deployment; otherwise as
    /// [`start_once`](crate::UseCases::start_once).
    pub async fn call_endpoint(
        &self,
        call: EndpointCall,
        acceptor: &dyn ExecutionAcceptor,
        id: ExecutionId,
    ) -> Result<Started> {
        let actor = self.endpoint_actor(&call).await?;
        let request = StartExecution {
            id,
            workflow: Selector::Deployment(call.deployment),
            input: call.input,
            trigger_type: TriggerType::Api,
            trigger_data: json!({ "source": "endpoint" }),
        };
        match &call.once {
            Some(once) => self.use_cases().start_once((actor, once), acceptor, request).await,
            None => self.use_cases().start(actor, acceptor, request).await,
        }
    }

    /// In whose name the request is done, and what may be done in it.
    async fn endpoint_actor(&self, call: &EndpointCall) -> Result<Actor> {
        let Some(given) = deployment_hash(&call.key) else { return Err(Error::Unauthenticated) };
        let queries = &self.use_cases().ports.queries;
        let deployment = match queries.deployments().get(call.deployment).await {
            Ok(deployment) => deployment,
            Err(RepositoryError::NotFound { .. }) => return Err(Error::Unauthenticated),
            Err(error) => return Err(error.into()),
        };
        if deployment.api_key_hash.is_none_or(|hash| hash != given) {
            return Err(Error::Unauthenticated);
        }
        let owner = queries.users().get(deployment.user_id).await?;
        if !owner.can_act() {
            return Err(Error::Unauthenticated);
        }
        let actor = Actor::from(&owner);
        let only: PermissionSet = [Permission::ExecutionsStart].into_iter().collect();
        Ok(Actor { permissions: actor.permissions.intersection(only), ..actor })
    }
}
