//! What a process has taken of memory and processor.

use std::time::Duration;

/// The memory of this process now and at its most, in MiB.
pub(super) fn memory() -> (f64, f64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let read = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        let kilobytes: f64 = line.split_whitespace().next().unwrap().parse().unwrap();
        kilobytes / 1_024.0
    };
    (read("VmRSS:"), read("VmHWM:"))
}

/// The time that this process has had of a processor. The clock ticks a hundred times a second.
pub(super) fn processor() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    // The name of the program comes before and may have spaces.
    let fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}

/// Connections that this process has open.
pub(super) fn sockets() -> usize {
    let open = std::fs::read_dir("/proc/self/fd").unwrap().filter_map(Result::ok);
    let targets = open.filter_map(|entry| std::fs::read_link(entry.path()).ok());
    targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count()
}

/// The one in the middle.
pub(super) fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}
