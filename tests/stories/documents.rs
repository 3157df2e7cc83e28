//! The documents of the stories.

/// A workflow of one step, and its agent: counts the words of a text.
pub(crate) const COUNT: &str = r#"
name: count
input:
  type: object
  required: [text]
  properties: { text: { type: string } }
output: { words: "${{ steps.words.output }}" }
steps:
  - key: words
    type: agent
    agent: count-words
    inputs: { text: "${{ input.text }}" }
---
kind: agent
name: count-words
type: data
config: { program: '.text | split(" ") | length' }
"#;

/// A workflow whose agent throws an error.
pub(crate) const BOOM: &str = r#"
name: boom
steps:
  - { key: fine, type: agent, agent: fine }
  - { key: boom, type: agent, agent: boom, depends_on: [fine] }
---
{ kind: agent, name: fine, type: data, config: { program: "1" } }
---
kind: agent
name: boom
type: code
config:
  language: javascript
  source: |
    export default function () {
      console.warn("this will not end well");
      throw new Error("kaboom");
    }
"#;

/// A workflow that takes a while: a step, a wait of some seconds, and a step that must not run twice.
pub(crate) const SLOW: &str = r#"
name: slow
output: { before: "${{ steps.before.output }}", after: "${{ steps.after.output }}" }
steps:
  - { key: before, type: agent, agent: one }
  - { key: pause, type: wait, depends_on: [before], config: { duration_ms: 3000 } }
  - { key: after, type: agent, agent: one, depends_on: [pause] }
---
{ kind: agent, name: one, type: data, max_concurrent_executions: 4, config: { program: "1" } }
"#;

/// A workflow that takes some seconds in small steps: ten rounds of a wait and a program.
pub(crate) const STEADY: &str = r#"
name: steady
output: { doubles: "${{ steps.rounds.output.results }}" }
steps:
  - key: rounds
    type: loop
    config: { items: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], max_iterations: 10, body: [nap, double] }
  - { key: nap, type: wait, config: { duration_ms: 400 } }
  - { key: double, type: agent, agent: double, depends_on: [nap], inputs: { n: "${{ item }}" } }
---
kind: agent
name: double
type: code
config: { language: javascript, source: "export default ({ n }) => 2 * n" }
"#;

/// A workflow whose program never ends by itself.
pub(crate) const BUSY: &str = r#"
name: busy
steps:
  - { key: spin, type: agent, agent: spin }
---
kind: agent
name: spin
type: code
config: { language: javascript, source: "export default () => { for (;;) {} }" }
"#;

/// A workflow that waits for ever.
pub(crate) const FOR_EVER: &str = r"
name: for-ever
steps:
  - { key: never, type: wait, config: { event: { name: never } } }
";
