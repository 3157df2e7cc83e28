//! The statements that take many rows at once, as arrays by column.

use chrono::NaiveDateTime;
use sea_orm::{Statement, Value};
use uuid::Uuid;

use super::{prepare, statement};

/// Defines rows by column. Array parameters cannot hold NULL: nil uuids and empty texts stand for it.
macro_rules! arrays {
    ($(#[$doc:meta])* $name:ident { $($column:ident: $type:ty,)+ }) => {
        $(#[$doc])*
        #[derive(Default)]
        pub(crate) struct $name {
            $(pub(crate) $column: Vec<$type>,)+
        }

        impl $name {
            fn values(self) -> Vec<Value> {
                vec![$(self.$column.into()),+]
            }
        }
    };
}

arrays!(
    /// Rows of `step_runs`.
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
    /// New rows of `executions`.
    ExecutionArrays {
        id: Uuid,
        workflow_id: Uuid,
        user_id: Uuid,
        trigger_type: String,
        trigger_data: String,
        input_data: String,
        steps_total: i32,
        timeout_ms: i64,
        parent_id: Uuid,
        parent_path: String,
        depth: i32,
    }
);
arrays!(
    /// New rows of `execution_logs`.
    LineArrays {
        id: Uuid,
        execution_id: Uuid,
        workflow_step_id: Uuid,
        level: String,
        message: String,
        metadata: String,
        step_key: String,
        step_status: String,
        step_started_at: NaiveDateTime,
        step_completed_at: NaiveDateTime,
        step_duration_ms: i32,
        created_at: NaiveDateTime,
    }
);

/// A batch of the journal.
#[derive(Default)]
pub(crate) struct JournalArrays {
    pub(crate) records: RecordArrays,
    pub(crate) finished: FinishedArrays,
    pub(crate) parked: ParkedArrays,
    pub(crate) waits: WaitArrays,
    /// Parents of executions that end.
    pub(crate) parents: Vec<Uuid>,
}

/// A new event.
pub(crate) struct EventValues {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) payload: String,
    pub(crate) execution_id: Option<Uuid>,
    pub(crate) path: Option<String>,
    pub(crate) user_id: Uuid,
}

pub(crate) fn commit_journal(worker: Uuid, batch: JournalArrays) -> Statement {
    let mut values = vec![worker.into()];
    values.extend(batch.records.values());
    values.extend(batch.finished.values());
    values.extend(batch.parked.values());
    values.extend(batch.waits.values());
    values.push(batch.parents.into());
    prepare(include_str!("commit_journal.sql"), values)
}

pub(crate) fn insert_executions(owner: Option<Uuid>, batch: ExecutionArrays) -> Statement {
    let mut values = vec![owner.into()];
    values.extend(batch.values());
    prepare(include_str!("insert_executions.sql"), values)
}

pub(crate) fn append_execution_logs(batch: LineArrays) -> Statement {
    prepare(include_str!("append_execution_logs.sql"), batch.values())
}

pub(crate) fn publish_event(event: EventValues) -> Statement {
    statement!("publish_event", event.id, event.name, event.payload, event.execution_id, event.path, event.user_id)
}
