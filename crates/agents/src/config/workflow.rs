//! The configuration of an agent that runs a workflow. The engine acts on it.

use serde_json::Value;
use turbocat_domain::problem::Problems;

use super::Reader;

/// Checks its form. Whether there is such a workflow is checked where it is published.
///
/// # Errors
///
/// Everything that is wrong with it.
pub(super) fn check(config: &Value) -> Result<(), Problems> {
    let mut reader = Reader::new(config);
    let named = reader.required_text("workflow", "the name of the workflow that it runs, or the id of a version");
    reader.flag("wait");
    reader.finish(named).map(drop)
}
