//! A role for people and for programs.

use antiphon_server::security::access::Role;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::failure::Failure;
use crate::output::Output;
use crate::values::one_line;

pub(super) fn show(name: &str, role: &Role, output: Output) -> Result<(), Failure> {
    if output == Output::Json {
        return output.json(&json(name, role));
    }
    let includes = role.includes().iter().map(|role| one_line(role)).collect::<Vec<_>>();
    let globals = role.globals().iter().map(|permission| permission.name()).collect::<Vec<_>>();
    let defaults = role.default_path().iter().map(|permission| permission.name());
    line(output, "includes", &includes.join(" "))?;
    line(output, "permissions", &globals.join(" "))?;
    line(output, "default path", &defaults.collect::<Vec<_>>().join(" "))?;
    for (path, granted) in role.paths() {
        let granted = granted.iter().map(|permission| permission.name()).collect::<Vec<_>>();
        line(output, &format!("path {}", one_line(path)), &granted.join(" "))?;
    }
    match role.locked_by() {
        Some(owner) => line(output, "locked by", &one_line(owner)),
        None => Ok(()),
    }
}

pub(super) fn json(name: &str, role: &Role) -> Value {
    let names = |granted: Vec<&'static str>| json!(granted);
    let at = |path: &String, granted: Vec<&'static str>| (path.clone(), names(granted));
    let paths: Map<String, Value> = role
        .paths()
        .iter()
        .map(|(path, granted)| {
            at(path, granted.iter().map(|permission| permission.name()).collect())
        })
        .collect();
    json!({
        "name": name,
        "includes": role.includes().iter().map(AsRef::as_ref).collect::<Vec<&str>>(),
        "permissions": names(role.globals().iter().map(|permission| permission.name()).collect()),
        "default_path_permissions":
            names(role.default_path().iter().map(|permission| permission.name()).collect()),
        "path_permissions": paths,
        "locked_by": role.locked_by(),
    })
}

fn line(output: Output, what: &str, value: &str) -> Result<(), Failure> {
    output.line(format_args!("{what}\t{}", if value.is_empty() { "(nothing)" } else { value }))
}
