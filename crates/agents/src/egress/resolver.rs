//! Resolves names and lets through only what the policy permits.

use std::{net::SocketAddr, sync::Arc};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::policy::EgressPolicy;

/// Asks the system, and filters its answer: what is checked is what is connected to.
#[derive(Debug)]
pub(super) struct PolicedResolver {
    policy: Arc<EgressPolicy>,
}

impl PolicedResolver {
    pub(super) const fn new(policy: Arc<EgressPolicy>) -> Self {
        Self { policy }
    }
}

impl Resolve for PolicedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = Arc::clone(&self.policy);
        Box::pin(async move {
            // Port 0 stands for the one of the URL.
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let permitted = policy.permit(name.as_str(), found, SocketAddr::ip)?;
            Ok(Box::new(permitted.into_iter()) as Addrs)
        })
    }
}
