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

use std::fmt::Display;

use landlock::{ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetStatus, Scope};
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
use super::request::Limits;

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

/// Confines the process for good.
pub(crate) fn confine(limits: &Limits) -> Vec<Layer> {
    close_inherited();
    vec![
        layer("resource_limits", limit_resources(limits)),
        layer("identity", drop_identity()),
        layer("parent_death", die_with_parent(limits.parent)),
        layer("no_new_privileges", no_new_privileges()),
        layer("landlock", landlock()),
        layer("descriptors", limit_descriptors()),
        layer("seccomp", syscalls::filter()),
    ]
}

fn layer<E: Display>(name: &str, outcome: Result<String, E>) -> Layer {
    let (active, detail) = match outcome {
        Ok(detail) => (true, detail),
        Err(error) => (false, error.to_string()),
    };
    Layer { name: name.to_owned(), active, detail }
}

/// Closes what a host may have left open for its children by mistake.
fn close_inherited() {
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else { return };
    let open: Vec<i32> = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    for descriptor in open.into_iter().filter(|descriptor| *descriptor > 2) {
        // The directory's own descriptor is among them, and is closed already.
        let _closed = close(descriptor);
    }
}

fn limit_resources(limits: &Limits) -> nix::Result<String> {
    let address_space = used_address_space().saturating_add(limits.memory_bytes).saturating_add(OVERHEAD_BYTES);
    let cpu_seconds = limits.timeout_ms.div_ceil(1_000).saturating_add(1);
    set_limit(Resource::RLIMIT_CORE, 0, 0)?;
    set_limit(Resource::RLIMIT_FSIZE, 0, 0)?;
    set_limit(Resource::RLIMIT_MEMLOCK, 0, 0)?;
    set_limit(Resource::RLIMIT_CPU, cpu_seconds, cpu_seconds.saturating_add(1))?;
    set_limit(Resource::RLIMIT_AS, address_space, address_space)?;
    Ok(format!("{} MiB of addresses, {cpu_seconds} s of processor time", address_space >> 20))
}

/// After everything that opens a descriptor.
fn limit_descriptors() -> nix::Result<String> {
    set_limit(Resource::RLIMIT_NPROC, 0, 0)?;
    set_limit(Resource::RLIMIT_NOFILE, 3, 3)?;
    Ok("no new descriptor, no new process".to_owned())
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

fn landlock() -> Result<String, String> {
    let abi = ABI::V6;
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))
        .and_then(|ruleset| ruleset.handle_access(AccessNet::from_all(abi)))
        .and_then(|ruleset| ruleset.scope(Scope::from_all(abi)))
        .and_then(Ruleset::create)
        .and_then(landlock::RulesetCreated::restrict_self)
        .map_err(|error| error.to_string())?;
    match status.ruleset {
        RulesetStatus::FullyEnforced => Ok("no file system, no network, no signals".to_owned()),
        RulesetStatus::PartiallyEnforced => Ok("no file system; the kernel knows only a part of the rest".to_owned()),
        RulesetStatus::NotEnforced => Err("the kernel has no landlock".to_owned()),
    }
}
