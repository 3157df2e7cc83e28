//! The documents are valid, and the model agrees with the engine's machine.

pub(crate) mod driver;

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::oracle::{case::Case, tally::Tally};

/// All orders of these are tried in each seed.
const ORDERS: u64 = 12;

#[test]
fn a_seed_gives_the_same_documents_and_orders() {
    let (one, again) = (Program::generate(7), Program::generate(7));

    assert_eq!(one.documents(), again.documents());
    assert_eq!(one.order(3), again.order(3));
    assert_ne!(one.order(3).id, one.order(4).id);
    assert_ne!(one.documents(), Program::generate(8).documents());
    assert_eq!(one.order(3).id.get_version_num(), 7);
}

#[test]
fn the_model_agrees_with_the_machine() {
    let mut tally = Tally::default();
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    let (mut exact, mut all) = (0, 0);
    for seed in 0..500 {
        let program = Program::generate(seed);
        let plans = driver::plans(&program);
        for n in 0..ORDERS {
            let order = program.order(n);
            let mut random = Random::of(seed, n);
            let mut log = driver::Log::default();
            driver::run(&plans, &order, &mut random, &mut log);
            for ended in log.ended {
                let forecast = program.forecast(&ended.workflow, &ended.row.input_data).unwrap();
                let forecast = if ended.was_cut { forecast.cut_short() } else { forecast };
                let before = tally.broken();
                Case { row: &ended.row, steps: &ended.steps, forecast: &forecast }.judge(&mut tally);
                if tally.broken() > before {
                    let document = program.documents().into_iter().find(|d| d["name"] == ended.workflow.as_str());
                    panic!("seed {seed}, order {n}: {:#?}\n{:#}", tally.findings(), document.unwrap());
                }
                exact += u64::from(forecast.is_exact());
                all += 1;
                *seen.entry(ended.row.status.clone()).or_default() += 1;
                for step in &ended.steps {
                    let what = step.reason.clone().or(step.error_code.clone()).unwrap_or(step.status.clone());
                    *seen.entry(format!("step {what}")).or_default() += 1;
                    *seen.entry("attempts past the first".to_owned()).or_default() += u64::from(step.attempt > 1);
                }
            }
        }
    }
    println!("{exact} of {all} executions are exact; {seen:?}");
    let statuses: BTreeSet<_> = ["completed", "failed", "cancelled", "timeout"].into();
    assert!(statuses.iter().all(|status| seen[*status] > 100), "{seen:?}");
    for step in ["condition_unmet", "dependency_skipped", "if_false", "cancelled", "loop_limit", "too_few_branches"] {
        assert!(seen[&format!("step {step}")] > 5, "{step}: {seen:?}");
    }
    assert!(exact * 100 > all * 50, "nothing races in half of all executions: {exact} of {all}");
}
