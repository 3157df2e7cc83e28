//! Random workflows of all types of steps, bounded in what they do and for how long they wait.

use serde_json::{Value, json};
use turbocat_domain::document::Document;
use turbocat_testkit::random::Random;

/// The event that workflows wait for.
pub(crate) const EVENT: &str = "go";

/// A workflow, and where people may be asked.
pub(crate) struct Written {
    pub(crate) document: Value,
    /// The paths of the approvals that are in no body.
    pub(crate) approvals: Vec<String>,
}

/// Writes a random workflow; one that may call others names the agents that do.
pub(crate) fn random_document(random: &mut Random, name: &str, callees: &[&str]) -> Written {
    for _ in 0..20 {
        let written = Writer { random, callees, steps: Vec::new(), approvals: Vec::new(), left: 12 }.write(name);
        // A random step may wait for two branches of one condition, of which only one is ever taken.
        if Document::parse(&with_agents(&written.document)).is_ok() {
            return written;
        }
    }
    panic!("twenty random documents were all refused");
}

/// The document with the agents that are left to the world to name.
fn with_agents(document: &Value) -> Value {
    let mut document = document.clone();
    for step in document["steps"].as_array_mut().unwrap() {
        if step["type"] == "agent" && step.get("agent").is_none() {
            step["agent"] = json!("echo");
        }
    }
    document
}

/// The input of an execution: its documents read these.
pub(crate) fn random_input(random: &mut Random) -> Value {
    let list: Vec<u64> = (0..random.below(4)).collect();
    json!({ "n": random.below(4), "list": list, "kind": pick(random, &["a", "b", "c"]), "o": { "x": 1, "y": 2, "z": 3 } })
}

fn pick<T: Copy>(random: &mut Random, items: &[T]) -> T {
    *random.pick(items).unwrap()
}

struct Writer<'a> {
    random: &'a mut Random,
    callees: &'a [&'a str],
    steps: Vec<Value>,
    approvals: Vec<String>,
    /// So many more steps may be written.
    left: u64,
}

impl Writer<'_> {
    fn write(mut self, name: &str) -> Written {
        let size = 2 + self.random.below(6);
        self.body(0, size);
        let mut settings = json!({});
        if self.random.below(3) == 0 {
            settings["max_parallel_steps"] = json!(1 + self.random.below(3));
        }
        if self.random.below(4) == 0 {
            settings["timeout_ms"] = json!(10_000 + self.random.below(80_000));
        }
        let document = json!({ "name": name, "settings": settings, "steps": self.steps });
        Written { document, approvals: self.approvals }
    }

    /// Writes the steps of a body, which begin after one another or together. Returns their keys.
    fn body(&mut self, depth: u64, size: u64) -> Vec<String> {
        let mut keys: Vec<String> = Vec::new();
        for _ in 0..size {
            let parents: Vec<String> =
                (0..self.random.below(3)).filter_map(|_| self.random.pick(&keys).cloned()).collect();
            let mut parents: Vec<String> = parents.into_iter().collect();
            parents.sort();
            parents.dedup();
            let key = format!("s{}", self.steps.len());
            // The place of the step is taken before the steps of its bodies are written.
            self.steps.push(Value::Null);
            let at = self.steps.len() - 1;
            let mut step = self.step(depth, &key, &parents, &mut keys);
            step["key"] = json!(key);
            step["depends_on"] = json!(parents);
            if self.random.below(3) == 0 {
                step["join"] = json!(pick(self.random, &["all_done", "one_success", "none_failed"]));
            }
            if self.random.below(8) == 0 {
                step["if"] = json!("input.n > 0");
            }
            self.steps[at] = step;
            keys.push(key);
            self.left = self.left.saturating_sub(1);
        }
        keys
    }

    fn step(&mut self, depth: u64, key: &str, parents: &[String], keys: &mut Vec<String>) -> Value {
        let may_nest = depth < 2 && self.left > 2;
        match self.random.below(20) {
            0 | 1 => {
                json!({ "type": "wait", "config": { "duration_ms": pick(self.random, &[0, 300, 4_000, 15_000]) } })
            }
            2 | 3 => self.event(),
            4 => self.approval(depth, key),
            5 | 6 => self.condition(depth, key, keys),
            7 | 8 if may_nest => self.repeat(depth),
            9 | 10 if may_nest => self.map(depth),
            11 if may_nest => self.branches(depth),
            12 | 13 if !self.callees.is_empty() => self.call(),
            _ => self.agent(depth, parents),
        }
    }

    fn agent(&mut self, depth: u64, parents: &[String]) -> Value {
        let mut inputs = json!({ "n": "${{ input.n }}" });
        for parent in parents {
            inputs[parent] = json!(format!("${{{{ steps.{parent}.status }}}}"));
        }
        if depth > 0 && self.random.below(2) == 0 {
            inputs["index"] = json!("${{ index }}");
        }
        if self.random.below(4) == 0 {
            inputs["order"] = json!("${{ input.o.map(k, k) }}");
        }
        let mut step = json!({ "type": "agent", "inputs": inputs });
        step["retry_count"] = json!(self.random.below(3));
        step["retry_delay_ms"] = json!(pick(self.random, &[100, 1_000, 7_000]));
        step["timeout_ms"] = json!(pick(self.random, &[700, 3_000, 20_000]));
        step["on_error"] = json!(pick(self.random, &["fail", "continue", "continue", "retry"]));
        step
    }

    fn call(&mut self) -> Value {
        let on_error = pick(self.random, &["fail", "continue", "continue"]);
        json!({ "type": "agent", "agent": pick(self.random, self.callees), "on_error": on_error,
            "inputs": { "n": 1, "list": [1, 2], "kind": "a", "o": { "x": 1, "y": 2 } } })
    }

    fn event(&mut self) -> Value {
        let mut config = json!({ "event": { "name": EVENT }, "timeout_ms": 2_000 + self.random.below(25_000),
            "on_timeout": pick(self.random, &["fail", "continue"]) });
        match self.random.below(3) {
            0 => config["event"]["filter"] = json!("event.n > 1"),
            1 => config["lookback_ms"] = json!(10_000),
            _ => {}
        }
        json!({ "type": "wait", "config": config, "on_error": "continue" })
    }

    fn approval(&mut self, depth: u64, key: &str) -> Value {
        if depth == 0 {
            self.approvals.push(key.to_owned());
        }
        json!({ "type": "wait", "on_error": "continue", "config": { "on_timeout": "continue", "default": "nobody",
            "approval": { "min_approvals": 1 + self.random.below(2) }, "timeout_ms": 5_000 + self.random.below(25_000) } })
    }

    /// A condition decides about two agents of its own.
    fn condition(&mut self, depth: u64, key: &str, keys: &mut Vec<String>) -> Value {
        let branches = ["then", "else"].map(|branch| format!("{key}-{branch}"));
        for branch in &branches {
            let mut step = self.agent(depth, &[]);
            step["key"] = json!(branch);
            self.steps.push(step);
        }
        let [one, other] = &branches;
        let config = if self.random.below(2) == 0 {
            json!({ "if": "input.n > 1", "then": [one], "else": [other] })
        } else {
            json!({ "switch": "input.kind", "cases": { "a": [one], "b": [] }, "default": [other] })
        };
        keys.extend(branches);
        json!({ "type": "condition", "config": config })
    }

    fn inner(&mut self, depth: u64) -> Vec<String> {
        let size = 1 + self.random.below(2);
        self.body(depth + 1, size)
    }

    fn repeat(&mut self, depth: u64) -> Value {
        let mut config = json!({ "max_iterations": 3, "body": self.inner(depth) });
        match self.random.below(3) {
            0 => config["while"] = json!("iteration < 3"),
            1 => config["items"] = json!("${{ input.list }}"),
            _ => {
                config["items"] = json!([1, 2, 3]);
                config["break_if"] = json!("index >= 1");
            }
        }
        json!({ "type": "loop", "config": config, "on_error": pick(self.random, &["fail", "continue"]) })
    }

    fn map(&mut self, depth: u64) -> Value {
        let items = pick(self.random, &["${{ input.list }}", "${{ [1, 2, 3] }}"]);
        let mut config = json!({ "items": items, "body": self.inner(depth) });
        config["on_item_error"] = json!(pick(self.random, &["fail", "null", "drop"]));
        if self.random.below(2) == 0 {
            config["max_concurrency"] = json!(1 + self.random.below(2));
        }
        match self.random.below(4) {
            0 => config["wait_for"] = json!("any"),
            1 => config["wait_for"] = json!(2),
            _ => {}
        }
        json!({ "type": "parallel", "config": config, "on_error": pick(self.random, &["fail", "continue"]) })
    }

    fn branches(&mut self, depth: u64) -> Value {
        let (left, right) = (self.inner(depth), self.inner(depth));
        json!({ "type": "parallel", "on_error": pick(self.random, &["fail", "continue"]),
            "config": { "branches": { "left": left, "right": right } } })
    }
}

#[test]
fn random_documents_are_valid_and_have_steps_of_all_types() {
    let mut text = String::new();
    for seed in 0..200 {
        let written = random_document(&mut Random::new(seed), "w", &["call"]);
        text.push_str(&written.document.to_string());
    }
    let wanted = ["agent", "wait", "condition", "loop", "parallel", "branches", "while", "approval", "event", "switch"];
    for word in wanted {
        assert!(text.matches(&format!("\"{word}\"")).count() >= 10, "{word}");
    }
}
