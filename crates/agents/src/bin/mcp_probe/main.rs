//! A server of tools that speaks the Model Context Protocol through its pipes, for the tests of the crate.

mod tools;

use std::io::{BufRead, Write};

use serde_json::Value;

fn main() {
    let mut server = tools::Server::default();
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let Ok(message) = serde_json::from_str::<Value>(&line) else { continue };
        if let Some(answer) = server.answer(&message) {
            let mut output = std::io::stdout().lock();
            // Who asked may be gone.
            let _gone = writeln!(output, "{answer}").and_then(|()| output.flush());
        }
    }
}
