//! `antiphon principal`: the store as an operator changes it, and what becomes of it when things go wrong.

use std::fs;
use std::process::Stdio;
use std::thread;

use antiphon_server::security::Store;
use antiphon_server::security::Verdict;
use insta::assert_snapshot;

use crate::process::Said;
use crate::store::Folder;

#[test]
fn principals_are_added_listed_and_removed() {
    let folder = Folder::stock();
    let add = ["principal", "add", "till-7", "--role", "CLIENT", "--password-stdin"];
    assert_snapshot!(folder.fed(&add, "correct horse\n"), @"
    exit 0
    stdout:
    added till-7

    stderr:
    a running server takes this over when it gets SIGHUP
    ");
    assert_snapshot!(folder.said(&["principal", "list"]), @"
    exit 0
    stdout:
    admin	ADMINISTRATOR
    till-7	CLIENT
    ");
    assert_snapshot!(folder.said(&["principal", "list", "--json"]), @r#"
    exit 0
    stdout:
    {"locked_by":null,"name":"admin","roles":["ADMINISTRATOR"]}
    {"locked_by":null,"name":"till-7","roles":["CLIENT"]}
    "#);
    let roles = ["CLIENT".into()].into();
    assert_eq!(folder.store().verify("till-7", "correct horse"), Verdict::Known { roles });
    assert_snapshot!(folder.said(&["principal", "remove", "till-7", "--json"]), @r#"
    exit 0
    stdout:
    {"removed":"till-7"}
    "#);
    assert_eq!(folder.store().verify("till-7", "correct horse"), Verdict::Unknown);
    assert_eq!(folder.files(), ["security.toml"]);
}

#[test]
fn a_password_comes_from_a_file_or_is_made() {
    let folder = Folder::stock();
    let file = folder.file().with_file_name("password");
    fs::write(&file, "battery staple\r\n").unwrap();
    let said = folder.said(&["principal", "passwd", "admin", "--password-file", "password"]);
    assert_eq!(said.code, Some(0), "{said}");
    let roles = ["ADMINISTRATOR".into()].into();
    assert_eq!(folder.store().verify("admin", "battery staple"), Verdict::Known { roles });
    let said = folder.said(&["principal", "passwd", "admin", "--generate"]);
    assert!(said.stderr.contains("changed admin"), "{said}");
    let password = said.stdout.trim_end();
    assert!(matches!(folder.store().verify("admin", password), Verdict::Known { .. }));
    assert_eq!(folder.store().verify("admin", "battery staple"), Verdict::Wrong);
    let said = folder.said(&["principal", "add", "x", "--generate", "--json"]);
    let said: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    let password = said["password"].as_str().unwrap();
    assert!(matches!(folder.store().verify("x", password), Verdict::Known { .. }));
}

/// The variables are for the password to log in with.
#[test]
fn a_new_password_does_not_come_from_arguments_or_the_environment() {
    let folder = Folder::stock();
    let mut command = folder.command(&["principal", "add", "x"]);
    command.env("ANTIPHON_PASSWORD", "battery staple").env("ANTIPHON_PASSWORD_FILE", "password");
    assert_snapshot!(Said::by(command), @"
    exit 1
    stderr:
    error: there is no terminal to ask for the password; give --password-stdin, --password-file FILE or --generate
    ");
    let said = folder.said(&["principal", "add", "x", "--password", "battery staple"]);
    assert_eq!(said.code, Some(1), "{said}");
    assert!(folder.store().current().principals.get("x").is_none());
}

/// By the flag, then the variable, then what a server would use, then what lies here.
#[test]
fn the_store_is_that_of_the_configuration() {
    let folder = Folder::stock();
    let path = |name: &str| folder.file().with_file_name(name);
    let other = Folder::with("[principals]\n");
    fs::create_dir(path("etc")).unwrap();
    fs::copy(folder.file(), path("etc/store.toml")).unwrap();
    fs::write(path("etc/antiphon.toml"), "[security]\nstore = \"store.toml\"\n").unwrap();
    fs::write(path("empty.toml"), "").unwrap();
    let add = |name: &str, flags: &[&str], variables: &[(&str, &str)]| {
        let mut command =
            folder.command(&[&["principal", "add", name, "--generate"], flags].concat());
        Said::by({
            command.envs(variables.iter().copied());
            command
        })
    };
    let store = other.file();
    let store = store.to_str().unwrap();
    let config = ("ANTIPHON_CONFIG", "etc/antiphon.toml");
    for said in [
        add("here", &[], &[]),
        add("flag", &["--config", "etc/antiphon.toml"], &[]),
        add("variable", &[], &[config]),
        add("key", &[], &[("ANTIPHON_SECURITY_STORE", "etc/store.toml")]),
        add("store", &["--config", "etc/antiphon.toml"], &[("ANTIPHON_STORE", store)]),
        add("both", &["--store", store], &[config, ("ANTIPHON_STORE", "none.toml")]),
    ] {
        assert_eq!(said.code, Some(0), "{said}");
    }
    let names = |store: &Store| {
        let contents = store.current();
        contents.principals.iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names(&folder.store()), "admin here");
    assert_eq!(names(&Store::open(&path("etc/store.toml")).unwrap()), "admin flag key variable");
    assert_eq!(names(&other.store()), "both store");
    assert_snapshot!(folder.said(&["principal", "list", "--config", "empty.toml"]), @"
    exit 1
    stderr:
    error: empty.toml names no security store; add the key `store` to its table [security], or give --store FILE
    ");
    let said = folder.said(&["principal", "list", "--config", "none.toml"]);
    assert!(said.code == Some(1) && said.stderr.contains("none.toml"), "{said}");
}

#[test]
fn roles_of_a_principal_are_shown_and_changed() {
    let folder = Folder::stock();
    assert_snapshot!(folder.said(&["principal", "roles", "admin"]), @"
    exit 0
    stdout:
    admin	ADMINISTRATOR
    ");
    let change = [
        "principal",
        "roles",
        "admin",
        "--add",
        "till",
        "--add",
        "CLIENT",
        "--remove",
        "ADMINISTRATOR",
    ];
    assert_snapshot!(folder.said(&change), @r#"
    exit 0
    stdout:
    admin	CLIENT,till

    stderr:
    a running server takes this over when it gets SIGHUP
    there is no role "till" yet: it permits nothing, but session filters know it
    "#);
    assert_snapshot!(folder.said(&["principal", "roles", "admin", "--remove", "X", "--add", "Y"]), @r#"
    exit 1
    stderr:
    error: "admin" has no role "X"
    "#);
    let roles = folder.store().current().principals.get("admin").unwrap().roles().clone();
    assert_eq!(roles, ["CLIENT".into(), "till".into()].into());
}

#[test]
fn mistakes_with_principals_are_explained() {
    let folder = Folder::stock();
    assert_snapshot!(folder.said(&["principal", "add", "admin"]), @r#"
    exit 1
    stderr:
    error: there is a principal "admin" already; `antiphon principal passwd` and `roles` change it
    "#);
    assert_snapshot!(folder.said(&["principal", "passwd", "amdin"]), @r#"
    exit 1
    stderr:
    error: there is no principal "amdin"; `antiphon principal list` shows those that there are
    "#);
    assert_snapshot!(folder.said(&["principal", "remove", "amdin", "--json"]), @r#"
    exit 1
    stderr:
    {"error":{"kind":"usage","may_have_executed":false,"text":"there is no principal \"amdin\"; `antiphon principal list` shows those that there are"}}
    "#);
    assert_snapshot!(folder.fed(&["principal", "add", "x", "--password-stdin"], "1234567"), @"
    exit 1
    stderr:
    error: a password needs at least 8 characters
    ");
    let long = "x".repeat(2000);
    assert_snapshot!(folder.fed(&["principal", "add", "x", "--password-stdin"], &long), @"
    exit 1
    stderr:
    error: a password has at most 1024 bytes
    ");
    assert_snapshot!(folder.said(&["principal", "list", "--store", "none.toml"]), @"
    exit 1
    stderr:
    error: there is no security store none.toml; `antiphon init` makes one
    ");
    assert_snapshot!(folder.fed(&["principal", "add", "", "--password-stdin"], ""), @"
    exit 1
    stderr:
    error: a principal needs a name
    ");
}

#[test]
fn a_store_that_is_not_valid_is_left_alone() {
    let text = "[roles.A]\n\npermisions = []\n";
    let folder = Folder::with(text);
    assert_snapshot!(folder.said(&["principal", "add", "x", "--generate"]), @"
    exit 1
    stderr:
    error: the security store security.toml is not valid: line 3: unknown field `permisions`, expected one of `includes`, `permissions`, `default_path_permissions`, `locked_by`, `path_permissions`; did you mean `permissions`?
    ");
    assert_eq!(fs::read_to_string(folder.file()).unwrap(), text);
}

/// Not even root writes where there is a folder in the way.
#[test]
fn a_store_that_cannot_be_written_is_left_as_it_was() {
    let folder = Folder::stock();
    let before = fs::read_to_string(folder.file()).unwrap();
    fs::create_dir(folder.file().with_file_name(".security.toml.new")).unwrap();
    let said = folder.said(&["principal", "add", "x", "--generate"]);
    assert_eq!((said.code, said.stdout.as_str()), (Some(1), ""), "{said}");
    assert!(said.stderr.contains("cannot write "), "{said}");
    assert_eq!(fs::read_to_string(folder.file()).unwrap(), before);
}

/// A full disk, as far as one process can be shown it: a limit on the size of the files that it writes.
#[test]
fn a_store_that_does_not_fit_is_left_as_it_was() {
    let folder = Folder::stock();
    let before = fs::read_to_string(folder.file()).unwrap();
    let script = "trap '' XFSZ; ulimit -f 1; exec \"$0\" principal remove admin";
    let text = before.clone()
        + &format!("[roles.LARGE]\nincludes = [{}]\n", "'some-role', ".repeat(9))
        + &(0..100).map(|n| format!("[roles.LARGE-{n}]\n")).collect::<String>();
    folder.write(&text);
    let mut command = std::process::Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_antiphon")]);
    command.current_dir(folder.file().parent().unwrap());
    let said = Said::by(command);
    assert_eq!(said.code, Some(1), "{said}");
    assert!(said.stderr.contains("cannot write "), "{said}");
    assert_eq!(fs::read_to_string(folder.file()).unwrap(), text);
    assert_eq!(folder.files(), ["security.toml"], "a draft is left over");
}

#[test]
fn commands_at_once_lose_nothing() {
    let folder = Folder::stock();
    let folder = &folder;
    thread::scope(|scope| {
        for writer in 0..4 {
            scope.spawn(move || {
                for n in 0..5 {
                    let name = format!("{writer}-{n}");
                    let said = folder.said(&["principal", "add", &name, "--generate"]);
                    assert_eq!(said.code, Some(0), "{said}");
                }
            });
        }
    });
    assert_eq!(folder.store().current().principals.iter().len(), 21);
    assert_eq!(folder.files(), ["security.toml"]);
}

/// Kills commands while they write. What was said to be done is there, and the file is whole.
#[test]
fn a_killed_command_leaves_a_whole_store() {
    let folder = Folder::stock();
    let many: String = (0..2000).map(|n| format!("[roles.R{n}]\n")).collect();
    folder.write(&(fs::read_to_string(folder.file()).unwrap() + &many));
    let draft = folder.file().with_file_name(".security.toml.new");
    let (mut done, mut caught) = (Vec::new(), 0);
    for round in 0.. {
        assert!(round < 500, "commands are never caught while they write");
        let name = format!("NEW{round}");
        let mut command = folder.command(&["role", "add", &name]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        while !draft.exists() && child.try_wait().unwrap().is_none() {}
        child.kill().unwrap();
        let output = child.wait_with_output().unwrap();
        if String::from_utf8(output.stdout).unwrap().contains("added") {
            done.push(name);
        }
        caught += u32::from(draft.exists());
        let contents = folder.store().current();
        assert!(contents.principals.get("admin").is_some());
        assert!(contents.security.get("R1999").is_some());
        for name in &done {
            assert!(contents.security.get(name).is_some(), "{name} is lost");
        }
        if caught == 3 {
            break;
        }
    }
    let said = folder.said(&["role", "add", "LAST"]);
    assert_eq!(said.code, Some(0), "{said}");
    assert_eq!(folder.files(), ["security.toml"], "a draft is left over");
}
