//! `antiphon principal`: who may log in, in the security store.

use std::collections::BTreeSet;
use std::sync::Arc;

use antiphon_server::security::Contents;
use antiphon_server::security::access::Principal;
use clap::Args;
use clap::Subcommand;
use serde_json::json;

use crate::arguments::new_password::NewPassword;
use crate::arguments::new_password::NewPasswordFlags;
use crate::arguments::store::StoreFlags;
use crate::arguments::store::change;
use crate::arguments::store::mention_undefined;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::output::OutputFlags;
use crate::values::one_line;

/// Manage who may log in
///
/// Works on the security store, whether a server runs or not. A running server takes changes over when it gets SIGHUP.
#[derive(Args)]
#[command(arg_required_else_help = true, after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Add(Add),
    Passwd(Passwd),
    Remove(Remove),
    List(List),
    Roles(Roles),
}

/// Add a principal
#[derive(Args)]
#[command(after_help = EXAMPLES)]
struct Add {
    /// Name of the principal
    name: String,

    /// Role that it holds; may be repeated
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,

    #[command(flatten)]
    password: NewPasswordFlags,

    #[command(flatten)]
    store: StoreFlags,

    #[command(flatten)]
    output: OutputFlags,
}

/// Set the password of a principal
#[derive(Args)]
#[command(after_help = EXAMPLES)]
struct Passwd {
    /// Name of the principal
    name: String,

    #[command(flatten)]
    password: NewPasswordFlags,

    #[command(flatten)]
    store: StoreFlags,

    #[command(flatten)]
    output: OutputFlags,
}

/// Remove a principal
///
/// Its sessions go on; `antiphon close` ends one.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
struct Remove {
    /// Name of the principal
    name: String,

    #[command(flatten)]
    store: StoreFlags,

    #[command(flatten)]
    output: OutputFlags,
}

/// List the principals and their roles
#[derive(Args)]
#[command(after_help = EXAMPLES)]
struct List {
    #[command(flatten)]
    store: StoreFlags,

    #[command(flatten)]
    output: OutputFlags,
}

/// Show or change the roles of a principal
#[derive(Args)]
#[command(after_help = EXAMPLES)]
struct Roles {
    /// Name of the principal
    name: String,

    /// Role to add; may be repeated
    #[arg(long, value_name = "ROLE")]
    add: Vec<String>,

    /// Role to take away; may be repeated
    #[arg(long, value_name = "ROLE")]
    remove: Vec<String>,

    #[command(flatten)]
    store: StoreFlags,

    #[command(flatten)]
    output: OutputFlags,
}

const EXAMPLES: &str = "\
Examples:
  antiphon principal add till-7 --role CLIENT                asks for the password
  antiphon principal add reports --role CLIENT_CONTROL --generate > reports.password
  antiphon principal passwd till-7 --password-stdin < password
  antiphon principal roles till-7 --add OPERATOR --remove CLIENT
  antiphon principal list --config /etc/antiphon/antiphon.toml
  antiphon principal remove till-7";

impl Arguments {
    pub(crate) fn output(&self) -> &OutputFlags {
        match &self.command {
            Command::Add(add) => &add.output,
            Command::Passwd(passwd) => &passwd.output,
            Command::Remove(remove) => &remove.output,
            Command::List(list) => &list.output,
            Command::Roles(roles) => &roles.output,
        }
    }
}

pub(crate) fn run(arguments: &Arguments, output: Output) -> Result<Exit, Failure> {
    match &arguments.command {
        Command::Add(arguments) => add(arguments, output)?,
        Command::Passwd(arguments) => passwd(arguments, output)?,
        Command::Remove(arguments) => remove(arguments, output)?,
        Command::List(arguments) => list(arguments, output)?,
        Command::Roles(arguments) => roles(arguments, output)?,
    }
    Ok(Exit::Done)
}

fn add(arguments: &Add, output: Output) -> Result<(), Failure> {
    let Add { name, roles, password, store, .. } = arguments;
    let store = store.open()?;
    // Before anybody thinks of a password.
    new(&store.current(), name)?;
    let NewPassword { hash, generated } = password.take()?;
    change(&store, output, |contents| {
        new(contents, name)?;
        let roles: Vec<_> = roles.iter().map(String::as_str).collect();
        contents.put_principal(name, Principal::new(&hash).holding(&roles));
        Ok(())
    })?;
    mention_undefined(&store.current(), roles.iter().map(String::as_str), output);
    said(output, "added", name, generated)
}

fn passwd(arguments: &Passwd, output: Output) -> Result<(), Failure> {
    let Passwd { name, password, store, .. } = arguments;
    let store = store.open()?;
    known(&store.current(), name)?;
    let NewPassword { hash, generated } = password.take()?;
    change(&store, output, |contents| {
        let old = known(contents, name)?;
        let changed = principal(&hash, old.roles(), old.locked_by());
        contents.put_principal(name, changed);
        Ok(())
    })?;
    said(output, "changed", name, generated)
}

fn remove(arguments: &Remove, output: Output) -> Result<(), Failure> {
    let Remove { name, store, .. } = arguments;
    let store = store.open()?;
    change(&store, output, |contents| {
        known(contents, name)?;
        contents.principals.remove(name);
        Ok(())
    })?;
    said(output, "removed", name, None)
}

fn list(arguments: &List, output: Output) -> Result<(), Failure> {
    let contents = arguments.store.open()?.current();
    for (name, principal) in contents.principals.iter() {
        show(name, principal, output)?;
    }
    if contents.principals.iter().len() == 0 {
        output.note("there are no principals; `antiphon principal add NAME` makes one");
    }
    Ok(())
}

fn roles(arguments: &Roles, output: Output) -> Result<(), Failure> {
    let Roles { name, add, remove, store, .. } = arguments;
    let store = store.open()?;
    if !add.is_empty() || !remove.is_empty() {
        change(&store, output, |contents| {
            let old = known(contents, name)?;
            let mut roles = old.roles().clone();
            for role in remove {
                if !roles.remove(role.as_str()) {
                    return Err(Failure::usage(format!("{name:?} has no role {role:?}")));
                }
            }
            roles.extend(add.iter().map(|role| Arc::from(role.as_str())));
            let changed = principal(old.password(), &roles, old.locked_by());
            contents.put_principal(name, changed);
            Ok(())
        })?;
    }
    let contents = store.current();
    mention_undefined(&contents, add.iter().map(String::as_str), output);
    show(name, known(&contents, name)?, output)
}

fn principal(hash: &str, roles: &BTreeSet<Arc<str>>, locked_by: Option<&str>) -> Principal {
    let roles: Vec<_> = roles.iter().map(AsRef::as_ref).collect();
    let principal = Principal::new(hash).holding(&roles);
    match locked_by {
        Some(owner) => principal.locked_to(owner),
        None => principal,
    }
}

fn new(contents: &Contents, name: &str) -> Result<(), Failure> {
    match contents.principals.get(name) {
        Some(_) => Err(Failure::usage(format!(
            "there is a principal {name:?} already; `antiphon principal passwd` and `roles` change it"
        ))),
        None if name.is_empty() => Err(Failure::usage("a principal needs a name")),
        None => Ok(()),
    }
}

fn known<'c>(contents: &'c Contents, name: &str) -> Result<&'c Principal, Failure> {
    contents.principals.get(name).ok_or_else(|| {
        Failure::usage(format!(
            "there is no principal {name:?}; `antiphon principal list` shows those that there are"
        ))
    })
}

fn show(name: &str, principal: &Principal, output: Output) -> Result<(), Failure> {
    let roles = principal.roles();
    match output {
        Output::Json => output.json(&json!({
            "name": name,
            "roles": roles.iter().map(AsRef::as_ref).collect::<Vec<&str>>(),
            "locked_by": principal.locked_by(),
        })),
        Output::Text | Output::Raw => {
            let roles: Vec<_> = roles.iter().map(|role| one_line(role)).collect();
            output.line(format_args!("{}\t{}", one_line(name), roles.join(",")))
        }
    }
}

fn said(output: Output, what: &str, name: &str, generated: Option<String>) -> Result<(), Failure> {
    match (output, generated) {
        (Output::Json, None) => output.json(&json!({ what: name })),
        (Output::Json, Some(password)) => output.json(&json!({ what: name, "password": password })),
        (_, None) => output.line(format_args!("{what} {}", one_line(name))),
        (Output::Raw, Some(password)) => {
            output.note(format_args!("{what} {}", one_line(name)));
            output.line(password)
        }
        (Output::Text, Some(password)) => {
            output.line(format_args!("{what} {}\npassword: {password}", one_line(name)))
        }
    }
}
