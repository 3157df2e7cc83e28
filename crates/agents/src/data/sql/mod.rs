//! Data agents in SQL: one query over tables that are made of the inputs, run by `PostgreSQL`.
//!
//! ```json
//! {
//!   "sql": "SELECT c.name, sum(o.total) AS total FROM orders o JOIN customers c ON c.id = o.customer GROUP BY c.name",
//!   "tables": {
//!     "orders": { "rows": "${{ input.orders }}", "columns": { "customer": "integer", "total": "numeric" } },
//!     "customers": { "csv": "${{ input.customers }}", "delimiter": ";" }
//!   },
//!   "max_rows": 1000
//! }
//! ```
//!
//! The answer is the list of rows, each an object. What a query may say is held twice: `statement` lets through what
//! it knows, and the database runs the rest under a role that has no rights.

mod statement;
mod table;

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize,
    de::{Deserializer, MapAccess, Visitor},
};
use serde_json::{Map, Value};
use turbocat_domain::{
    limits,
    port::{AgentCall, TabularQuery, TabularSql},
    problem::{Problem, Problems},
    step_run::StepError,
};

use self::table::Table;
use crate::{
    agents::timeout_ms,
    config::{CallScope, Reader},
};

/// The configuration of a data agent in SQL.
#[derive(Debug)]
pub(crate) struct Config {
    /// The query, as it is sent.
    query: String,
    tables: BTreeMap<String, Table>,
    max_rows: u32,
}

impl Config {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let text = reader.required_text("sql", "a query in the SQL of PostgreSQL");
        let query = text.and_then(|text| match statement::canonical(text) {
            Ok(query) => Some(query),
            Err(problems) => {
                for problem in problems {
                    reader.problem("sql", problem);
                }
                None
            }
        });
        let tables = Table::read_all(reader);
        let most = u64::from(limits::SQL_ROWS_MAX);
        let max_rows = reader.integer("max_rows", &(1..=most)).and_then(|rows| u32::try_from(rows).ok());
        Some(Self { query: query?, tables, max_rows: max_rows.unwrap_or(limits::SQL_ROWS_DEFAULT) })
    }

    /// The query over these tables.
    fn over(&self, tables: &BTreeMap<&str, table::Rows>) -> String {
        let definitions: Vec<String> = tables.iter().map(|(name, rows)| rows.definition(name)).collect();
        let with = if definitions.is_empty() { String::new() } else { format!("WITH {} ", definitions.join(", ")) };
        format!("SELECT row_to_json(_turbocat_row)::text FROM ({with}({})) AS _turbocat_row", self.query)
    }

    fn ask(&self, tables: &BTreeMap<&str, table::Rows>, timeout_ms: u64) -> TabularQuery {
        let rows = tables.iter().map(|(name, rows)| ((*name).to_owned(), rows.values.clone()));
        TabularQuery {
            statement: self.over(tables),
            tables: Value::Object(rows.collect::<Map<_, _>>()),
            rows_max: self.max_rows,
            bytes_max: limits::STEP_OUTPUT_BYTES_MAX,
            timeout_ms: timeout_ms.min(limits::SQL_TIMEOUT_MS),
        }
    }
}

/// Runs one attempt.
pub(crate) async fn run(
    config: &Config,
    call: &AgentCall,
    database: Option<&dyn TabularSql>,
) -> Result<Value, StepError> {
    let Some(database) = database else {
        return Err(StepError::permanent(
            "sql_not_available",
            "there is no database here that runs the queries of agents",
        ));
    };
    let scope = CallScope { inputs: &call.inputs, output: None };
    let mut tables = BTreeMap::new();
    for (name, table) in &config.tables {
        let rows = table
            .rows(&scope)
            .map_err(|error| StepError { message: format!("table `{name}`: {}", error.message), ..error })?;
        tables.insert(name.as_str(), rows);
    }
    let lines = database.rows(&config.ask(&tables, timeout_ms(call))).await?;
    lines.iter().map(|line| read_row(line)).collect::<Result<Vec<_>, _>>().map(Value::Array)
}

/// Has the database parse the query and look its names up, over tables without rows; without their types they
/// are not known yet.
pub(crate) async fn check(config: &Config, database: Option<&dyn TabularSql>) -> Result<(), Problems> {
    let Some(database) = database else { return Ok(()) };
    let typed = config.tables.iter().map(|(name, table)| Some((name.as_str(), table.without_rows()?)));
    let Some(tables) = typed.collect::<Option<BTreeMap<_, _>>>() else { return Ok(()) };
    match database.rows(&config.ask(&tables, limits::SQL_TIMEOUT_MS)).await {
        Err(error) if error.code == "data_failed" => Err(Problem::new("invalid_program", "sql", error.message).into()),
        _ => Ok(()),
    }
}

/// A row. Two columns of one name would be one member, and one of them lost.
fn read_row(line: &str) -> Result<Value, StepError> {
    let row: Row =
        serde_json::from_str(line).map_err(|error| StepError::permanent("data_failed", error.to_string()))?;
    match row.twice {
        Some(name) => {
            let message = format!("the answer has the column `{name}` twice: name them with AS");
            Err(StepError::permanent("data_failed", message))
        }
        None => Ok(Value::Object(row.members)),
    }
}

struct Row {
    members: Map<String, Value>,
    twice: Option<String>,
}

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Row;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a row")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Row, A::Error> {
                let mut row = Row { members: Map::new(), twice: None };
                while let Some((name, value)) = access.next_entry::<String, Value>()? {
                    if row.members.insert(name.clone(), value).is_some() {
                        row.twice = Some(name);
                    }
                }
                Ok(row)
            }
        }

        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_query_stands_in_brackets_behind_its_tables() {
        let config = json!({
            "sql": "SELECT id -- all\nFROM orders", "tables": { "orders": { "rows": [], "columns": { "id": "integer" } } }
        });
        let config = Config::read(&mut Reader::new(&config)).unwrap();
        let tables = config.tables.iter().map(|(name, table)| (name.as_str(), table.without_rows().unwrap())).collect();

        assert_eq!(
            config.over(&tables),
            "SELECT row_to_json(_turbocat_row)::text FROM (WITH \"orders\" AS (SELECT * FROM \
             jsonb_to_recordset($1->'orders') AS _turbocat_rows(\"id\" integer)) (SELECT id FROM orders)) AS _turbocat_row"
        );
    }

    #[test]
    fn a_column_that_is_there_twice_is_not_lost() {
        assert_eq!(read_row(r#"{"a":1,"b":null}"#).unwrap(), json!({ "a": 1, "b": null }));
        assert!(read_row(r#"{"a":1,"a":2}"#).unwrap_err().message.contains("`a` twice"));
    }
}
