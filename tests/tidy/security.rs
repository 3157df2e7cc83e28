//! What `docs/security.md` says is shown by a test is shown by one.

use std::{collections::BTreeSet, fs};

use crate::workspace::{assert_none, root, sources};

/// The requirements of level 1 of ASVS 5.0.0, a chapter a line.
const LEVEL_1: &str = "\
    1.2.1 1.2.2 1.2.3 1.2.4 1.2.5 1.3.1 1.3.2 1.5.1 \
    2.1.1 2.2.1 2.2.2 2.3.1 \
    3.2.1 3.2.2 3.3.1 3.4.1 3.4.2 3.5.1 3.5.2 3.5.3 \
    4.1.1 4.4.1 \
    5.2.1 5.2.2 5.3.1 5.3.2 \
    6.1.1 6.2.1 6.2.2 6.2.3 6.2.4 6.2.5 6.2.6 6.2.7 6.2.8 6.3.1 6.3.2 6.4.1 6.4.2 \
    7.2.1 7.2.2 7.2.3 7.2.4 7.4.1 7.4.2 \
    8.1.1 8.2.1 8.2.2 8.3.1 \
    9.1.1 9.1.2 9.1.3 9.2.1 \
    10.4.1 10.4.2 10.4.3 10.4.4 10.4.5 \
    11.3.1 11.3.2 11.4.1 \
    12.1.1 12.2.1 12.2.2 \
    13.4.1 \
    14.2.1 14.3.1 \
    15.1.1 15.2.1 15.3.1";

/// A row of the table: the requirement, and what shows it.
struct Row {
    number: String,
    shown_by: String,
}

impl Row {
    /// The tests that it names.
    fn tests(&self) -> impl Iterator<Item = &str> {
        self.shown_by.split('`').skip(1).step_by(2)
    }
}

fn rows() -> Vec<Row> {
    let text = fs::read_to_string(root().join("docs/security.md")).unwrap();
    let rows = text.lines().filter_map(|line| {
        let cells: Vec<&str> = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ").collect();
        let [number, _asked, shown_by] = cells[..] else { return None };
        let is_number = number.split('.').all(|part| part.parse::<u8>().is_ok());
        is_number.then(|| Row { number: number.to_owned(), shown_by: shown_by.to_owned() })
    });
    rows.collect()
}

/// The names of all tests: functions behind an attribute that makes them one, and rules of the contract.
fn tests() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for source in sources() {
        let is_contract = source.path.starts_with("crates/testkit/src/contract/");
        let mut is_marked = false;
        for line in source.text.lines().map(str::trim_start) {
            is_marked |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
            let function = line.strip_prefix("pub ").filter(|_| is_contract).or((!is_contract).then_some(line));
            let function = function.map(|line| line.strip_prefix("async ").unwrap_or(line));
            let Some(rest) = function.and_then(|line| line.strip_prefix("fn ")) else { continue };
            if is_marked || is_contract {
                names.extend(rest.split(['(', '<']).next().map(str::to_owned));
            }
            is_marked = false;
        }
    }
    assert!(names.len() > 500, "only {} tests were found", names.len());
    names
}

#[test]
fn every_requirement_of_level_1_is_there_in_its_order() {
    let numbers: Vec<String> = rows().into_iter().map(|row| row.number).collect();
    let expected: Vec<&str> = LEVEL_1.split_whitespace().collect();

    assert_eq!(expected.len(), 70);
    assert_eq!(numbers, expected);
}

#[test]
fn every_requirement_is_shown_by_tests_that_exist_or_says_why_it_is_not() {
    let (known, mut shown, mut wrong) = (tests(), 0, Vec::new());
    for row in rows() {
        let says_why = ["open: ", "does not apply: "].iter().any(|start| row.shown_by.starts_with(start));
        if row.tests().next().is_none() && !says_why {
            wrong.push(format!("{}: it names no test, and does not say why", row.number));
        }
        for test in row.tests().filter(|_| !says_why) {
            shown += 1;
            if !known.contains(test) {
                wrong.push(format!("{}: there is no test `{test}`", row.number));
            }
        }
    }
    assert!(shown > 50, "only {shown} tests are named");
    assert_none("docs/security.md says what is not so", &wrong);
}
