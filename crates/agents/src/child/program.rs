//! Takes the place of this process by a program that the operator declared.

use std::{os::unix::process::CommandExt, process::Command};

use super::{
    confine,
    request::{Limits, ProgramCall},
};

/// Becomes the program. Returns only why that failed.
pub(super) fn become_program(call: &ProgramCall, limits: &Limits) -> String {
    if let Err(refused) = confine::confine_declared(limits) {
        return format!("the program cannot be bounded: {refused}");
    }
    let mut command = Command::new(&call.command);
    command.args(&call.arguments).env_clear().envs(call.environment.iter().map(|(name, value)| (name, value)));
    if let Some(folder) = &call.folder {
        command.current_dir(folder);
    }
    format!("`{}` does not start: {}", call.command, command.exec())
}
