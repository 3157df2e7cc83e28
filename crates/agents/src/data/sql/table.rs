//! The tables of a query: rows of JSON or CSV, with the types of their columns.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use turbocat_domain::{expression::Mapping, limits, step_run::StepError};

use crate::config::{CallScope, Reader, Reads};

/// The types of columns, as a configuration writes them and as the database does.
const TYPES: [(&str, &str); 13] = [
    ("text", "text"),
    ("integer", "integer"),
    ("bigint", "bigint"),
    ("numeric", "numeric"),
    ("double", "double precision"),
    ("boolean", "boolean"),
    ("date", "date"),
    ("time", "time"),
    ("timestamp", "timestamp"),
    ("timestamptz", "timestamptz"),
    ("interval", "interval"),
    ("uuid", "uuid"),
    ("json", "jsonb"),
];

/// A table of a configuration.
#[derive(Debug)]
pub(super) struct Table {
    source: Source,
    /// The columns and their types; without, they are told from the rows.
    columns: Option<BTreeMap<String, &'static str>>,
}

#[derive(Debug)]
enum Source {
    Rows(Mapping),
    Csv { text: Mapping, delimiter: u8 },
}

/// A table of one call.
#[derive(Debug)]
pub(super) struct Rows {
    /// A list of objects.
    pub(super) values: Value,
    columns: BTreeMap<String, &'static str>,
}

impl Table {
    /// The member `tables`.
    pub(super) fn read_all(reader: &mut Reader<'_>) -> BTreeMap<String, Self> {
        let mut tables = BTreeMap::new();
        let Some(value) = reader.value("tables") else { return tables };
        let Some(entries) = value.as_object().filter(|entries| entries.len() <= limits::SQL_TABLES_MAX) else {
            reader.problem("tables", format!("must be an object of at most {} tables", limits::SQL_TABLES_MAX));
            return tables;
        };
        for (name, value) in entries {
            let key = format!("tables.{name}");
            if let Some(problem) = wrong_table_name(name) {
                reader.problem(&key, problem);
            }
            let mut inner = Reader::at(value, reader.path(&key));
            let table = Self::read(&mut inner);
            match inner.finish(table) {
                Ok(table) => {
                    tables.insert(name.clone(), table);
                }
                Err(problems) => reader.problems(problems),
            }
        }
        tables
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let rows = reader.mapping("rows", Reads::Input);
        let csv = reader.mapping("csv", Reads::Input);
        let delimiter = reader.text("delimiter").map(|text| <[u8; 1]>::try_from(text.as_bytes()));
        let delimiter = match delimiter {
            None => Some(b','),
            Some(Ok([byte])) if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => Some(byte),
            Some(_) => {
                reader.problem("delimiter", "must be one character, such as `;`");
                None
            }
        };
        let columns = read_columns(reader);
        let source = match (rows, csv) {
            (Some(rows), None) => Some(Source::Rows(rows)),
            (None, Some(text)) => delimiter.map(|delimiter| Source::Csv { text, delimiter }),
            _ => {
                reader.problem(
                    "rows",
                    "one of `rows` (a list of objects) and `csv` (a text) must be there, and one only",
                );
                None
            }
        };
        Some(Self { source: source?, columns })
    }

    /// The table of a call.
    pub(super) fn rows(&self, scope: &CallScope<'_>) -> Result<Rows, StepError> {
        let rows = match &self.source {
            Source::Rows(mapping) => objects(scope.evaluate(mapping)?)?,
            Source::Csv { text, delimiter } => match scope.evaluate(text)? {
                Value::String(text) => records(&text, *delimiter)?,
                other => return Err(invalid(format!("its CSV must be a text, not {other}"))),
            },
        };
        let columns = match &self.columns {
            Some(columns) => columns.clone(),
            None => inferred(&rows, matches!(self.source, Source::Csv { .. }))?,
        };
        Ok(Rows { values: Value::Array(rows.into_iter().map(Value::Object).collect()), columns })
    }

    /// The table without rows, if its columns are known.
    pub(super) fn without_rows(&self) -> Option<Rows> {
        Some(Rows { values: Value::Array(Vec::new()), columns: self.columns.clone()? })
    }
}

impl Rows {
    /// The table as a part of a query, whose `$1` has the rows of all.
    pub(super) fn definition(&self, name: &str) -> String {
        let columns: Vec<String> =
            self.columns.iter().map(|(name, kind)| format!("\"{}\" {kind}", name.replace('"', "\"\""))).collect();
        let columns = columns.join(", ");
        format!("\"{name}\" AS (SELECT * FROM jsonb_to_recordset($1->'{name}') AS _turbocat_rows({columns}))")
    }
}

fn wrong_table_name(name: &str) -> Option<&'static str> {
    let is_plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.len() <= limits::SQL_NAME_BYTES_MAX;
    if is_plain { None } else { Some("is no name of a table: small letters, digits and `_`, beginning with a letter") }
}

fn read_columns(reader: &mut Reader<'_>) -> Option<BTreeMap<String, &'static str>> {
    let value = reader.value("columns")?;
    let entries = value.as_object().filter(|entries| (1..=limits::SQL_COLUMNS_MAX).contains(&entries.len()));
    let Some(entries) = entries else {
        let most = limits::SQL_COLUMNS_MAX;
        reader.problem("columns", format!("must be an object of 1 to {most} names and types"));
        return None;
    };
    let mut columns = BTreeMap::new();
    for (name, kind) in entries {
        let key = format!("columns.{name}");
        if !is_column(name) {
            reader.problem(&key, "is no name of a column: 1 to 63 bytes, none of them NUL");
        }
        if let Some((_, kind)) = TYPES.iter().find(|(written, _)| kind.as_str() == Some(written)) {
            columns.insert(name.clone(), *kind);
        } else {
            let known: Vec<&str> = TYPES.iter().map(|(written, _)| *written).collect();
            reader.problem(&key, format!("must be one of {}", known.join(", ")));
        }
    }
    Some(columns)
}

fn is_column(name: &str) -> bool {
    (1..=limits::SQL_NAME_BYTES_MAX).contains(&name.len()) && !name.contains('\0')
}

fn objects(rows: Value) -> Result<Vec<Map<String, Value>>, StepError> {
    let Value::Array(items) = rows else { return Err(invalid("its rows must be a list of objects")) };
    let rows = items.into_iter().enumerate().map(|(index, item)| match item {
        Value::Object(row) => Ok(row),
        _ => Err(invalid(format!("its row {index} is no object"))),
    });
    rows.collect()
}

/// The records of CSV, by the names of its first line. An empty field is `null`.
fn records(text: &str, delimiter: u8) -> Result<Vec<Map<String, Value>>, StepError> {
    let broken = |error: csv::Error| invalid(format!("its CSV cannot be read: {error}"));
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(text.as_bytes());
    let names: Vec<String> = reader.headers().map_err(broken)?.iter().map(|name| name.trim().to_owned()).collect();
    if let Some(twice) =
        names.iter().enumerate().find_map(|(index, name)| names.get(..index)?.contains(name).then_some(name))
    {
        return Err(invalid(format!("its CSV has the column `{twice}` twice")));
    }
    let row = |record: csv::StringRecord| {
        let field = |text: &str| if text.is_empty() { Value::Null } else { Value::from(text) };
        names.iter().cloned().zip(record.iter().map(field)).collect::<Map<_, _>>()
    };
    reader.records().map(|record| record.map(row).map_err(broken)).collect()
}

/// The columns that the rows have, each with the narrowest type that takes all of its values.
fn inferred(rows: &[Map<String, Value>], is_text: bool) -> Result<BTreeMap<String, &'static str>, StepError> {
    let mut columns: BTreeMap<&str, Option<&'static str>> = BTreeMap::new();
    for (name, value) in rows.iter().flatten() {
        let column = columns.entry(name).or_default();
        let found = if is_text { kind_of_text(value.as_str()) } else { kind_of(value) };
        *column = joined(*column, found);
    }
    if columns.is_empty() {
        return Err(invalid("it has no rows to tell its columns from: name them in `columns`"));
    }
    if columns.len() > limits::SQL_COLUMNS_MAX {
        return Err(invalid(format!("it has {} columns; {} are allowed", columns.len(), limits::SQL_COLUMNS_MAX)));
    }
    if let Some(name) = columns.keys().find(|name| !is_column(name)) {
        return Err(invalid(format!("`{name}` is no name of a column: 1 to 63 bytes, none of them NUL")));
    }
    Ok(columns.into_iter().map(|(name, kind)| (name.to_owned(), kind.unwrap_or("text"))).collect())
}

/// The type of a value; none for `null`.
fn kind_of(value: &Value) -> Option<&'static str> {
    match value {
        Value::Null => None,
        Value::Bool(_) => Some("boolean"),
        Value::Number(number) if number.is_i64() => Some("bigint"),
        Value::Number(_) => Some("numeric"),
        Value::String(_) => Some("text"),
        Value::Array(_) | Value::Object(_) => Some("jsonb"),
    }
}

/// The type of a field of CSV. A number with leading zeros is a text: they mean something in it.
fn kind_of_text(text: Option<&str>) -> Option<&'static str> {
    let text = text?;
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_padded = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        && digits.starts_with(|c: char| c.is_ascii_digit());
    Some(match text {
        "true" | "false" => "boolean",
        _ if is_padded || !is_plain => "text",
        _ if text.parse::<i64>().is_ok() => "bigint",
        _ if text.parse::<f64>().is_ok() => "numeric",
        _ => "text",
    })
}

/// The type that takes the values of both.
fn joined(one: Option<&'static str>, other: Option<&'static str>) -> Option<&'static str> {
    match (one, other) {
        (None, kind) | (kind, None) => kind,
        (Some(one), Some(other)) if one == other => Some(one),
        (Some("bigint" | "numeric"), Some("bigint" | "numeric")) => Some("numeric"),
        (Some("jsonb"), _) | (_, Some("jsonb")) => Some("jsonb"),
        _ => Some("text"),
    }
}

fn invalid(message: impl Into<String>) -> StepError {
    StepError::permanent("invalid_input", message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rows(value: Value) -> Vec<Map<String, Value>> {
        objects(value).unwrap()
    }

    #[test]
    fn the_types_of_columns_are_told_from_all_rows() {
        let found = rows(json!([
            { "id": 1, "price": 1, "ok": true, "mixed": 1, "list": [], "none": null },
            { "id": 2, "price": 1.5, "ok": null, "mixed": "x", "list": 7, "late": "y" },
        ]));

        let columns = inferred(&found, false).unwrap();

        let columns: Vec<_> = columns.iter().map(|(name, kind)| format!("{name} {kind}")).collect();
        assert_eq!(
            columns.join(", "),
            "id bigint, late text, list jsonb, mixed text, none text, ok boolean, price numeric"
        );
        assert!(inferred(&[], false).unwrap_err().message.contains("`columns`"));
        assert!(inferred(&rows(json!([{ "x".repeat(64): 1 }])), false).is_err());
    }

    #[test]
    fn csv_is_read_by_its_first_line() {
        let text = "\u{feff}id;name ;zip;ok\r\n1;\"a;\"\"b\"\"\";01234;true\r\n2;;9;false\r\n";

        let found = records(text, b';').unwrap();

        assert_eq!(
            Value::from(found[0].clone()),
            json!({ "id": "1", "name": "a;\"b\"", "zip": "01234", "ok": "true" })
        );
        assert_eq!(found[1]["name"], Value::Null);
        let kinds: Vec<_> = inferred(&found, true).unwrap().into_values().collect();
        assert_eq!(kinds, ["bigint", "text", "boolean", "text"]);
        assert!(records("a,a\n1,2\n", b',').unwrap_err().message.contains("`a` twice"));
        assert!(records("a,b\n1\n", b',').unwrap_err().message.contains("cannot be read"));
    }

    #[test]
    fn a_field_is_a_number_only_if_nothing_is_lost_by_it() {
        for (text, kind) in [
            ("0", "bigint"),
            ("-7", "bigint"),
            ("0.5", "numeric"),
            ("007", "text"),
            ("9223372036854775808", "numeric"),
            ("1e5", "text"),
            ("NaN", "text"),
            ("inf", "text"),
            ("1.2.3", "text"),
            (".5", "text"),
            ("-", "text"),
        ] {
            assert_eq!(kind_of_text(Some(text)), Some(kind), "{text}");
        }
    }

    #[test]
    fn quotes_in_the_name_of_a_column_stay_in_it() {
        let rows = Rows { values: json!([]), columns: [("a\" int); --".to_owned(), "text")].into() };

        assert!(rows.definition("t").contains(r#"_turbocat_rows("a"" int); --" text)"#));
    }
}
