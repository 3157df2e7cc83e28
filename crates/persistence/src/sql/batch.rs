//! The statements that take many rows at once, as arrays by column.

use chrono::NaiveDateTime;
use sea_orm::{Statement, Value};
use uuid::Uuid;

use super::{prepare, statement};

/// Rows by column.
pub(super) trait Arrays {
    /// The names of the columns.
    const COLUMNS: &'static [&'static str];

    /// The columns, in the order of their names.
    fn values(self) -> Vec<Value>;
}

/// Defines rows by column. Array parameters cannot hold NULL: nil uuids and empty texts stand for it.
macro_rules! arrays {
    ($(#[$doc:meta])* $name:ident { $($column:ident: $type:ty,)+ }) => {
        $(#[$doc])*
        #[derive(Default)]
        pub(crate) struct $name {
            $(pub(crate) $column: Vec<$type>,)+
        }

        impl Arrays for $name {
            const COLUMNS: &'static [&'static str] = &[$(stringify!($column)),+];

            fn values(self) -> Vec<Value> {
                vec![$(self.$column.into()),+]
            }
        }
    };
}
pub(super) use arrays;

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

arrays!(
    /// What is done about schedules. The year 1 stands for NULL; `ticks` are JSON.
    FiringArrays {
        workflow_id: Uuid,
        old_next_at: NaiveDateTime,
        old_queued_for: NaiveDateTime,
        next_at: NaiveDateTime,
        queued_for: NaiveDateTime,
        jitter_ms: i32,
        execution_id: Uuid,
        ticks: String,
        waiting: Uuid,
    }
);

/// A schedule that begins.
pub(crate) struct ScheduleValues {
    pub(crate) workflow_id: Uuid,
    pub(crate) user_id: Uuid,
    pub(crate) name: String,
    pub(crate) config: String,
    pub(crate) steps_total: i32,
    pub(crate) timeout_ms: i64,
    pub(crate) next_at: Option<NaiveDateTime>,
    pub(crate) jitter_ms: i32,
    pub(crate) queued_for: Option<NaiveDateTime>,
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

pub(crate) fn insert_executions(owner: Option<Uuid>, batch: ExecutionArrays) -> Statement {
    let mut values = vec![owner.into()];
    values.extend(batch.values());
    prepare(include_str!("insert_executions.sql"), values)
}

pub(crate) fn put_schedule(new: ScheduleValues) -> Statement {
    statement!(
        "put_schedule",
        new.workflow_id,
        new.user_id,
        new.name,
        new.config,
        new.steps_total,
        new.timeout_ms,
        new.next_at,
        new.jitter_ms,
        new.queued_for
    )
}

pub(crate) fn fire_schedules(worker: Uuid, batch: FiringArrays) -> Statement {
    let mut values = vec![worker.into()];
    values.extend(batch.values());
    prepare(include_str!("fire_schedules.sql"), values)
}

pub(crate) fn append_execution_logs(batch: LineArrays) -> Statement {
    prepare(include_str!("append_execution_logs.sql"), batch.values())
}

pub(crate) fn publish_event(event: EventValues) -> Statement {
    statement!("publish_event", event.id, event.name, event.payload, event.execution_id, event.path, event.user_id)
}
