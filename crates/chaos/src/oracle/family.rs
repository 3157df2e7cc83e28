//! Executions that others started: one a step, with its input, and none that outlives its parent.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{
    snapshot::{ExecutionRow, Snapshot},
    tally::Tally,
};
use crate::program::forecast::{Forecast, Kind};

/// Each step that runs a workflow has one child execution.
pub(crate) const CHILDREN: &str = "children";
/// A child is cancelled only if nobody waits for it any more, and ends if its parent does.
pub(crate) const ORPHANS: &str = "children_left";

/// Looks at all parents and children.
pub(crate) fn judge_family(snapshot: &Snapshot, forecasts: &BTreeMap<Uuid, Forecast>, tally: &mut Tally) {
    let mut by_place: BTreeMap<(Uuid, &str), Vec<&ExecutionRow>> = BTreeMap::new();
    for row in snapshot.executions.values() {
        if let (Some(parent), Some(path)) = (row.parent_execution_id, row.parent_path.as_deref()) {
            by_place.entry((parent, path)).or_default().push(row);
            judge_child(row, (parent, path), snapshot, forecasts, tally);
        }
    }
    for (id, forecast) in forecasts {
        for step in snapshot.steps.get(id).into_iter().flatten().filter(|step| step.has_run()) {
            if matches!(forecast.paths.get(&step.path), Some(path) if matches!(path.kind, Kind::Child { .. })) {
                let children = by_place.get(&(*id, step.path.as_str())).map(Vec::as_slice).unwrap_or_default();
                let is_right = match children {
                    [child] => child.has_ended() && (child.status == "completed") == (step.status == "completed"),
                    _ => false,
                };
                tally.test(CHILDREN, is_right, || {
                    let found: Vec<_> = children.iter().map(|child| (child.id, child.status.as_str())).collect();
                    format!("{id} {}: it is {}, and its children are {found:?}", step.path, step.status)
                });
            }
        }
    }
}

fn judge_child(
    row: &ExecutionRow,
    (parent, path): (Uuid, &str),
    snapshot: &Snapshot,
    forecasts: &BTreeMap<Uuid, Forecast>,
    tally: &mut Tally,
) {
    let planned = forecasts.get(&parent).and_then(|forecast| forecast.paths.get(path));
    let name = snapshot.workflows.get(&row.workflow_id).map(|workflow| workflow.name.as_str()).unwrap_or_default();
    let is_planned = match planned.map(|planned| &planned.kind) {
        Some(Kind::Child { workflow, input }) => workflow == name && *input == row.input_data,
        _ => false,
    };
    tally.test(CHILDREN, is_planned, || {
        format!("{}: {parent} has no step {path} that runs {name} with this input", row.id)
    });
    let is_wanted = snapshot.steps.get(&parent).into_iter().flatten().any(|step| step.path == path && step.has_run());
    tally.test(ORPHANS, !(is_wanted && row.status == "cancelled"), || {
        format!("{}: it was cancelled, and {path} of {parent} waited for it", row.id)
    });
    if snapshot.executions.get(&parent).is_none_or(ExecutionRow::has_ended) {
        tally.test(ORPHANS, row.has_ended(), || {
            format!("{}: it is {}, and its parent {parent} has ended", row.id, row.status)
        });
    }
}
