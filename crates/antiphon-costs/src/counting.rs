//! How instructions are counted: each case runs in a process of its own under callgrind, which counts while [`measured`] runs.
//!
//! Counts are the same on every machine that compiles the same, as far as it lies with us. The processor must not decide which
//! `memcpy` is taken, so glibc is told; and hash maps have random seeds, which move a count by less than the tolerance.

use std::env;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;

use crate::cases::CASES;

/// Runs what is to be counted. Valgrind knows it by its name.
#[inline(never)]
pub(crate) fn measured(work: &mut dyn FnMut()) {
    work();
    // Or the call would be a jump, and the end of it not be seen.
    std::hint::black_box(());
}

/// The instructions of one unit of each case.
pub(crate) fn count_all() -> Result<Vec<(&'static str, u64)>, String> {
    let (next, counts) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(case) = CASES.get(next.fetch_add(1, Relaxed)) {
                    let count = count(case.name);
                    counts.lock().expect("no thread panics").push((case.name, count));
                }
            });
        }
    });
    let mut counts = counts.into_inner().expect("no thread panics");
    counts.sort_by_key(|(name, _)| CASES.iter().position(|case| case.name == *name));
    counts.into_iter().map(|(name, count)| Ok((name, count?))).collect()
}

fn count(name: &str) -> Result<u64, String> {
    let program = env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--collect-atstart=no"])
        .arg(format!("--toggle-collect={MEASURED}"))
        .arg(program)
        .args(["case", name])
        .env("GLIBC_TUNABLES", TUNABLES)
        .output()
        .map_err(|error| format!("valgrind cannot be run, it is to be installed: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        return Err(format!("{name} failed:\n{said}"));
    }
    let units = String::from_utf8_lossy(&output.stdout).trim().parse::<u64>();
    let collected = said.lines().find_map(|line| line.split_once("Collected : "));
    let collected = collected.and_then(|(_, count)| count.trim().parse::<u64>().ok());
    match (collected, units) {
        (Some(collected), Ok(units)) if collected > 0 && units > 0 => Ok(collected / units),
        _ => Err(format!("{name}: nothing was counted:\n{said}")),
    }
}

/// The name of [`measured`], with the hash behind it.
const MEASURED: &str = "antiphon_costs::counting::measured*";

/// As on a processor with few extensions. Names that a glibc does not know it ignores.
const TUNABLES: &str =
    "glibc.cpu.hwcaps=-AVX2,-AVX2_Usable,-AVX_Fast_Unaligned_Load,-ERMS,-FSRM,-AVX512VL";
