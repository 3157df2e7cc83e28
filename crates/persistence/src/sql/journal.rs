//! The statement that commits a batch of the journal, in as many variants as there are kinds of batches.

use std::sync::LazyLock;

use chrono::NaiveDateTime;
use sea_orm::{Statement, Value};
use uuid::Uuid;

use super::{
    batch::{Arrays, arrays},
    planted, prepare, sections,
};

arrays!(
    /// Rows of `step_runs`, and of `execution_logs` for those that have ended.
    RecordArrays {
        execution_id: Uuid,
        path: String,
        attempt: i16,
        seq: i32,
        status: String,
        reason: String,
        output: String,
        error: String,
        started_at: NaiveDateTime,
        ended_at: NaiveDateTime,
        workflow_step_id: Uuid,
        agent_id: Uuid,
        step_key: String,
        duration_ms: i32,
        log_id: Uuid,
        log_message: String,
        log_metadata: String,
    }
);
arrays!(
    /// Rows of `executions` that end.
    FinishedArrays {
        id: Uuid,
        status: String,
        output: String,
        error_message: String,
        error_code: String,
        error_stack: String,
        steps_completed: i32,
        steps_failed: i32,
        started_at: NaiveDateTime,
        completed_at: NaiveDateTime,
        duration_ms: i32,
    }
);
arrays!(
    /// Rows of `executions` that are handed back.
    ParkedArrays {
        id: Uuid,
        wake_at: NaiveDateTime,
    }
);
arrays!(
    /// Rows of `waits`.
    WaitArrays {
        execution_id: Uuid,
        path: String,
        event_name: String,
        since: NaiveDateTime,
    }
);
arrays!(
    /// Rows of `counter_deltas` for agents: what the records come to if all of them are new.
    AgentArrays {
        target_id: Uuid,
        total: i64,
        succeeded: i64,
        failed: i64,
        duration_ms: i64,
        last_at: NaiveDateTime,
    }
);

/// How the records of a batch are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Care {
    /// In the hope that all of them are new and the worker's own: nothing is written if one is not.
    Plain,
    /// Each is looked at.
    Careful,
}

/// A batch of the journal.
#[derive(Default)]
pub(crate) struct JournalArrays {
    pub(crate) records: RecordArrays,
    pub(crate) agents: AgentArrays,
    pub(crate) finished: FinishedArrays,
    pub(crate) parked: ParkedArrays,
    pub(crate) waits: WaitArrays,
    /// Parents of executions that end.
    pub(crate) parents: Vec<Uuid>,
}

/// The statement with some of its sections.
struct Variant {
    sql: String,
    /// Where the value of each parameter stands among all values of a batch.
    positions: Vec<usize>,
}

/// The sections, in the order of their bits.
const SECTIONS: [&str; 6] = ["touched", "plain", "careful", "finished", "parked", "parents"];

/// One for each set of sections, in the order of their bits.
static VARIANTS: LazyLock<Vec<Variant>> = LazyLock::new(|| {
    let source = planted::changed(include_str!("commit_journal.sql"));
    let names = names();
    let position = |name: &String| names.iter().position(|known| known == name);
    let sets = 0..1_u8 << SECTIONS.len();
    sets.map(|set| {
        let wanted: Vec<&str> =
            SECTIONS.into_iter().enumerate().filter(|(bit, _)| set >> bit & 1 == 1).map(|(_, name)| name).collect();
        let sections::Variant { sql, parameters } = sections::variant(&source, &wanted);
        Variant { sql, positions: parameters.iter().filter_map(position).collect() }
    })
    .collect()
});

/// The names of the values of a batch, in the order of [`JournalArrays::values`].
fn names() -> Vec<String> {
    let of = |group: &'static str, columns: &'static [&'static str]| {
        columns.iter().map(move |column| format!("{group}.{column}"))
    };
    let single = ["worker", "owned", "touched", "leaving", "parents"].map(str::to_owned);
    (single.into_iter())
        .chain(of("records", RecordArrays::COLUMNS))
        .chain(of("agents", AgentArrays::COLUMNS))
        .chain(of("finished", FinishedArrays::COLUMNS))
        .chain(of("parked", ParkedArrays::COLUMNS))
        .chain(of("waits", WaitArrays::COLUMNS))
        .collect()
}

impl JournalArrays {
    /// Which sections are needed, a bit each.
    fn sections(&self, care: Care) -> usize {
        let (records, finished) = (!self.records.execution_id.is_empty(), !self.finished.id.is_empty());
        let (parked, parents) = (!self.parked.id.is_empty(), !self.parents.is_empty());
        let (plain, careful) = (records && care == Care::Plain, records && care == Care::Careful);
        let needed = [finished || parked || parents, plain, careful, finished, parked, parents];
        needed.into_iter().enumerate().map(|(bit, needed)| usize::from(needed) << bit).sum()
    }

    fn values(self, worker: Uuid) -> Vec<Value> {
        let leaving: Vec<Uuid> = self.finished.id.iter().chain(&self.parked.id).copied().collect();
        let touched: Vec<Uuid> = leaving.iter().chain(&self.parents).copied().collect();
        let mut owned = self.records.execution_id.clone();
        // They are sorted by it.
        owned.dedup();
        let mut values: Vec<Value> =
            vec![worker.into(), owned.into(), touched.into(), leaving.into(), self.parents.into()];
        values.extend(self.records.values());
        values.extend(self.agents.values());
        values.extend(self.finished.values());
        values.extend(self.parked.values());
        values.extend(self.waits.values());
        values
    }
}

pub(crate) fn commit_journal(worker: Uuid, batch: JournalArrays, care: Care) -> Statement {
    let set = batch.sections(care);
    let mut values: Vec<Option<Value>> = batch.values(worker).into_iter().map(Some).collect();
    let (sql, positions) =
        VARIANTS.get(set).map(|variant| (variant.sql.as_str(), &*variant.positions)).unwrap_or_default();
    let used = positions.iter().filter_map(|&position| values.get_mut(position)?.take());
    prepare(sql, used.collect())
}

#[cfg(test)]
mod tests {
    use sea_orm::{ConnectionTrait, Database};
    use turbocat_testkit::postgres::TestDatabase;

    use super::*;

    #[tokio::test]
    async fn every_variant_is_planned_by_postgres_with_all_its_parameters() {
        let database = TestDatabase::create().await.unwrap();
        let db = Database::connect(database.url()).await.unwrap();
        let one = |wanted: bool| if wanted { vec![Uuid::nil()] } else { Vec::new() };
        for (kinds, care) in (0..16_u8).flat_map(|kinds| [(kinds, Care::Plain), (kinds, Care::Careful)]) {
            let [records, finished, parked, parents] = [1, 2, 4, 8].map(|bit| kinds & bit != 0);
            let mut batch = JournalArrays { parents: one(parents), ..JournalArrays::default() };
            batch.records.execution_id = one(records);
            batch.finished.id = one(finished);
            batch.parked.id = one(parked);
            let mut statement = commit_journal(Uuid::nil(), batch, care);
            statement.sql = format!("EXPLAIN {}", statement.sql);

            let plan = db.query_all_raw(statement.clone()).await;

            assert!(plan.is_ok(), "{kinds:04b} {care:?}: {plan:?}");
            assert_eq!(statement.sql.matches("-- ").count(), 0, "comments are for who reads the file");
            let sections = [
                ("recorded AS", records && care == Care::Plain),
                ("incoming AS", records && care == Care::Careful),
                ("ended AS", finished),
                ("parked AS", parked),
                ("woken AS", parents),
                ("touched AS", finished || parked || parents),
            ];
            for (section, is_needed) in sections {
                assert_eq!(statement.sql.contains(section), is_needed, "{section} in {kinds:04b} {care:?}");
            }
        }
    }
}
