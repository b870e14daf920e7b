//! The rules of the repository that no lint knows: lengths, module documents, names, and what the pure crates may use.

#![allow(clippy::unwrap_used, reason = "clippy knows only test functions, not what they call")]

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

/// A source file, by its path from the root of the workspace.
struct Source {
    path: String,
    text: String,
}

#[test]
fn no_file_is_too_long() {
    let long = sources().into_iter().filter(|file| file.text.lines().count() > limit(&file.path));
    refuse("longer than its limit", long);
}

#[test]
fn every_file_says_what_it_is() {
    refuse(
        "without a //! document",
        sources().into_iter().filter(|file| !file.text.starts_with("//!")),
    );
}

#[test]
fn no_module_is_a_catch_all() {
    let catch_alls = ["util", "utils", "common", "helper", "helpers", "misc"];
    let named_so = |file: &Source| {
        let mut names = Path::new(&file.path).components().map(|part| Path::new(part.as_os_str()));
        names.any(|part| catch_alls.iter().any(|name| part.file_stem() == Some(OsStr::new(name))))
    };
    refuse("named for what it is not", sources().into_iter().filter(named_so));
}

#[test]
fn nothing_is_left_unfinished() {
    let marks = ["todo!(", "unimplemented!(", "FIXME", "// XXX", "#[ignore"];
    let unfinished = |file: &Source| {
        !file.path.ends_with("tidy.rs") && marks.iter().any(|mark| file.text.contains(mark))
    };
    refuse("unfinished", sources().into_iter().filter(unfinished));
}

#[test]
fn the_pure_crates_depend_on_nothing_that_does_io() {
    for pure in ["antiphon-wire", "antiphon-broker"] {
        let tree = dependencies(pure);
        assert!(tree.starts_with(pure), "unexpected output of cargo tree: {tree}");
        for banned in ["tokio", "hyper", "mio", "socket2", "getrandom", "rand", "prometheus-client"]
        {
            let found = tree.lines().any(|line| line.split(' ').next() == Some(banned));
            assert!(!found, "{pure} depends on {banned}:\n{tree}");
        }
    }
}

#[test]
fn arrows_point_up() {
    let server_side = ["antiphon-wire", "antiphon-broker", "antiphon-server", "antiphon-cli"];
    let client_side = ["antiphon-wire", "antiphon", "antiphon-cli"];
    for rooms in [&server_side[..], &client_side] {
        for (place, room) in rooms.iter().enumerate() {
            for below in &rooms[place + 1..] {
                refuse_arrow(room, below);
            }
        }
    }
    // The two sides meet on the wire alone.
    refuse_arrow("antiphon", "antiphon-broker");
    refuse_arrow("antiphon", "antiphon-server");
    refuse_arrow("antiphon-server", "antiphon");
}

#[test]
fn nothing_is_unsafe() {
    let workspace = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(workspace.contains("\nunsafe_code = \"forbid\"\n"), "the workspace forbids nothing");
    let crates = fs::read_dir(root().join("crates")).unwrap().map(|entry| entry.unwrap().path());
    for folder in crates.chain([root().join("bench")]) {
        let manifest = folder.join("Cargo.toml");
        let text = fs::read_to_string(&manifest).unwrap();
        let obeys = text.contains("\n[lints]\nworkspace = true\n");
        assert!(obeys, "{} does not take the lints of the workspace", manifest.display());
    }
    // It cannot, because libFuzzer calls its programs by unmangled names.
    let fuzz = fs::read_to_string(root().join("fuzz/src/lib.rs")).unwrap();
    assert!(fuzz.contains("\n#![forbid(unsafe_code)]\n"), "the library of the fuzz targets");
}

#[test]
fn every_promise_of_security_has_its_test() {
    let page = fs::read_to_string(root().join("SECURITY.md")).unwrap();
    let quoted = page.split('`').skip(1).step_by(2);
    let cited: Vec<_> = quoted.filter_map(|text| text.split_once(".rs::")).collect();
    assert!(cited.len() > 40, "the tests are not cited as they were: {}", cited.len());
    for (file, test) in cited {
        let crates = match file.strip_prefix("antiphon/") {
            Some(rest) => format!("crates/antiphon/{rest}.rs"),
            None => format!("crates/antiphon-{file}.rs"),
        };
        let text = fs::read_to_string(root().join(&crates)).unwrap_or_default();
        let before = text.split_once(&format!("fn {test}(")).map_or("", |(before, _)| before);
        let attributes = before.rsplit("\n\n").next().unwrap();
        let found = ["#[test]", "#[tokio::test"].iter().any(|test| attributes.contains(test));
        assert!(found, "SECURITY.md names a test {test} in {crates}, which is not there");
    }
}

#[test]
fn every_licence_is_listed() {
    let path = root().join("docs/licences.md");
    let page = fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once("<!-- licences -->\n").unwrap();
    let (_, after) = rest.split_once("<!-- /licences -->").unwrap();
    let table = licences();
    let expected = format!("{before}<!-- licences -->\n{table}<!-- /licences -->{after}");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &expected).unwrap();
    }
    assert!(page == expected, "the list of licences is not up to date; UPDATE_DOCS=1 writes it");
}

/// Whatever is compiled into the program, or runs when it is compiled. For one target, so that all hosts agree.
fn licences() -> String {
    let target = ["--edges", "normal,build", "--target", "x86_64-unknown-linux-gnu"];
    let package = ["--package", "antiphon-cli", "--prefix", "none", "--format", "{p}|{l}|{r}"];
    let tree = cargo_tree(&[&target[..], &package].concat());
    let mut rows = BTreeSet::new();
    // A crate of the workspace shows where it lies, and has the licence of this repository.
    for line in tree.lines().filter(|line| !line.contains(" (/")) {
        let [package, licence, repository] =
            line.trim_end_matches(" (*)").splitn(3, '|').collect::<Vec<_>>()[..]
        else {
            panic!("unexpected output of cargo tree: {line}");
        };
        let name = package.split(' ').next().unwrap();
        assert!(!licence.is_empty(), "{name} does not say what its licence is");
        rows.insert(format!("| [{name}]({repository}) | {licence} |\n"));
    }
    assert!(rows.len() > 50, "the dependencies were not found");
    format!("| crate | licence |\n|---|---|\n{}", rows.into_iter().collect::<String>())
}

#[track_caller]
fn refuse_arrow(from: &str, to: &str) {
    let tree = dependencies(from);
    let found = tree.lines().any(|line| line.split(' ').next() == Some(to));
    assert!(!found, "{from} depends on {to}:\n{tree}");
}

fn limit(path: &str) -> usize {
    if path.contains("/tests/") { 600 } else { 400 }
}

#[track_caller]
fn refuse(what: &str, files: impl Iterator<Item = Source>) {
    let names: Vec<_> =
        files.map(|file| format!("{} ({} lines)", file.path, file.text.lines().count())).collect();
    assert!(names.is_empty(), "{what}:\n{}", names.join("\n"));
}

fn dependencies(package: &str) -> String {
    cargo_tree(&["--edges", "normal", "--prefix", "none", "--package", package])
}

fn cargo_tree(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO"));
    command.args(["tree", "--locked"]).args(arguments).current_dir(root());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn sources() -> Vec<Source> {
    let mut files = Vec::new();
    collect(&root().join("crates"), &mut files);
    collect(&root().join("fuzz"), &mut files);
    collect(&root().join("bench"), &mut files);
    assert!(files.len() > 50, "the sources were not found");
    files
}

fn collect(folder: &Path, files: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension() == Some(OsStr::new("rs")) {
            let name = path.strip_prefix(root()).unwrap().display().to_string();
            files.push(Source { path: name, text: fs::read_to_string(&path).unwrap() });
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}
