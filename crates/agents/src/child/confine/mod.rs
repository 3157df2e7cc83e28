//! Gives up every right that a program does not need, before the program is looked at.
//!
//! What the kernel lacks is left out and told: the interpreters themselves have no way to a file, a socket or a
//! process, so that each layer here guards against a flaw in them.
//!
//! # Invariants
//!
//! 1. What is left to the process: memory, the clock, random bytes, and the three pipes to its host.
//! 2. Another user's process cannot be signalled or traced, nor can another child.

mod attempts;
mod syscalls;

use std::{ffi::CString, fmt::Display};

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreated,
    RulesetCreatedAttr, RulesetError, RulesetStatus, Scope, path_beneath_rules,
};
use nix::{
    sys::{
        prctl,
        resource::{Resource, getrlimit, rlim_t, setrlimit},
        signal::Signal,
    },
    unistd::{Gid, Uid, close, geteuid, getpid, getppid, setgroups, setresgid, setresuid},
};
use serde::{Deserialize, Serialize};

pub(crate) use self::attempts::attempts;
use super::{
    output::Failure,
    request::{Interpreter, Limits},
};

/// One part of the confinement, and whether it holds here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Layer {
    pub(crate) name: String,
    pub(crate) active: bool,
    pub(crate) detail: String,
}

/// What the interpreter needs beside what the program may use: its own heap, the copies of inputs and answer.
const OVERHEAD_BYTES: u64 = 96 << 20;

/// Identities from here on belong to nobody; each child takes one of its own by its process id.
const FIRST_UID: u32 = 2_000_000_000;
const NOBODY: u32 = 65_534;

/// The descriptors of a program that reads its own library.
const PROGRAM_DESCRIPTORS: rlim_t = 64;

/// Confines the process for good, for what this program does itself.
pub(crate) fn confine(limits: &Limits) -> Vec<Layer> {
    vec![
        layer("resource_limits", limit_resources(limits).and_then(|seconds| limit_own_addresses(limits, seconds))),
        layer("identity", drop_identity()),
        layer("parent_death", die_with_parent(limits.parent)),
        layer("no_new_privileges", no_new_privileges()),
        layer("landlock", landlock(None)),
        layer("descriptors", limit_descriptors(3)),
        layer("seccomp", syscalls::filter()),
    ]
}

/// Confines the process for good, for an interpreter that takes its place: it may read its own library, too.
pub(crate) fn confine_program(limits: &Limits, interpreter: &Interpreter) -> Vec<Layer> {
    vec![
        layer("resource_limits", limit_resources(limits).map(|seconds| format!("{seconds} s of processor time"))),
        layer("identity", drop_identity()),
        layer("parent_death", die_with_parent(limits.parent)),
        layer("no_new_privileges", no_new_privileges()),
        layer("landlock", landlock(Some(interpreter))),
        layer("descriptors", limit_descriptors(PROGRAM_DESCRIPTORS)),
        layer("seccomp", syscalls::program_filter()),
    ]
}

/// Bounds a program of the operator's that takes the place of this one. It keeps its user, its files and its network:
/// it is there to reach them.
///
/// # Errors
///
/// What the kernel refuses.
pub(crate) fn confine_declared(limits: &Limits) -> Result<(), String> {
    const DESCRIPTORS: rlim_t = 4_096;
    let refused = |what: &'static str| move |error: nix::Error| format!("{what}: {error}");
    set_limit(Resource::RLIMIT_CORE, 0, 0).map_err(refused("no dump of memory"))?;
    set_limit(Resource::RLIMIT_NOFILE, DESCRIPTORS, DESCRIPTORS).map_err(refused("its descriptors"))?;
    // What it may write to: runtimes reserve far more addresses than they use.
    set_limit(Resource::RLIMIT_DATA, limits.memory_bytes, limits.memory_bytes).map_err(refused("its memory"))?;
    no_new_privileges().map_err(refused("no new privileges"))?;
    die_with_parent(limits.parent).map(drop)
}

/// The names of all layers.
pub const SANDBOX_LAYERS: [&str; 7] =
    ["resource_limits", "identity", "parent_death", "no_new_privileges", "landlock", "descriptors", "seccomp"];

/// Refuses to go on if a layer is missing that the operator wants.
pub(crate) fn hold(floor: &[String], layers: &[Layer]) -> Result<(), Failure> {
    for wanted in floor {
        let detail = match layers.iter().find(|layer| layer.name == *wanted) {
            Some(Layer { active: true, .. }) => continue,
            Some(Layer { detail, .. }) => detail.as_str(),
            None => "there is no such layer",
        };
        let message = format!("this machine confines programs less than it must: `{wanted}` is missing: {detail}");
        return Err(Failure::new("sandbox_too_weak", message));
    }
    Ok(())
}

/// Shows the end of a label, fifteen bytes, as the name of the process.
pub(crate) fn show(label: &str) {
    const NAME_BYTES_MAX: usize = 15;
    let start = label.ceil_char_boundary(label.len().saturating_sub(NAME_BYTES_MAX));
    let name = label.get(start..).and_then(|name| CString::new(name).ok());
    if let Some(name) = name {
        // It is only for who looks at the list of processes.
        let _ignored = prctl::set_name(&name);
    }
}

fn layer<E: Display>(name: &str, outcome: Result<String, E>) -> Layer {
    let (active, detail) = match outcome {
        Ok(detail) => (true, detail),
        Err(error) => (false, error.to_string()),
    };
    Layer { name: name.to_owned(), active, detail }
}

/// Closes what a host may have left open for its children by mistake.
pub(crate) fn close_inherited() {
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else { return };
    let open: Vec<i32> = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    for descriptor in open.into_iter().filter(|descriptor| *descriptor > 2) {
        // The directory's own descriptor is among them, and is closed already.
        let _closed = close(descriptor);
    }
}

/// Returns the seconds of processor time that it may use.
fn limit_resources(limits: &Limits) -> nix::Result<u64> {
    let cpu_seconds = limits.timeout_ms.div_ceil(1_000).saturating_add(1);
    set_limit(Resource::RLIMIT_CORE, 0, 0)?;
    set_limit(Resource::RLIMIT_FSIZE, 0, 0)?;
    set_limit(Resource::RLIMIT_MEMLOCK, 0, 0)?;
    set_limit(Resource::RLIMIT_CPU, cpu_seconds, cpu_seconds.saturating_add(1))?;
    Ok(cpu_seconds)
}

fn limit_own_addresses(limits: &Limits, cpu_seconds: u64) -> nix::Result<String> {
    let address_space = used_address_space().saturating_add(limits.memory_bytes).saturating_add(OVERHEAD_BYTES);
    set_limit(Resource::RLIMIT_AS, address_space, address_space)?;
    Ok(format!("{} MiB of addresses, {cpu_seconds} s of processor time", address_space >> 20))
}

/// Bounds the memory of a program that takes the place of this one; the last thing before it does.
///
/// # Errors
///
/// If the kernel refuses it.
pub(crate) fn limit_addresses(limits: &Limits) -> nix::Result<()> {
    let address_space = limits.memory_bytes.saturating_add(OVERHEAD_BYTES);
    set_limit(Resource::RLIMIT_AS, address_space, address_space)
}

/// After everything that opens a descriptor.
fn limit_descriptors(most: rlim_t) -> nix::Result<String> {
    set_limit(Resource::RLIMIT_NPROC, 0, 0)?;
    set_limit(Resource::RLIMIT_NOFILE, most, most)?;
    Ok(format!("{most} descriptors, no new process"))
}

/// Lowers a limit; one that is lower already stays as it is.
fn set_limit(resource: Resource, soft: rlim_t, hard: rlim_t) -> nix::Result<()> {
    let (_, current) = getrlimit(resource)?;
    setrlimit(resource, soft.min(current), hard.min(current))
}

fn used_address_space() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")?.split_whitespace().next()?.parse().ok());
    size.map_or(512 << 20, |kib: u64| kib.saturating_mul(1024))
}

fn drop_identity() -> Result<String, String> {
    if !geteuid().is_root() {
        return Ok(format!("already user {}", geteuid()));
    }
    setgroups(&[]).map_err(|error| format!("the groups stay: {error}"))?;
    let own = FIRST_UID.saturating_add(getpid().as_raw().unsigned_abs());
    let become_user = |id: u32| {
        let (uid, gid) = (Uid::from_raw(id), Gid::from_raw(id));
        setresgid(gid, gid, gid).and_then(|()| setresuid(uid, uid, uid))
    };
    // A container may map few identities: nobody's is among them more often than one of our own.
    become_user(own)
        .map(|()| format!("user {own}"))
        .or_else(|_| become_user(NOBODY).map(|()| format!("user {NOBODY}")))
        .map_err(|error| format!("stays root: {error}"))
}

/// After the identity was dropped: a change of identity clears it.
fn die_with_parent(parent: u32) -> Result<String, String> {
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(|error| error.to_string())?;
    if getppid().as_raw().unsigned_abs() != parent {
        std::process::exit(0);
    }
    Ok("killed when its host dies".to_owned())
}

fn no_new_privileges() -> nix::Result<String> {
    prctl::set_dumpable(false)?;
    prctl::set_no_new_privs()?;
    Ok("no new privileges, not traceable".to_owned())
}

/// Nothing of the file system is left, or an interpreter's own part of it, to read.
fn landlock(interpreter: Option<&Interpreter>) -> Result<String, String> {
    let abi = ABI::V6;
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))
        .and_then(|ruleset| ruleset.handle_access(AccessNet::from_all(abi)))
        .and_then(|ruleset| ruleset.scope(Scope::from_all(abi)))
        .and_then(Ruleset::create)
        .and_then(|ruleset| match interpreter {
            Some(interpreter) => may_read(ruleset, interpreter),
            None => Ok(ruleset),
        })
        .and_then(RulesetCreated::restrict_self)
        .map_err(|error| error.to_string())?;
    let what = if interpreter.is_some() { "no file system but the interpreter's own" } else { "no file system" };
    match status.ruleset {
        RulesetStatus::FullyEnforced => Ok(format!("{what}, no network, no signals")),
        RulesetStatus::PartiallyEnforced => Ok(format!("{what}; the kernel knows only a part of the rest")),
        RulesetStatus::NotEnforced => Err("the kernel has no landlock".to_owned()),
    }
}

fn may_read(ruleset: RulesetCreated, interpreter: &Interpreter) -> Result<RulesetCreated, RulesetError> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    ruleset
        .add_rules(path_beneath_rules(&interpreter.folders, read))?
        // The loader is run as well as the interpreter; what else is mapped could only be run with the same rights.
        .add_rules(path_beneath_rules(&interpreter.files, read | AccessFs::Execute))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_run_without_a_layer_that_the_operator_wants() {
        let layer = |name: &str, active| Layer { name: name.to_owned(), active, detail: "none here".to_owned() };
        let layers = [layer("seccomp", true), layer("landlock", false)];
        let wanted = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();

        assert_eq!(hold(&wanted(&["seccomp"]), &layers), Ok(()));
        let failure = hold(&wanted(&["seccomp", "landlock"]), &layers).unwrap_err();
        assert_eq!(failure.code, "sandbox_too_weak");
        assert!(failure.message.contains("`landlock` is missing: none here"), "{}", failure.message);
        let failure = hold(&wanted(&["secomp"]), &layers).unwrap_err();
        assert!(failure.message.contains("`secomp` is missing: there is no such layer"), "{}", failure.message);
    }
}
