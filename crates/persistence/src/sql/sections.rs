//! Statements of which parts are left out when there is nothing for them, with parameters by name.
//!
//! Lines `-- <name>` and `-- </name>` enclose a section. A parameter is written `{name}`; it gets its number where it
//! first stands in what is left, so that every variant has exactly the parameters that it uses.

/// One variant of a statement.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Variant {
    /// The statement, with numbered parameters.
    pub(super) sql: String,
    /// The name of each parameter, in the order of their numbers.
    pub(super) parameters: Vec<String>,
}

/// The statement with these of its sections.
pub(super) fn variant(source: &str, sections: &[&str]) -> Variant {
    let mut left_out = None;
    let mut sql = String::with_capacity(source.len());
    let mut parameters = Vec::new();
    for line in source.lines() {
        let mark = line.strip_prefix("-- <").and_then(|rest| rest.strip_suffix('>'));
        match (mark, left_out) {
            (Some(mark), Some(open)) if mark.strip_prefix('/') == Some(open) => left_out = None,
            (Some(mark), None) if !mark.starts_with('/') && !sections.contains(&mark) => left_out = Some(mark),
            (None, None) if !line.trim_start().starts_with("--") => {
                number(line, &mut sql, &mut parameters);
                sql.push('\n');
            }
            _ => {}
        }
    }
    Variant { sql, parameters }
}

/// Appends a line with numbers for names.
fn number(line: &str, sql: &mut String, parameters: &mut Vec<String>) {
    let mut rest = line;
    while let Some((before, name, after)) = next_name(rest) {
        let known = parameters.iter().position(|known| known == name);
        let position = known.unwrap_or_else(|| {
            parameters.push(name.to_owned());
            parameters.len() - 1
        });
        sql.push_str(before);
        sql.push('$');
        sql.push_str(&(position + 1).to_string());
        rest = after;
    }
    sql.push_str(rest);
}

/// The next `{name}`, with what stands before and after it.
fn next_name(text: &str) -> Option<(&str, &str, &str)> {
    let (before, behind) = text.split_once('{')?;
    let (name, after) = behind.split_once('}')?;
    Some((before, name, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "-- why\nSELECT {a}\n-- <x>\n, {b}, {a}\n-- </x>\n-- <y>\n, {c}\n-- </y>\nFROM t";

    #[test]
    fn a_section_that_is_not_wanted_takes_its_parameters_with_it() {
        let with = |sections: &[&str]| {
            let Variant { sql, parameters } = variant(SOURCE, sections);
            (sql.replace('\n', " "), parameters.join(" "))
        };

        assert_eq!(with(&[]), ("SELECT $1 FROM t ".to_owned(), "a".to_owned()));
        assert_eq!(with(&["y"]), ("SELECT $1 , $2 FROM t ".to_owned(), "a c".to_owned()));
        assert_eq!(with(&["x", "y"]), ("SELECT $1 , $2, $1 , $3 FROM t ".to_owned(), "a b c".to_owned()));
    }
}
