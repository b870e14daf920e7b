//! From `--dev` to production: the commands of the README, one after the other in one shell, as they stand there; and that
//! the unit for systemd fits to the server.

use std::fs;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::path::Path;
use std::process::Child;
use std::process::ChildStdin;
use std::process::ChildStdout;
use std::process::Stdio;
use std::sync::mpsc;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::Duration;

use antiphon_server::Config;

use crate::process::Said;
use crate::process::antiphon;

/// A shell that is told one command after the other.
struct Shell {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    /// What it and all its commands say on standard error, line by line.
    said: Receiver<String>,
}

impl Shell {
    fn start(folder: &Path) -> Self {
        // It has the environment of a command, and none of the tester's settings.
        let clean = antiphon(&[]);
        let mut shell = std::process::Command::new("sh");
        shell.env_clear();
        shell.envs(
            std::env::vars_os()
                .filter(|(name, _)| !name.to_string_lossy().starts_with("ANTIPHON_")),
        );
        shell.envs(clean.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let program = Path::new(env!("CARGO_BIN_EXE_antiphon"));
        let path = std::env::var("PATH").unwrap();
        shell.env("PATH", format!("{}:{path}", program.parent().unwrap().display()));
        // Many tests run at the same time, and the port of the file is one.
        shell.env("ANTIPHON_LISTENER_0_ADDRESS", "127.0.0.1:0");
        shell.current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = shell.stderr(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (tell, said) = mpsc::channel();
        let errors = BufReader::new(child.stderr.take().unwrap());
        thread::spawn(move || {
            errors.lines().map_while(Result::ok).try_for_each(|line| tell.send(line))
        });
        Self { child, input, output: BufReader::new(output), said }
    }

    /// Runs a command to its end, or starts it if it ends with `&`; returns what it said and its exit code.
    fn run(&mut self, command: &str) -> (String, i32) {
        writeln!(self.input, "{command}\necho \"ended $?\"").unwrap();
        let mut said = String::new();
        loop {
            let mut line = String::new();
            assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "the shell ended");
            if let Some(code) = line.strip_prefix("ended ") {
                return (said, code.trim().parse().unwrap());
            }
            said.push_str(&line);
        }
    }

    /// Waits for a line on standard error.
    fn line(&self, text: &str) -> String {
        loop {
            let line = self.said.recv_timeout(Duration::from_secs(60)).unwrap();
            if line.contains(text) {
                return line;
            }
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = writeln!(self.input, "kill -9 $server; exit");
        let _ = self.child.wait();
    }
}

fn workspace(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name);
    fs::read_to_string(path).unwrap()
}

/// The commands of a section of the README: its first block of code.
fn commands(section: &str) -> Vec<String> {
    let page = workspace("README.md");
    let (_, text) = page.split_once(&format!("## {section}\n")).unwrap();
    let block = text.lines().skip_while(|line| !line.starts_with("    "));
    block.take_while(|line| line.starts_with("    ")).map(|line| line.trim().to_owned()).collect()
}

#[test]
fn five_commands_lead_from_development_mode_to_production() {
    let commands = commands("From --dev to production in five commands");
    let [init, serve, add, reload, connect] = &commands[..] else { panic!("{commands:?}") };
    let folder = tempfile::tempdir().unwrap();
    let mut shell = Shell::start(folder.path());

    let (administrator, code) = shell.run(init);
    assert_eq!(code, 0);
    let (name, password) = administrator.trim_end().split_once('\t').unwrap();
    assert_eq!(shell.run(serve).1, 0);
    shell.run("server=$!");
    let line = shell.line("; connect to ws://");
    assert!(!line.contains("development"), "{line}");
    let address = line.split(" listens on ").nth(1).unwrap().split(';').next().unwrap();
    let url = format!("ws://{address}");
    shell.run(&format!("export ANTIPHON_URL={url}"));

    // The administrator may come in already, with the password that was shown, and nobody else.
    let log_in = |name: &str, password: &str| {
        let mut command = antiphon(&["sessions", "--url", &url]);
        command.env("ANTIPHON_PRINCIPAL", name).env("ANTIPHON_PASSWORD", password);
        Said::by(command)
    };
    let sessions = log_in(name, password);
    assert!(sessions.code == Some(0) && sessions.stdout.contains("admin"), "{sessions}");
    for (name, password) in [(name, "password"), ("client", "password"), ("", "")] {
        assert_eq!(log_in(name, password).code, Some(3), "{name} is let in");
    }

    assert_eq!(shell.run(add), (String::new(), 0));
    assert_eq!(shell.run(connect).1, 3, "the server has not been told yet");
    assert_eq!(shell.run(reload), (String::new(), 0));
    shell.line("the configuration was reloaded");
    let (said, code) = shell.run(connect);
    assert_eq!(code, 0, "{said}");
}

/// It must have the time to end by itself, and know how to be told that its files have changed.
#[test]
fn the_unit_for_systemd_gives_the_server_its_time() {
    let unit = workspace("packaging/antiphon.service");
    let value = |key: &str| {
        let line = unit.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or_else(|| panic!("there is no {key}")).to_owned()
    };
    let seconds: u64 = value("TimeoutStopSec").parse().unwrap();
    let farewell = Duration::from_secs(3);
    assert!(Duration::from_secs(seconds) > Config::default().drain.timeout + farewell);
    assert!(value("ExecReload").contains("kill -HUP $MAINPID"));
    for key in ["ExecStart", "ExecStartPre"] {
        let command = value(key);
        let arguments: Vec<_> = command.split(' ').skip(1).collect();
        let help: Vec<_> = arguments
            .iter()
            .map(|word| match word.starts_with('/') {
                true => "/nowhere/antiphon.toml",
                false => word,
            })
            .collect();
        let said = Said::by(antiphon(&help));
        assert!(said.code == Some(1) && said.stderr.contains("/nowhere/antiphon.toml"), "{said}");
    }
}
