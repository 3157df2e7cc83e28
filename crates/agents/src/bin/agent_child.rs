//! The child process on its own, for the tests of the crate: see [`turbocat_agents::child_main`].

use std::process::ExitCode;

fn main() -> ExitCode {
    turbocat_agents::child_main()
}
