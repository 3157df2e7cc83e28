//! The system calls that an interpreter needs; all others fail with `EPERM`.

use std::collections::BTreeMap;

use nix::unistd::getpid;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

/// Memory, the clock, random bytes, signals to itself, its end. Reading and writing reach only what is open.
const ALLOWED: [i64; 28] = [
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_lseek,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_brk,
    libc::SYS_madvise,
    libc::SYS_futex,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_getrusage,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_set_robust_list,
];

/// What an interpreter needs on top of that which reads its own library: opening, which landlock bounds, looking at
/// what is open, waiting, and to be started.
const ALLOWED_TO_PROGRAMS: [i64; 36] = [
    libc::SYS_execve,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_openat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    libc::SYS_getdents64,
    libc::SYS_getcwd,
    libc::SYS_pread64,
    libc::SYS_readv,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_fcntl,
    libc::SYS_uname,
    libc::SYS_sysinfo,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getppid,
    libc::SYS_prlimit64,
    libc::SYS_set_tid_address,
    libc::SYS_rseq,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_times,
    libc::SYS_umask,
    libc::SYS_getpgid,
    libc::SYS_getsid,
    libc::SYS_sched_getscheduler,
    libc::SYS_sched_getparam,
];

/// The same under the names that only this architecture has.
#[cfg(target_arch = "x86_64")]
const ALLOWED_TO_PROGRAMS_HERE: &[i64] = &[
    libc::SYS_arch_prctl,
    libc::SYS_open,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_readlink,
    libc::SYS_dup2,
    libc::SYS_poll,
    libc::SYS_select,
    libc::SYS_getrlimit,
    libc::SYS_time,
];
#[cfg(not(target_arch = "x86_64"))]
const ALLOWED_TO_PROGRAMS_HERE: &[i64] = &[];

/// Lets through what is allowed, from now on and for good.
pub(super) fn filter() -> Result<String, String> {
    apply(rules().map_err(|error| error.to_string())?)
}

/// The same for an interpreter that takes the place of this program.
pub(super) fn program_filter() -> Result<String, String> {
    let mut rules = rules().map_err(|error| error.to_string())?;
    // No condition: code is mapped by its loader.
    rules.extend(ALLOWED_TO_PROGRAMS.iter().chain(ALLOWED_TO_PROGRAMS_HERE).map(|call| (*call, Vec::new())));
    // Whether something is a terminal, and that it is not inherited.
    let asks = [libc::TCGETS, libc::FIOCLEX, libc::FIONCLEX];
    let ioctl = asks.into_iter().map(|ask| when(1, SeccompCmpOp::Eq, ask)).collect::<Result<_, _>>();
    rules.insert(libc::SYS_ioctl, ioctl.map_err(|error: BackendError| error.to_string())?);
    apply(rules)
}

fn apply(rules: BTreeMap<i64, Vec<SeccompRule>>) -> Result<String, String> {
    let left = rules.len();
    let program = compile(rules).map_err(|error| error.to_string())?;
    seccompiler::apply_filter(&program).map_err(|error| error.to_string())?;
    Ok(format!("{left} system calls are left"))
}

fn rules() -> Result<BTreeMap<i64, Vec<SeccompRule>>, BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = ALLOWED.into_iter().map(|call| (call, Vec::new())).collect();
    let executable = u64::try_from(libc::PROT_EXEC).unwrap_or_default();
    let no_code = || when(2, SeccompCmpOp::MaskedEq(executable), 0);
    rules.insert(libc::SYS_mmap, vec![no_code()?]);
    rules.insert(libc::SYS_mprotect, vec![no_code()?]);
    // Aborting is a signal to oneself.
    let own = u64::from(getpid().as_raw().unsigned_abs());
    rules.insert(libc::SYS_tgkill, vec![when(0, SeccompCmpOp::Eq, own)?]);
    Ok(rules)
}

fn compile(rules: BTreeMap<i64, Vec<SeccompRule>>) -> Result<BpfProgram, BackendError> {
    let refused = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let target: TargetArch = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, refused, SeccompAction::Allow, target)?.try_into()
}

fn when(argument: u8, operator: SeccompCmpOp, value: u64) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(vec![SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)?])
}
