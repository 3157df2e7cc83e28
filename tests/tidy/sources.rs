//! What holds for every file.

use crate::workspace::{assert_none, sources};

const LINES_MAX: usize = 400;
const ROOT_LINES_MAX: usize = 60;

/// What stands in no file. Written in two parts, so that it does not stand in this one either.
const UNSAID: [(&str, &str); 6] =
    [("../", "shared"), ("/wo", "rk/"), ("/ro", "ot/"), ("/ho", "me/"), ("TO", "DO"), ("FIX", "ME")];

/// What waits without knowing for what: slow where it is too long, and wrong where it is too short.
const SLEEPS: [(&str, &str); 2] = [("thread::", "sleep("), ("time::", "sleep(")];

/// Where a sleep is none: the path begins with this, and the reason.
const NO_SLEEPERS: [(&str, &str); 3] = [
    ("crates/engine/tests/", "the clock is paused: a sleep is a step of the simulation"),
    ("crates/postgres/tests/cluster.rs", "it looks again, until a deadline, whether a process is gone"),
    ("crates/testkit/src/runner.rs", "it plays an agent that takes its time"),
];

#[test]
fn a_file_says_first_what_it_is() {
    let silent = sources().into_iter().filter(|source| !source.text.starts_with("//!")).map(|source| source.path);

    assert_none("these have no documentation at their head", &silent.collect::<Vec<_>>());
}

#[test]
fn no_file_grows_too_long() {
    let mut long = Vec::new();
    for source in sources() {
        let lines = source.product().lines().count();
        if lines > LINES_MAX {
            long.push(format!("{}: {lines} lines without its tests, at most {LINES_MAX}", source.path));
        }
    }
    assert_none("these are too long", &long);
}

#[test]
fn a_crate_root_is_a_table_of_contents() {
    let mut long = Vec::new();
    for source in sources().into_iter().filter(|source| !source.is_test()) {
        let is_root = source.path.ends_with("src/lib.rs") || source.path.ends_with("src/main.rs");
        let lines = source.product().lines().count();
        if is_root && lines > ROOT_LINES_MAX {
            long.push(format!("{}: {lines} lines, at most {ROOT_LINES_MAX}", source.path));
        }
    }
    assert_none("these crate roots are too long", &long);
}

#[test]
fn nothing_is_said_that_only_one_machine_or_one_day_understands() {
    let mut said = Vec::new();
    for source in sources() {
        for (number, line) in (1..).zip(source.text.lines()) {
            for word in UNSAID.map(|(one, other)| format!("{one}{other}")) {
                if line.contains(&word) {
                    said.push(format!("{}:{number}: {word}", source.path));
                }
            }
        }
    }
    assert_none("these say what should not be said", &said);
}

#[test]
fn tests_wait_for_something_and_never_sleep() {
    let mut sleeping = Vec::new();
    let is_exempt = |path: &str| NO_SLEEPERS.iter().any(|(begin, _)| path.starts_with(begin));
    for source in sources().into_iter().filter(|source| !is_exempt(&source.path)) {
        let tests = source.tests();
        let before = source.text.len() - tests.len();
        let first = source.text[..before].lines().count() + 1;
        for (number, line) in (first..).zip(tests.lines()) {
            if SLEEPS.iter().any(|(one, other)| line.contains(&format!("{one}{other}"))) {
                sleeping.push(format!("{}:{number}: {}", source.path, line.trim()));
            }
        }
    }
    assert_none("these tests sleep", &sleeping);
}

#[test]
fn lints_are_expected_with_a_reason_and_never_allowed() {
    let allow = format!("#[{}(", "allow");
    let allow_all = format!("#![{}(", "allow");
    let allowing =
        sources().into_iter().filter(|source| source.text.contains(&allow) || source.text.contains(&allow_all));

    assert_none("these allow lints", &allowing.map(|source| source.path).collect::<Vec<_>>());
}
