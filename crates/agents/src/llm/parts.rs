//! What was recorded of the step before, by key.

use std::collections::HashMap;

use serde_json::Value;
use turbocat_domain::{port::AttemptHost, step_run::StepError};

/// What was recorded before the attempt began.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    pub(super) host: &'a dyn AttemptHost,
    recorded: HashMap<String, Value>,
}

impl<'a> Parts<'a> {
    pub(super) async fn read(host: &'a dyn AttemptHost) -> Result<Self, StepError> {
        let recorded = host.recorded().await?.into_iter().map(|part| (part.key, part.data)).collect();
        Ok(Self { host, recorded })
    }

    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.recorded.get(key)
    }
}
