//! `antiphon config`, and a server that reads its configuration again.

use std::fs;
use std::path::PathBuf;

use insta::assert_snapshot;
use tempfile::TempDir;

use crate::process::Handler;
use crate::process::Said;
use crate::process::Server;
use crate::process::antiphon;
use crate::process::run;

/// A configuration file that can be written again.
struct File {
    folder: TempDir,
}

impl File {
    fn new(text: &str) -> Self {
        let file = Self { folder: tempfile::tempdir().unwrap() };
        file.write(text);
        file
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("antiphon.toml")
    }

    fn write(&self, text: &str) {
        fs::write(self.path(), text).unwrap();
    }

    /// What `antiphon config` says about it, with `FOLDER` in place of where it is.
    fn said(&self, arguments: &[&str], variables: &[(&str, &str)]) -> String {
        let mut command = antiphon(&[&["config"], arguments].concat());
        command.arg("--config").arg(self.path()).envs(variables.iter().copied());
        Said::by(command).to_string().replace(self.folder.path().to_str().unwrap(), "FOLDER")
    }
}

#[test]
fn a_valid_configuration_is_said_to_be() {
    let file = File::new("request_timeout = \"5s\"\n");
    assert_snapshot!(file.said(&["check"], &[("ANTIPHON_LIMITS_SESSION", "1")]), @"
    exit 0
    stdout:
    the configuration is valid

    stderr:
    warning: nothing is known of the environment variable ANTIPHON_LIMITS_SESSION; did you mean ANTIPHON_LIMITS_SESSIONS?
    ");
    assert_snapshot!(file.said(&["check", "--json"], &[]), @r#"
    exit 0
    stdout:
    {"valid":true,"warnings":[]}
    "#);
}

#[test]
fn everything_that_is_wrong_is_said_with_its_place() {
    let file = File::new("reqest_timeout = \"5s\"\n[limits]\nsessions = 0\n");
    let variables = [("ANTIPHON_THREADS", "two")];
    assert_snapshot!(file.said(&["check"], &variables), @r#"
    exit 1
    stderr:
    error: the configuration is not valid
      FOLDER/antiphon.toml:1:1: unknown key reqest_timeout; did you mean request_timeout?
      ANTIPHON_THREADS: threads is "two"; write a whole number from 0 to 9223372036854775807
      FOLDER/antiphon.toml:3:12: limits.sessions is 0; choose at least 1, or leave the key out for its default
    "#);
    let json = Said::by({
        let mut command = antiphon(&["config", "check", "--json", "--threads", "0"]);
        command.env("ANTIPHON_DEV", "perhaps");
        command
    });
    assert_snapshot!(json, @r#"
    exit 1
    stderr:
    {"error":{"kind":"configuration","may_have_executed":false,"problems":[{"key":"dev","source":{"layer":"environment","name":"ANTIPHON_DEV"},"text":"dev is \"perhaps\"; write true or false"},{"key":"threads","source":{"layer":"flag","name":"--threads"},"text":"threads is 0; choose at least 1, or leave the key out for its default"}],"text":"ANTIPHON_DEV: dev is \"perhaps\"; write true or false\n--threads: threads is 0; choose at least 1, or leave the key out for its default"}}
    "#);
    file.write("threads = [");
    let said = file.said(&["check"], &[]);
    assert!(said.contains("FOLDER/antiphon.toml:1:12: the file is not TOML"), "{said}");
}

/// As a server would find it when it starts, or when it gets SIGHUP.
#[test]
fn the_files_that_are_named_are_looked_at() {
    let file = File::new(
        "[security]\nstore = \"security.toml\"\nauthenticators = [\"store\", \"jwt\", \"webhook\"]\n\
         [security.jwt]\nsecret = \"short\"\n\
         [security.webhook]\nurl = \"https://localhost/\"\nca = \"none.pem\"\n\
         [[listener]]\naddress = \"127.0.0.1:0\"\n\
         [[listener]]\naddress = \"127.0.0.1:0\"\ncertificate = \"server.pem\"\nkey = \"server.key\"\n",
    );
    let write = |name: &str, text: &str| fs::write(file.path().with_file_name(name), text).unwrap();
    write("short", "0123456789");
    write("server.pem", "");
    write("security.toml", "[principals.a]\npassword = \"open sesame\"\n");
    let said = file.said(&["check"], &[]);
    for line in [
        "FOLDER/antiphon.toml:13:15: listener.1.certificate \"FOLDER/server.pem\": holds no certificate; ",
        "FOLDER/antiphon.toml:2:9: security.store cannot be used: the security store FOLDER/security.toml is not valid: ",
        "FOLDER/antiphon.toml:5:10: security.jwt.secret ",
        "FOLDER/antiphon.toml:8:6: security.webhook.ca ",
    ] {
        let is_there = said.lines().any(|found| found.trim_start().starts_with(line));
        assert!(is_there, "no line {line:?} in\n{said}");
    }
    assert!(said.starts_with("exit 1") && !said.contains("sesame"), "{said}");
    // Four are wrong, and a headline says so.
    assert_eq!(said.lines().filter(|line| line.starts_with("  ")).count(), 4, "{said}");
}

#[test]
fn every_value_is_printed_with_where_it_comes_from() {
    let file =
        File::new("server_name = \"one\"\n\n[[path]]\npath = \"reports\"\ntimeout = \"2m\"\n");
    let variables = [("ANTIPHON_LIMITS_SESSIONS", "5"), ("ANTIPHON_LOG", "debug")];
    let said = file.said(&["print", "--threads", "3"], &variables);
    for line in [
        "server_name\t\"one\"\tFOLDER/antiphon.toml:1:15",
        "threads\t3\t--threads",
        "request_timeout\t\"10s\"\tdefault",
        "limits.sessions\t5\tANTIPHON_LIMITS_SESSIONS",
        "log.level\t\"debug\"\tANTIPHON_LOG",
        "log.format\t\tdefault",
        "path.0.timeout\t\"120s\"\tFOLDER/antiphon.toml:5:11",
    ] {
        assert!(said.lines().any(|found| found == line), "no line {line:?} in\n{said}");
    }
    let json = file.said(&["print", "--json"], &[]);
    for line in [
        r#"{"key":"server_name","source":{"column":15,"file":"FOLDER/antiphon.toml","layer":"file","line":1},"value":"one"}"#,
        r#"{"key":"log.format","source":{"layer":"default"},"value":null}"#,
    ] {
        assert!(json.lines().any(|found| found == line), "no line {line:?} in\n{json}");
    }
}

#[test]
fn the_default_file_is_a_valid_one() {
    let output = run(&["config", "default"]);
    assert!(output.status.success());
    let file = File::new(&String::from_utf8(output.stdout).unwrap());
    assert!(file.said(&["check"], &[]).contains("the configuration is valid"));
    assert!(!file.said(&["print"], &[]).contains("FOLDER"), "it changes nothing");
}

#[test]
fn a_server_takes_over_what_can_change_and_loses_no_session() {
    let start = "server_name = \"one\"\ndev = true\n[[listener]]\naddress = \"127.0.0.1:0\"\n";
    let file = File::new(start);
    let mut server = Server::start(&["serve", "--config", file.path().to_str().unwrap()]);
    let slow = ["slow", "--echo", "--delay", "300s"];
    let handler = Handler::start(&server, &slow);
    let mut echo = Handler::start(&server, &["echo", "--echo"]);

    file.write(&format!(
        "server_name = \"two\"\n[log]\nlevel = \"debug\"\n{}[[path]]\npath = \"slow\"\ntimeout = \"50ms\"\n",
        start.replace("server_name = \"one\"\ndev = true\n", "")
    ));
    // Keys of the top come before all tables.
    let text = fs::read_to_string(file.path()).unwrap();
    file.write(&format!("dev = true\n{text}"));
    server.signal("HUP");
    let waiting = server.log_line("a restart is needed");
    assert!(waiting.contains("server_name") && !waiting.contains("path"), "{waiting}");
    server.log_line("the configuration was reloaded");

    // The time limit is the new one, and both sessions are still there.
    let late = Said::by(server.admin(&["request", "slow", "x"]));
    assert_eq!(late.code, Some(6), "{late}");
    assert!(late.stderr.contains("50ms"), "{late}");
    assert_eq!(server.said(&["request", "echo", "hello"]).stdout, "hello\n");
    assert_eq!(echo.event("request")["path"], "echo");
    let listed = server.said(&["sessions"]).stdout;
    // Their ids are redacted: two handlers and the session that asks.
    assert_eq!(listed.lines().count(), 3, "{listed}");
    drop(handler);

    // One mistake, and all stays as it is.
    file.write("dev = true\nrequest_timeout = \"1h\"\n[[path]]\npath = \"a//b\"\n");
    server.signal("HUP");
    let refused = server.log_line("the configuration stays as it was");
    assert!(refused.contains("antiphon.toml:4:8") && refused.contains("illegal"), "{refused}");
    assert_eq!(server.said(&["request", "echo", "hello"]).stdout, "hello\n");

    fs::remove_file(file.path()).unwrap();
    server.signal("HUP");
    server.log_line("cannot read the configuration");
    server.signal("TERM");
    assert_eq!(server.end().0, Some(0));
}

#[test]
fn the_log_level_changes_live() {
    let start = "dev = true\n[[listener]]\naddress = \"127.0.0.1:0\"\n";
    let file = File::new(start);
    let mut server = Server::start(&["serve", "--config", file.path().to_str().unwrap()]);
    server.log_line("development mode");
    let refused = |server: &Server| {
        let mut command = server.admin(&["ping"]);
        command.env("ANTIPHON_PASSWORD", "wrong");
        assert_eq!(Said::by(command).code, Some(3));
    };
    refused(&server);
    server.log_line("authentication refused");
    file.write(&format!("{start}[log]\nlevel = \"debug\"\n"));
    server.signal("HUP");
    let next = server.log_line("\n");
    assert!(next.contains("was reloaded"), "that the connection ends is a detail: {next}");
    refused(&server);
    server.log_line("connection refused");
    server.signal("TERM");
    assert_eq!(server.end().0, Some(0));
}

#[test]
fn a_level_that_is_none_is_refused_with_its_place() {
    let file = File::new("[log]\nlevel = \"antiphon=loud\"\n");
    let said = file.said(&["check"], &[]);
    assert!(said.contains("FOLDER/antiphon.toml:2:9: log.level is"), "{said}");
}

#[test]
fn the_log_is_text_or_json() {
    for (format, begins) in [("text", ' '), ("json", '{')] {
        let mut command = antiphon(&["serve", "--dev", "--listen", "127.0.0.1:0"]);
        command.env("ANTIPHON_LOG_FORMAT", format);
        let mut server = Server::run(command);
        let line = server.log_line("development mode");
        assert_eq!(line.starts_with('{'), begins == '{', "{line}");
        server.signal("TERM");
        assert_eq!(server.end().0, Some(0));
    }
}
