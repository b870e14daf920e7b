//! What the system knows about a process: processor time and memory from `/proc`, instructions and system calls by `perf`.

use std::fs;
use std::io;
use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use serde::Serialize;
use tokio::process::Child;
use tokio::process::Command;

/// What is counted, in the order in which `perf` is asked.
const EVENTS: [&str; 4] =
    ["instructions:u", "instructions:k", "raw_syscalls:sys_enter", "context-switches"];

/// Sums over a run, or what a request takes of them. What the machine cannot count is absent: virtual machines often have
/// no counters of instructions.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Counted {
    pub(crate) user_instructions: Option<f64>,
    pub(crate) kernel_instructions: Option<f64>,
    pub(crate) syscalls: Option<f64>,
    pub(crate) context_switches: Option<f64>,
}

impl Counted {
    pub(crate) fn map(self, change: impl Fn(f64) -> f64) -> Self {
        Self {
            user_instructions: self.user_instructions.map(&change),
            kernel_instructions: self.kernel_instructions.map(&change),
            syscalls: self.syscalls.map(&change),
            context_switches: self.context_switches.map(&change),
        }
    }
}

/// A `perf` that counts.
pub(crate) struct Counters(Child);

impl Counters {
    /// Begins to count, if there is a `perf`.
    pub(crate) fn start(pid: u32, time: Duration) -> Option<Self> {
        let mut command = Command::new("perf");
        command.args(["stat", "-x,", "-e", &EVENTS.join(","), "-p", &pid.to_string()]);
        command.args(["--", "sleep", &time.as_secs_f64().to_string()]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command.kill_on_drop(true).spawn().ok().map(Self)
    }

    /// Waits until its time is over.
    pub(crate) async fn wait(self) -> io::Result<Counted> {
        let output = self.0.wait_with_output().await?;
        Ok(counted(&String::from_utf8_lossy(&output.stderr)))
    }
}

fn counted(text: &str) -> Counted {
    let value = |event: &str| {
        let line = text.lines().find(|line| line.split(',').nth(2) == Some(event))?;
        line.split(',').next()?.parse().ok()
    };
    let [user_instructions, kernel_instructions, syscalls, context_switches] = EVENTS.map(value);
    Counted { user_instructions, kernel_instructions, syscalls, context_switches }
}

/// User and system time so far, in hundredths of a second as Linux counts; 0 if the process is gone.
pub(crate) fn cpu_seconds(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name before them may hold blanks.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// Resident memory in KiB, without what the kernel holds for its sockets; 0 if the process is gone.
pub(crate) fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_perf_says_is_read() {
        let said = "\n1200,,instructions:u,1,100.00,,\n2400,,instructions:k,1,100.00,,\n\
                    3,,raw_syscalls:sys_enter,1,100.00,,\n0,,context-switches,1,100.00,,\n";
        let each = counted(said).map(|sum| sum / 3.0);
        assert_eq!((each.user_instructions, each.kernel_instructions), (Some(400.0), Some(800.0)));
        assert_eq!((each.syscalls, each.context_switches), (Some(1.0), Some(0.0)));
        let partly = counted(&said.replace("1200", "<not supported>"));
        assert_eq!((partly.user_instructions, partly.syscalls), (None, Some(3.0)));
    }

    #[test]
    fn a_process_has_memory_and_time() {
        assert!(resident(std::process::id()) > 100);
        assert!(cpu_seconds(std::process::id()) >= 0.0);
        assert_eq!(resident(u32::MAX), 0);
    }
}
