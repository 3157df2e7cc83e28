//! What can be done about a failure, where its kind alone tells.

use turbocat_agents::AgentsError;
use turbocat_application::Error;
use turbocat_migration::MigrationError;
use turbocat_postgres::{ClusterError, NotInstalled};

const INPUT: &str = "give it with --input: JSON, or @FILE, or - for standard input";

/// What to do about a command that failed.
pub(crate) fn on(error: &anyhow::Error) -> Option<&'static str> {
    error.chain().find_map(|cause| {
        let cluster = || cause.downcast_ref().and_then(on_cluster);
        let schema = || cause.downcast_ref().and_then(on_schema);
        let refusal = || cause.downcast_ref().and_then(on_refusal);
        let agents = || cause.downcast_ref().and_then(on_agents);
        let server = || cause.downcast_ref().and_then(on_server);
        let here =
            cause.downcast_ref().map(on_missing).or_else(cluster).or_else(schema).or_else(refusal).or_else(agents);
        here.or_else(server)
    })
}

const fn on_missing(missing: &NotInstalled) -> &'static str {
    match missing {
        NotInstalled::Anywhere { .. } => {
            "--install-postgres does that for you; or name a PostgreSQL of yours with --database-url"
        }
        NotInstalled::InNamedFolder { .. } => {
            "correct TURBOCAT_PG_BIN, or unset it; or name a PostgreSQL of yours with --database-url"
        }
    }
}

fn on_cluster(error: &ClusterError) -> Option<&'static str> {
    Some(match error {
        ClusterError::NotInstalled(missing) => on_missing(missing),
        ClusterError::NoDataHome
        | ClusterError::Prepare { .. }
        | ClusterError::Foreign { .. }
        | ClusterError::Insecure { .. } => "name a folder that you can write to with --data-dir",
        ClusterError::Version { .. } => {
            "install that version beside it, or name another folder with --data-dir to begin anew"
        }
        _ => return None,
    })
}

fn on_schema(error: &MigrationError) -> Option<&'static str> {
    Some(match error {
        MigrationError::Behind { .. } => "run `turbocat migrate up`; `run`, `apply` and `up` do it by themselves",
        MigrationError::Ahead { .. } => "use the version of Turbocat that migrated it, or a later one",
        MigrationError::Address(_) => "it is written as postgres://USER:PASSWORD@HOST:PORT/DATABASE",
        MigrationError::Connect(_) => {
            "does the server run, and are host, port, user, password and the name of the database right?"
        }
        MigrationError::Grantee { .. } => {
            "make a role for the server, `CREATE ROLE turbocat_app LOGIN PASSWORD '…'`, that is a member of nothing"
        }
        MigrationError::Database(refused) if refused.to_string().contains("must be owner") => {
            "run it as the role that owns the tables"
        }
        MigrationError::Database(refused) if refused.to_string().contains("permission denied") => {
            "the user must be able to make tables: run `turbocat migrate up` as their owner, or let this user own the \
             database"
        }
        MigrationError::Lock(_) | MigrationError::Database(_) => return None,
    })
}

fn on_refusal(error: &Error) -> Option<&'static str> {
    match error {
        Error::Input(_) => Some(INPUT),
        _ => None,
    }
}

fn on_server(error: &turbocat_client::Error) -> Option<&'static str> {
    use turbocat_client::Error as Refusal;
    Some(match error {
        Refusal::Unreachable { .. } => {
            "does `turbocat up` run there, and is the address of --server (TURBOCAT_SERVER) the one that it listens on?"
        }
        Refusal::Address { .. } | Refusal::Foreign { .. } => {
            "--server (TURBOCAT_SERVER) is the address of a `turbocat up`, such as http://127.0.0.1:8484"
        }
        Refusal::Problem(problem) => match problem.code.as_str() {
            "unauthenticated" => {
                "set TURBOCAT_API_KEY to a key that stands: `turbocat keys create` on the machine of the server makes one"
            }
            "forbidden" => "use a key with that scope, of a user who may do that: see `turbocat keys create --help`",
            "invalid_input" => INPUT,
            _ => return None,
        },
        _ => return None,
    })
}

fn on_agents(error: &AgentsError) -> Option<&'static str> {
    match error {
        AgentsError::LlmBaseUrl(_) => Some("correct OPENAI_BASE_URL: an address such as http://localhost:11434/v1"),
        _ => None,
    }
}

/// What to do about a step that failed, by the code of its error; `docs/agents.md` tells of all of them.
pub(crate) fn on_step(code: &str) -> Option<&'static str> {
    Some(match code {
        "timeout" => {
            "give it more time: `timeout_ms` of the step, `max_execution_time` of its agent, `settings.timeout_ms` of \
             the workflow"
        }
        "out_of_memory" => "give it more memory: `max_memory_mb` of the agent",
        "egress_denied" => "if it may be reached, name it in TURBOCAT_EGRESS_ALLOW: a host, an address or a network",
        "missing_secret" => "set TURBOCAT_SECRET_<NAME> to it, and TURBOCAT_SECRET_<NAME>_HOSTS to where it may go",
        "secret_not_allowed" => "name the host in TURBOCAT_SECRET_<NAME>_HOSTS",
        "llm_unauthorized" => "check OPENAI_API_KEY and OPENAI_BASE_URL",
        "connect_failed" | "connection_lost" | "upstream_timeout" | "llm_unavailable" | "llm_overloaded" => {
            "`retry_count` and `retry_delay_ms` of the step let it try longer"
        }
        "output_too_large" => "return less: what is large belongs elsewhere, with its address as the output",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn advice_is_found_below_what_was_being_done() {
        let behind = MigrationError::Behind { pending: vec!["m0001".to_owned()] };
        let error = Err::<(), _>(behind).context("while looking").unwrap_err();

        assert!(on(&error).unwrap().contains("turbocat migrate up"));
        let missing = anyhow::Error::from(NotInstalled::Anywhere { command: None });
        assert!(on(&missing).unwrap().contains("--install-postgres"));
        assert_eq!(on(&anyhow::anyhow!("something else")), None);
    }
}
