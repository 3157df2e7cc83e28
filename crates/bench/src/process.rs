//! What Linux knows about processes: CPU time and memory, read from `/proc`.
//!
//! A process that cannot be read has used nothing: it is gone, or this is another system.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// The unit of CPU times in `/proc`: Linux reports hundredths of a second on all architectures.
const TICK: Duration = Duration::from_millis(10);

/// The CPU time of this process, all its threads, with those that have ended.
pub(crate) fn own_cpu() -> Duration {
    cpu(Path::new("/proc/self"), 2)
}

/// The CPU time of the main thread.
pub(crate) fn main_thread_cpu() -> Duration {
    cpu(&PathBuf::from(format!("/proc/self/task/{}", std::process::id())), 2)
}

/// The CPU time of a process.
pub(crate) fn cpu_of(pid: u32) -> Duration {
    cpu(&PathBuf::from(format!("/proc/{pid}")), 2)
}

/// The CPU time of a process and its children, with those that have ended and been waited for.
pub(crate) fn tree_cpu(pid: u32) -> Duration {
    let children = fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.path());
    let alive: Duration = children.filter(|path| parent(path) == Some(pid)).map(|path| cpu(&path, 2)).sum();
    alive + cpu(&PathBuf::from(format!("/proc/{pid}")), 4)
}

/// The most memory that a process has held at once since its start or since [`forget_peak`], in bytes.
pub(crate) fn peak_rss_bytes(pid: Option<u32>) -> u64 {
    status_bytes(pid, "VmHWM:")
}

/// The memory that a process holds, in bytes.
pub(crate) fn rss_bytes(pid: Option<u32>) -> u64 {
    status_bytes(pid, "VmRSS:")
}

/// Lets the peak of this process's memory begin anew.
pub(crate) fn forget_peak() {
    // Where that is refused, the peak is that of the whole run: too high, never too low.
    let _refused = fs::write("/proc/self/clear_refs", "5");
}

fn status_bytes(pid: Option<u32>, field: &str) -> u64 {
    let path = pid.map_or_else(|| "/proc/self/status".to_owned(), |pid| format!("/proc/{pid}/status"));
    let text = fs::read_to_string(path).unwrap_or_default();
    let kib = text.lines().find_map(|line| line.strip_prefix(field)?.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or_default() * 1_024
}

/// The fields of a `stat` file after the name, which may itself hold anything.
fn fields(folder: &Path) -> Vec<String> {
    let text = fs::read_to_string(folder.join("stat")).unwrap_or_default();
    text.rsplit_once(") ").map(|(_, rest)| rest.split(' ').map(str::to_owned).collect()).unwrap_or_default()
}

fn parent(folder: &Path) -> Option<u32> {
    fields(folder).get(1)?.parse().ok()
}

/// The sum of the first of the four times: user, system, and both of the children that were waited for.
fn cpu(folder: &Path, times: usize) -> Duration {
    let ticks: u32 = fields(folder).iter().skip(11).take(times).filter_map(|time| time.parse::<u32>().ok()).sum();
    TICK * ticks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_works_uses_time_and_memory() {
        let before = own_cpu();
        let mut sum = 0_u64;
        while own_cpu() < before + TICK {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }

        assert!(own_cpu() > before);
        assert!(tree_cpu(std::process::id()) >= own_cpu());
        assert!(peak_rss_bytes(None) >= rss_bytes(None).min(1) && rss_bytes(None) > 1_000_000);
    }

    #[test]
    fn a_process_that_is_gone_has_used_nothing() {
        assert_eq!((cpu_of(u32::MAX), rss_bytes(Some(u32::MAX))), (Duration::ZERO, 0));
    }
}
