//! What steps did on their way: what was recorded is not done again.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::{snapshot::Snapshot, tally::Tally};
use crate::evidence::{Entry, Evidence};

/// What a step did and recorded is done again by nobody but another worker that is dead, and does not know it yet. Who
/// recorded it itself has no such reason. (All are dead in the end: those that stop in order, too.)
pub(crate) const REPEATED: &str = "parts_repeated";

/// Looks at the parts that were told, in their order.
pub(crate) fn judge_parts(evidence: &Evidence, snapshot: &Snapshot, tally: &mut Tally) {
    let mut recorded: BTreeMap<(Uuid, &str, &str), BTreeSet<Uuid>> = BTreeMap::new();
    let mut done: BTreeMap<(Uuid, &str, &str), usize> = BTreeMap::new();
    for entry in &evidence.entries {
        let Entry::Part { worker, execution, path, key, is_recorded } = entry else { continue };
        let part = (*execution, path.as_str(), key.as_str());
        if *is_recorded {
            recorded.entry(part).or_default().insert(*worker);
            continue;
        }
        let may_repeat = recorded.get(&part).is_none_or(|by| !by.contains(worker) && snapshot.is_dead(worker));
        tally.test(REPEATED, may_repeat, || format!("{execution} {path}/{key}: {worker} did again what was recorded"));
        *done.entry(part).or_default() += 1;
    }
    tally.count("parts", recorded.len());
    tally.count("parts_repeated_in_flight", done.values().map(|times| times - 1).sum());
}
