//! Memory, processor time and files of this process, as far as the system tells: on Linux, in `/proc`.

use std::fs;

/// What the system says.
#[derive(Debug, Default)]
pub(crate) struct Process {
    pub(crate) resident_bytes: Option<u64>,
    pub(crate) virtual_bytes: Option<u64>,
    pub(crate) cpu_seconds: Option<f64>,
    pub(crate) threads: Option<u64>,
    pub(crate) open_files: Option<u64>,
    pub(crate) most_files: Option<u64>,
}

impl Process {
    pub(crate) fn look() -> Self {
        let read =
            |file: &str| fs::read_to_string(format!("/proc/self/{file}")).unwrap_or_default();
        let (status, stat, limits) = (read("status"), read("stat"), read("limits"));
        Self {
            resident_bytes: field(&status, "VmRSS:").map(|kib| kib << 10),
            virtual_bytes: field(&status, "VmSize:").map(|kib| kib << 10),
            threads: field(&status, "Threads:"),
            cpu_seconds: cpu_seconds(&stat),
            // The listing itself holds one open.
            open_files: fs::read_dir("/proc/self/fd")
                .ok()
                .map(|files| (files.count() as u64).saturating_sub(1)),
            most_files: field(&limits, "Max open files"),
        }
    }
}

/// The first number behind a name at the beginning of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// User and system time: the twelfth and thirteenth field behind the name, which stands in parentheses.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut ticks = fields.split_whitespace().skip(11);
    let mut next = || ticks.next()?.parse::<u64>().ok();
    Some((next()? + next()?) as f64 / TICKS_PER_SECOND)
}

/// The unit of times in `/proc` is the same on every architecture that Linux runs on today.
const TICKS_PER_SECOND: f64 = 100.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_the_system_are_understood() {
        let status = "Name:\tx\nVmSize:\t  200 kB\nVmRSS:\t     100 kB\nThreads:\t3\n";
        assert_eq!((field(status, "VmRSS:"), field(status, "Threads:")), (Some(100), Some(3)));
        assert_eq!(field("", "VmRSS:"), None);
        let stat = "7 (a ) b) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0";
        assert_eq!(cpu_seconds(stat), Some(2.0));
        assert_eq!(cpu_seconds("7 (a"), None);
        let limits = "Limit  Soft\nMax open files            1024                 4096    files\n";
        assert_eq!(field(limits, "Max open files"), Some(1024));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_memory_and_files() {
        let process = Process::look();
        assert!(process.resident_bytes > Some(1 << 20), "{process:?}");
        assert!(process.open_files > Some(0) && process.most_files > process.open_files);
        assert!(process.cpu_seconds.is_some() && process.threads > Some(0), "{process:?}");
    }
}
