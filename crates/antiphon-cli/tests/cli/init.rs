//! `antiphon init`: what it makes, and what it leaves alone.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use insta::assert_snapshot;

use crate::process::Said;
use crate::process::antiphon;

/// What it says, without where it was and the password.
fn said(folder: &Path) -> String {
    let said = Said::by(antiphon(&["init", folder.to_str().unwrap()])).to_string();
    let said = said.replace(folder.to_str().unwrap(), "FOLDER");
    let line = said.lines().find(|line| line.starts_with("admin\t"));
    let password = line.and_then(|line| line.split_once('\t')).map_or("PASSWORD", |(_, word)| word);
    assert!(password.len() >= 8, "{password}");
    said.replace(password, "PASSWORD")
}

#[test]
fn it_makes_a_server_that_can_be_started_and_an_administrator() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("etc/antiphon");
    assert_snapshot!(said(&folder), @"
    exit 0
    stdout:
    admin	PASSWORD

    stderr:
    made FOLDER/antiphon.toml and FOLDER/security.toml
    the password of the administrator is shown once and stands nowhere else:
    next:
      antiphon serve --config FOLDER/antiphon.toml
      antiphon principal add NAME --role CLIENT --config FOLDER/antiphon.toml
      kill -HUP PID       so that the server knows NAME
    it listens on this host alone; for others give [[listener]] in FOLDER/antiphon.toml a certificate and its key
    ");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let (config, store) = (folder.join("antiphon.toml"), folder.join("security.toml"));
    assert_eq!((mode(&folder), mode(&config), mode(&store)), (0o700, 0o600, 0o600));
    let check = Said::by(antiphon(&["config", "check", "--config", config.to_str().unwrap()]));
    assert_eq!(check.code, Some(0), "{check}");
    let mut list = antiphon(&["principal", "list"]);
    list.env("ANTIPHON_CONFIG", &config);
    let list = Said::by(list);
    assert!(list.stdout.contains("admin"), "{list}");
}

#[test]
fn nothing_is_overwritten() {
    for name in ["antiphon.toml", "security.toml"] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(name), "mine").unwrap();
        let said = said(folder.path());
        assert!(said.starts_with("exit 1"), "{said}");
        assert!(said.contains(&format!("FOLDER/{name} is there already")), "{said}");
        assert_eq!(fs::read(folder.path().join(name)).unwrap(), b"mine");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "{name}");
    }
}
