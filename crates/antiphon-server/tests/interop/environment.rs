//! Installs the published SDKs, once, below `target/interop`; a run that finds them there is quick.
//!
//! Installation needs the package registries; later runs need no network. A lock file keeps
//! test processes that start at the same time from installing over each other.

use std::env;
use std::fs;
use std::fs::File;
use std::io;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;
use std::sync::OnceLock;

use crate::encryption;
use crate::sdk::Sdk;

/// The mark of a finished installation; its text is the steps that made it.
const READY: &str = "ready";

/// Whether all of `sdks` can run here. Says on stderr what is missing; fails under `CI=true`.
pub(crate) fn has(sdks: &[Sdk]) -> bool {
    let Some(missing) = sdks.iter().flat_map(|sdk| tools(*sdk)).find(|tool| !runs(tool)) else {
        return true;
    };
    let in_ci = env::var("CI").is_ok_and(|value| value == "true");
    assert!(!in_ci, "{missing} not found, and CI=true allows no skipping");
    say(&format!("skipped: {missing} not found"));
    false
}

/// The command that starts an agent of `sdk`, after installing the SDK where needed.
pub(crate) fn agent_command(sdk: Sdk) -> Command {
    let home = installed(sdk);
    let agents = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/agents");
    let mut command = if sdk.is_python() {
        let mut python = Command::new(home.join("bin/python"));
        python.arg(agents.join("agent.py"));
        python
    } else {
        let mut node = Command::new("node");
        node.arg(agents.join("agent.js")).env("NODE_PATH", home.join("node_modules"));
        node
    };
    command.env_remove("PYTHONPATH");
    let authority = encryption::authority();
    command.env("SSL_CERT_FILE", &authority).env("NODE_EXTRA_CA_CERTS", &authority);
    command
}

const fn tools(sdk: Sdk) -> &'static [&'static str] {
    match sdk {
        Sdk::Py66 | Sdk::Py612 => &["python3"],
        Sdk::Js => &["node", "npm"],
        Sdk::Rust => &[],
    }
}

fn runs(tool: &str) -> bool {
    let status =
        Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// The folder of a finished installation. One attempt a process: a failure is not repeated.
fn installed(sdk: Sdk) -> &'static Path {
    static HOMES: [OnceLock<Result<PathBuf, String>>; 3] = [const { OnceLock::new() }; 3];
    match HOMES[sdk as usize].get_or_init(|| install(sdk)) {
        Ok(home) => home,
        Err(error) => panic!("{sdk} cannot be installed: {error}"),
    }
}

fn install(sdk: Sdk) -> Result<PathBuf, String> {
    let root = root();
    let home = root.join(sdk.to_string());
    fs::create_dir_all(&root).expect("cannot create target/interop");
    let lock = File::create(root.join(format!("{sdk}.lock"))).expect("cannot create the lock file");
    lock.lock().expect("cannot lock the installation");
    let steps = steps(sdk, &home);
    let recipe = format!("{steps:?}");
    if fs::read_to_string(home.join(READY)).is_ok_and(|made_by| made_by == recipe) {
        return Ok(home);
    }
    if home.exists() {
        fs::remove_dir_all(&home).expect("cannot remove a half-made installation");
    }
    say(&format!("installing {sdk} below {}", home.display()));
    steps.iter().try_for_each(|step| perform(step))?;
    fs::write(home.join(READY), recipe).expect("cannot mark the installation as ready");
    Ok(home)
}

/// `target/interop`, wherever cargo keeps `target`.
fn root() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("target/tmp has a parent");
    target.join("interop")
}

fn steps(sdk: Sdk, home: &Path) -> Vec<Vec<String>> {
    let folder = home.display().to_string();
    let python = home.join("bin/python").display().to_string();
    let venv = words(&["python3", "-m", "venv", &folder]);
    let pip = [&python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    let install = |rest: &[&str]| words(&[pip.as_slice(), rest].concat());
    match sdk {
        // Its pins are too old for a current Python: take versions that work, then the SDK alone.
        Sdk::Py66 => vec![
            venv,
            install(&[
                "aiohttp<4",
                "cbor2<6",
                "stringcase",
                "typing_extensions",
                "structlog<21",
                "attrs<21",
            ]),
            install(&["--no-deps", "--ignore-requires-python", "diffusion==6.6rc1"]),
        ],
        Sdk::Py612 => vec![venv, install(&["diffusion==6.12.2"])],
        Sdk::Js => vec![words(&[
            "npm",
            "install",
            "--no-audit",
            "--no-fund",
            "--prefix",
            &folder,
            "diffusion@6.12.1",
        ])],
        Sdk::Rust => Vec::new(),
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

fn perform(step: &[String]) -> Result<(), String> {
    let output = Command::new(&step[0])
        .args(&step[1..])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{step:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "{step:?} failed with {}:\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    ))
}

/// Past the test harness, which keeps what a passing test prints to itself.
fn say(text: &str) {
    writeln!(io::stderr(), "interop: {text}").ok();
}
