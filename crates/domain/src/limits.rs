//! How much of everything there may be: one table, from which checks, tests and documentation take their
//! figures. What ends in `_DEFAULT` can be configured up to its `_MAX`.

use chrono::TimeDelta;

use crate::value::json_text::JsonLimits;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;

// JSON, wherever it comes from.

/// The levels at which lists and objects may nest.
pub const JSON_DEPTH_MAX: usize = 64;
/// The values and keys of one JSON value.
pub const JSON_TOKENS_MAX: usize = 200_000;
/// The bytes of one string of a JSON value.
pub const JSON_STRING_BYTES_MAX: usize = MIB;

// The document of a workflow.

/// The bytes of a document.
pub const DOCUMENT_BYTES_MAX: usize = 512 * KIB;
/// The steps of a document, unless configured otherwise.
pub const STEPS_DEFAULT: usize = 500;
/// The steps of a document, whatever is configured.
pub const STEPS_MAX: usize = 10_000;
/// The dependencies of all steps together.
pub const EDGES_MAX: usize = 2_000;
/// The dependencies of one step.
pub const STEP_DEPENDENCIES_MAX: usize = 50;
/// How deep the bodies of loops and parallel steps may nest.
pub const BODY_DEPTH_MAX: usize = 5;
/// The bytes of the source of one expression.
pub const EXPRESSION_BYTES_MAX: usize = 2 * KIB;
/// The bytes of the JSON text of one value that an expression computes.
pub const EXPRESSION_OUTPUT_BYTES_MAX: usize = STEP_OUTPUT_BYTES_MAX;
/// The tags of an agent, a workflow or a template.
pub const TAGS_MAX: usize = 20;
/// The characters of a description.
pub const DESCRIPTION_CHARS_MAX: usize = 10_000;

// A run.

/// The bytes of an execution's input.
pub const EXECUTION_INPUT_BYTES_MAX: usize = 4 * MIB;
/// The characters of the reason of a pause.
pub const PAUSE_REASON_CHARS_MAX: usize = 500;
/// The executions that one request starts.
pub const BULK_STARTS_MAX: usize = 1_000;
/// The bytes of a step's output, which is stored whole or not at all.
pub const STEP_OUTPUT_BYTES_MAX: usize = 4 * MIB;
/// The bytes of an output that travel with the rows of the journal; larger ones are stored apart.
pub const STEP_OUTPUT_INLINE_BYTES_MAX: usize = 64 * KIB;
/// The attempts of all steps of one execution, unless configured otherwise.
pub const STEP_ATTEMPTS_DEFAULT: u32 = 10_000;
/// The attempts of all steps of one execution, whatever is configured.
pub const STEP_ATTEMPTS_MAX: u32 = 1_000_000;
/// The items of a map, unless configured otherwise.
pub const MAP_ITEMS_DEFAULT: u32 = 1_000;
/// The items of a map, whatever is configured.
pub const MAP_ITEMS_MAX: u32 = 100_000;
/// The rounds of a loop that names no bound of its own.
pub const LOOP_ROUNDS_DEFAULT: u32 = 1_000;
/// The rounds of a loop, whatever it names.
pub const LOOP_ROUNDS_MAX: u32 = 100_000;
/// The steps of one execution that run at once, unless its settings say otherwise.
pub const PARALLEL_STEPS_DEFAULT: u32 = 16;
/// How deep executions may start executions, unless configured otherwise.
pub const CHILD_DEPTH_DEFAULT: u16 = 5;
/// How deep executions may start executions, whatever is configured.
pub const CHILD_DEPTH_MAX: u16 = 20;
/// The executions that one execution may start.
pub const CHILDREN_MAX: u32 = 1_000;
/// How often an execution is taken over from dead workers without progress before it fails as `poison`.
pub const TAKEOVERS_DEFAULT: u32 = 3;
/// The most takeovers that can be configured.
pub const TAKEOVERS_MAX: u32 = 10;

// Times.

/// The time of an attempt of a step that names none, in milliseconds.
pub const STEP_TIMEOUT_MS_DEFAULT: u32 = 30_000;
/// The longest time of an attempt, in milliseconds.
pub const STEP_TIMEOUT_MS_MAX: u32 = 3_600_000;
/// The time of an execution whose workflow names none, in milliseconds.
pub const EXECUTION_TIMEOUT_MS_DEFAULT: u64 = HOUR_MS;
/// The longest time of an execution that does not wait, in milliseconds.
pub const EXECUTION_TIMEOUT_MS_MAX: u64 = 30 * DAY_MS;
/// The longest wait, in milliseconds.
pub const WAIT_MS_MAX: u64 = 366 * DAY_MS;
/// The retries of a step.
pub const RETRIES_MAX: u32 = 20;
/// The retries of a step with `on_error: retry` that names none.
pub const RETRIES_OF_RETRY: u32 = 3;
/// The delay before the first retry of a step that names none, in milliseconds.
pub const RETRY_DELAY_MS_DEFAULT: u32 = 1_000;

// Schedules.

/// The ticks that a schedule catches up with after an outage.
pub const CATCH_UP_TICKS_MAX: u32 = 100;
/// How old a tick may be that is caught up with.
pub const CATCH_UP_AGE_MAX: TimeDelta = TimeDelta::hours(24);

// Agents.

/// The memory of an agent that names none, in MiB.
pub const AGENT_MEMORY_MB_DEFAULT: u32 = 512;
/// The time of an agent that names none, in seconds.
pub const AGENT_EXECUTION_TIME_S_DEFAULT: u32 = 300;
/// The executions of an agent at once, if it names none.
pub const AGENT_CONCURRENCY_DEFAULT: u32 = 1;
/// The processes of a code agent.
pub const CODE_PROCESSES_MAX: u32 = 64;
/// The time in which an API agent must reach the other side, in milliseconds.
pub const API_CONNECT_TIMEOUT_MS: u64 = 10_000;
/// The time in which an API agent must have its answer, in milliseconds.
pub const API_TIMEOUT_MS: u64 = 30_000;
/// The bytes of an API agent's answer.
pub const API_RESPONSE_BYTES_MAX: usize = 4 * MIB;

/// The pages that an API agent asks for, if its configuration names no `max`.
pub const API_PAGES_DEFAULT: u32 = 20;
/// The pages that an API agent asks for, whatever is named.
pub const API_PAGES_MAX: u32 = 200;

/// The bytes of a query of a data agent.
pub const SQL_BYTES_MAX: usize = 64 * KIB;
/// The bytes of a name in a query: PostgreSQL cuts longer ones.
pub const SQL_NAME_BYTES_MAX: usize = 63;
/// The tables of a query.
pub const SQL_TABLES_MAX: usize = 20;
/// The columns of a table.
pub const SQL_COLUMNS_MAX: usize = 200;
/// The rows of a query's answer, if its agent names no `max_rows`.
pub const SQL_ROWS_DEFAULT: u32 = 10_000;
/// The rows of a query's answer, whatever is named.
pub const SQL_ROWS_MAX: u32 = 100_000;
/// The time of a query, in milliseconds.
pub const SQL_TIMEOUT_MS: u64 = 30_000;

/// The turns of an LLM agent that names no `max_turns`.
pub const LLM_TURNS_DEFAULT: u32 = 20;
/// The turns of an LLM agent, whatever it names.
pub const LLM_TURNS_MAX: u32 = 200;
/// The tools of an LLM agent.
pub const LLM_TOOLS_MAX: usize = 64;
/// The calls of tools that an LLM agent makes in one attempt of a step, all turns together.
pub const LLM_CALLS_MAX: usize = 500;
/// The calls of tools that run at once.
pub const LLM_CALLS_AT_ONCE: usize = 8;
/// How deep LLM agents may call agents.
pub const LLM_DEPTH_MAX: usize = 4;
/// The bytes of a tool's result that are given to the model; the rest is cut.
pub const LLM_RESULT_BYTES_MAX: usize = 64 * KIB;
/// The bytes of the answer of a model's server.
pub const LLM_RESPONSE_BYTES_MAX: usize = 4 * MIB;

/// The bytes of one message of an MCP server.
pub const MCP_MESSAGE_BYTES_MAX: usize = 4 * MIB;
/// How long an MCP server may take until it answers for the first time, or lists its tools, in milliseconds.
pub const MCP_CONNECT_TIMEOUT_MS: u64 = 30_000;
/// The memory of the program of an MCP server that is declared without `memory_mb`.
pub const MCP_MEMORY_MB_DEFAULT: u32 = 1_024;
/// The programs of MCP servers that run at once in one process.
pub const MCP_PROGRAMS_MAX: usize = 32;
/// The pages in which an MCP server may list its tools.
pub const MCP_PAGES_MAX: usize = 20;

// Logs.

/// The bytes of one line that an agent writes; the rest is cut.
pub const LOG_LINE_BYTES_MAX: usize = 8 * KIB;
/// The lines of one attempt.
pub const LOG_LINES_MAX: usize = 10_000;
/// The bytes of all lines of one attempt.
pub const LOG_BYTES_MAX: usize = 5 * MIB;

// Deployments and keys.

/// The memory of a deployment that names none, in MiB.
pub const DEPLOYMENT_MEMORY_MB_DEFAULT: u32 = 512;
/// The CPU shares of a deployment that names none.
pub const DEPLOYMENT_CPU_SHARES_DEFAULT: u32 = 1_024;
/// The least and the most memory of a deployment, in MiB.
pub const DEPLOYMENT_MEMORY_MB: (u32, u32) = (16, 1 << 20);
/// The least and the most CPU shares of a deployment.
pub const DEPLOYMENT_CPU_SHARES: (u32, u32) = (2, 262_144);
/// The requests a minute of an API key that names none.
pub const RATE_PER_MINUTE_DEFAULT: u32 = 60;
/// The requests a minute of an API key, whatever is configured.
pub const RATE_PER_MINUTE_MAX: u32 = 6_000_000;
/// The requests of an API key that may come at once, unless its rate is lower or two seconds of it are more.
pub const RATE_BURST: u32 = 20;
/// The logins of one account a minute, from one address.
pub const LOGINS_PER_MINUTE: u32 = 5;
/// The requests a minute of one address whose credentials are wrong.
pub const WRONG_CREDENTIALS_PER_MINUTE: u32 = 300;
/// The characters of a password, at least.
pub const PASSWORD_CHARS_MIN: usize = 8;
/// The bytes of a password, at most.
pub const PASSWORD_BYTES_MAX: usize = 256;
/// How long a session lives.
pub const SESSION_LIFETIME: TimeDelta = TimeDelta::days(7);
/// How long a token that sets a new password can be used.
pub const PASSWORD_RESET_LIFETIME: TimeDelta = TimeDelta::hours(1);
/// How long a token that proves an address can be used.
pub const EMAIL_VERIFICATION_LIFETIME: TimeDelta = TimeDelta::hours(24);
/// The tokens of one user and purpose that can be used at once.
pub const USER_TOKENS_MAX: u32 = 5;
/// The resets of passwords a minute that are asked for from one address.
pub const RESETS_PER_MINUTE: u32 = 10;
/// The mails to one account a minute.
pub const MAILS_PER_MINUTE: u32 = 1;
/// The mails to one account that may be asked for at once.
pub const MAILS_BURST: u32 = 3;
/// How long a key of idempotency is remembered.
pub const IDEMPOTENCY_LIFETIME: TimeDelta = TimeDelta::hours(24);
/// The API keys of one user.
pub const KEYS_PER_USER_MAX: usize = 200;

// The queue.

/// The executions of one owner that may wait, unless configured otherwise.
pub const QUEUED_PER_OWNER_DEFAULT: u32 = 100_000;
/// The executions of one workflow that may wait, unless configured otherwise.
pub const QUEUED_PER_WORKFLOW_DEFAULT: u32 = 10_000;
/// The executions that may wait, whatever is configured.
pub const QUEUED_MAX: u32 = 1_000_000;

// Retention.

/// How long what was deleted can be restored.
pub const DELETED_RETENTION: TimeDelta = TimeDelta::days(90);
/// How long entries of the audit log are kept.
pub const AUDIT_LOG_RETENTION: TimeDelta = TimeDelta::days(365);
/// How long lines of executions' logs are kept, unless configured otherwise.
pub const EXECUTION_LOG_RETENTION_DEFAULT: TimeDelta = TimeDelta::days(30);

/// What an execution's input may be.
pub const EXECUTION_INPUT: JsonLimits = json(EXECUTION_INPUT_BYTES_MAX);
/// What the variables of a deployment may be, and its settings.
pub const DEPLOYMENT_JSON: JsonLimits = json(64 * KIB);
/// What the output of a step may be.
pub const STEP_OUTPUT: JsonLimits = json(STEP_OUTPUT_BYTES_MAX);
/// What the document of a workflow may be.
pub const DOCUMENT: JsonLimits = json(DOCUMENT_BYTES_MAX);

const fn json(bytes_max: usize) -> JsonLimits {
    JsonLimits {
        bytes_max,
        depth_max: JSON_DEPTH_MAX,
        tokens_max: JSON_TOKENS_MAX,
        string_bytes_max: JSON_STRING_BYTES_MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_default_is_past_its_maximum() {
        let pairs = [
            (STEPS_DEFAULT as u64, STEPS_MAX as u64),
            (STEP_ATTEMPTS_DEFAULT.into(), STEP_ATTEMPTS_MAX.into()),
            (MAP_ITEMS_DEFAULT.into(), MAP_ITEMS_MAX.into()),
            (LOOP_ROUNDS_DEFAULT.into(), LOOP_ROUNDS_MAX.into()),
            (CHILD_DEPTH_DEFAULT.into(), CHILD_DEPTH_MAX.into()),
            (TAKEOVERS_DEFAULT.into(), TAKEOVERS_MAX.into()),
            (STEP_TIMEOUT_MS_DEFAULT.into(), STEP_TIMEOUT_MS_MAX.into()),
            (EXECUTION_TIMEOUT_MS_DEFAULT, EXECUTION_TIMEOUT_MS_MAX),
            (QUEUED_PER_OWNER_DEFAULT.into(), QUEUED_MAX.into()),
        ];
        for (default, max) in pairs {
            assert!(default <= max, "{default} > {max}");
        }
    }
}
