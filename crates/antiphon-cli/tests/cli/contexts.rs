//! `antiphon context`, and which of flag, environment, context and default counts.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use insta::assert_snapshot;
use tempfile::TempDir;

use crate::process::Said;
use crate::process::Server;
use crate::process::antiphon;

/// A place for contexts.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("antiphon/contexts.toml")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = antiphon(arguments);
        command.env("ANTIPHON_CONFIG_DIR", self.0.path().join("antiphon"));
        command
    }

    fn said(&self, arguments: &[&str]) -> Said {
        Said::by(self.command(arguments))
    }
}

#[test]
fn contexts_are_added_listed_selected_and_removed() {
    let home = Home::new();
    assert_snapshot!(home.said(&["context", "list"]), @"
    exit 0
    stderr:
    there are no contexts; `antiphon context add NAME` makes one
    ");
    let add = ["context", "add", "local", "--principal", "admin", "--password", "secret"];
    assert_snapshot!(home.said(&add), @"
    exit 0
    stdout:
    added and selected local
    ");
    let add = ["context", "add", "live", "--url", "wss://example.com", "--timeout", "2m", "--json"];
    assert_snapshot!(home.said(&add), @r#"
    exit 0
    stdout:
    {"added":"live","selected":false}
    "#);
    assert_snapshot!(home.said(&["context", "list"]), @"
    exit 0
    stdout:
      live	wss://example.com	(anonymous)
    * local	(default server)	admin
    ");
    assert_snapshot!(home.said(&["context", "select", "live"]), @"
    exit 0
    stdout:
    selected live
    ");
    assert_snapshot!(home.said(&["context", "list", "--json"]), @r#"
    exit 0
    stdout:
    {"has_password":false,"name":"live","principal":null,"properties":{},"selected":true,"timeout":"120s","url":"wss://example.com"}
    {"has_password":true,"name":"local","principal":"admin","properties":{},"selected":false,"timeout":null,"url":null}
    "#);
    assert_snapshot!(home.said(&["context", "remove", "live"]), @"
    exit 0
    stdout:
    removed live
    ");
    assert_snapshot!(home.said(&["context", "list"]), @"
    exit 0
    stdout:
      local	(default server)	admin
    ");
}

#[test]
fn mistakes_with_contexts_are_explained() {
    let home = Home::new();
    assert_snapshot!(home.said(&["context", "select", "live"]), @r#"
    exit 1
    stderr:
    error: there is no context "live"; `antiphon context add live` makes it
    "#);
    home.said(&["context", "add", "live"]);
    assert_snapshot!(home.said(&["context", "add", "live"]), @r#"
    exit 1
    stderr:
    error: there is a context "live" already; --replace replaces it
    "#);
    assert_eq!(home.said(&["context", "add", "live", "--replace"]).code, Some(0));
    assert_snapshot!(home.said(&["context", "remove", "lvie", "--json"]), @r#"
    exit 1
    stderr:
    {"error":{"kind":"usage","may_have_executed":false,"text":"there is no context \"lvie\"; there are live"}}
    "#);
    assert_snapshot!(home.said(&["ping", "--context", "lvie"]), @r#"
    exit 1
    stderr:
    error: there is no context "lvie"; there are live
    "#);
    fs::write(home.file(), "selected = 1").unwrap();
    let said = home.said(&["ping"]);
    assert_eq!(said.code, Some(1));
    assert!(said.stderr.contains("contexts.toml"), "{said}");
}

#[test]
fn only_the_user_can_read_them() {
    let home = Home::new();
    home.said(&["context", "add", "local", "--password", "secret"]);
    let mode = fs::metadata(home.file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let files = fs::read_dir(home.file().parent().unwrap()).unwrap();
    assert_eq!(files.count(), 1, "a draft is left over");
}

#[test]
fn they_are_kept_where_the_system_wants_them() {
    let home = Home::new();
    let mut command = antiphon(&["context", "add", "local"]);
    command.env_remove("ANTIPHON_CONFIG_DIR").env("XDG_CONFIG_HOME", home.0.path());
    assert_eq!(Said::by(command).code, Some(0));
    assert!(home.file().exists());
    let mut command = antiphon(&["context", "add", "local"]);
    command.env_remove("ANTIPHON_CONFIG_DIR").env_remove("XDG_CONFIG_HOME");
    command.env("HOME", home.0.path());
    assert_eq!(Said::by(command).code, Some(0));
    assert!(home.0.path().join(".config/antiphon/contexts.toml").exists());
}

#[test]
fn the_environment_is_not_kept() {
    let home = Home::new();
    let mut command = home.command(&["context", "add", "local", "--principal", "me"]);
    command.env("ANTIPHON_URL", "ws://elsewhere").env("ANTIPHON_PASSWORD", "secret");
    assert_eq!(Said::by(command).code, Some(0));
    assert_snapshot!(fs::read_to_string(home.file()).unwrap(), @r#"
    selected = "local"

    [contexts.local]
    principal = "me"
    "#);
}

#[test]
fn a_flag_counts_more_than_the_environment_and_that_more_than_a_context() {
    let server = Server::dev();
    let url = format!("ws://{}", server.address);
    let home = Home::new();
    let add = |name: &str, url: &str| home.said(&["context", "add", name, "--url", url]).code;
    assert_eq!(add("wrong", "http://context"), Some(0));
    assert_eq!(add("right", &url), Some(0));
    let wrong = |command: &mut Command, place: &str| {
        let said = Said::of(command.output().unwrap());
        assert_eq!(said.code, Some(1), "{said}");
        assert!(said.stderr.contains(&format!("http://{place}")), "{said}");
    };
    let right = |command: &mut Command| {
        let said = Said::of(command.output().unwrap());
        assert_eq!(said.code, Some(0), "{said}");
    };
    wrong(&mut home.command(&["ping"]), "context");
    right(&mut home.command(&["ping", "--context", "right"]));
    right(home.command(&["ping"]).env("ANTIPHON_CONTEXT", "right"));
    right(home.command(&["ping"]).env("ANTIPHON_URL", &url));
    wrong(home.command(&["ping"]).env("ANTIPHON_URL", "http://variable"), "variable");
    right(home.command(&["ping", "--url", &url]).env("ANTIPHON_URL", "http://variable"));
}

#[test]
fn a_password_counts_by_its_place_whatever_its_form() {
    let server = Server::dev();
    let home = Home::new();
    let file = home.0.path().join("password");
    fs::write(&file, "password\n").unwrap();
    let file = file.to_str().unwrap();
    let url = format!("ws://{}", server.address);
    let add = ["context", "add", "c", "--url", &url, "--principal", "admin", "--password", "wrong"];
    assert_eq!(home.said(&add).code, Some(0));
    let code = |command: &mut Command| command.output().unwrap().status.code();
    assert_eq!(code(&mut home.command(&["ping"])), Some(3));
    assert_eq!(code(home.command(&["ping"]).env("ANTIPHON_PASSWORD_FILE", file)), Some(0));
    let by_file = ["ping", "--password-file", file];
    assert_eq!(code(home.command(&by_file).env("ANTIPHON_PASSWORD", "wrong")), Some(0));
    let by_text = ["ping", "--password", "password"];
    assert_eq!(code(home.command(&by_text).env("ANTIPHON_PASSWORD_FILE", "/none")), Some(0));
    assert_eq!(code(&mut home.command(&["ping", "--password-file", "/none"])), Some(1));
}

#[test]
fn certificates_have_to_be_some() {
    let home = Home::new();
    let file = home.0.path().join("ca.pem");
    fs::write(&file, "nonsense").unwrap();
    let said = home.said(&["ping", "--ca", file.to_str().unwrap()]);
    assert_eq!(said.code, Some(1), "{said}");
    assert!(said.stderr.contains("ca.pem"), "{said}");
    assert_snapshot!(home.said(&["ping", "--cert", "cert.pem"]), @"
    exit 1
    stderr:
    error: --cert and --key go together; give both or neither
    ");
}
