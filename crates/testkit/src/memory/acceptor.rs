//! Accepting executions that nobody owns yet.

use async_trait::async_trait;
use turbocat_domain::port::{ExecutionAcceptor, ExecutionQueue, NewExecution, Result};

use super::MemoryStore;

#[async_trait]
impl ExecutionAcceptor for MemoryStore {
    async fn accept(&self, executions: Vec<NewExecution>) -> Result<()> {
        self.insert(&executions, None).await.map(|_| ())
    }
}
