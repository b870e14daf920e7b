//! `antiphon role`: what the roles of the security store permit.

mod everybody;
mod parts;
mod scope;
mod show;

use std::sync::Arc;

use antiphon_server::security::Contents;
use antiphon_server::security::access::Role;
use clap::Args;
use clap::Subcommand;
use serde_json::json;

use crate::arguments::store::StoreFlags;
use crate::arguments::store::change;
use crate::arguments::store::mention_undefined;
use crate::arguments::store::normalised;
use crate::commands::role::everybody::Everybody;
pub(crate) use crate::commands::role::everybody::Sessions;
use crate::commands::role::parts::Parts;
use crate::commands::role::scope::Edit;
use crate::commands::role::scope::ScopeFlags;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::output::OutputFlags;
use crate::values::one_line;

/// Manage what roles permit
///
/// Works on the security store, whether a server runs or not. A running server takes changes over when it gets SIGHUP.
/// Permissions are global, such as REGISTER_HANDLER, or hold for paths, such as SEND_TO_MESSAGE_HANDLER.
#[derive(Args)]
#[command(arg_required_else_help = true, after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List the roles and what they include
    #[command(after_help = EXAMPLES)]
    List(List),
    /// Show what a role permits
    #[command(after_help = EXAMPLES)]
    Show(Named),
    /// Make a role that permits nothing yet
    #[command(after_help = EXAMPLES)]
    Add(Named),
    /// Remove a role; who holds it keeps its name, which permits nothing
    #[command(after_help = EXAMPLES)]
    Remove(Named),
    /// Give a role permissions
    #[command(after_help = EXAMPLES)]
    Grant(Permissions),
    /// Take permissions from a role
    #[command(after_help = EXAMPLES)]
    Revoke(Permissions),
    /// Give a role these permissions and no others; with --path and no permission at all, nothing is permitted there
    #[command(after_help = EXAMPLES)]
    Set(Permissions),
    /// Let a role say nothing about a path, so that what holds above it holds there
    #[command(after_help = EXAMPLES)]
    Clear(Clear),
    /// Let a role permit all that other roles permit
    #[command(after_help = EXAMPLES)]
    Include(Others),
    /// Take included roles out of a role
    #[command(after_help = EXAMPLES)]
    Exclude(Others),
    Default(Everybody),
}

#[derive(Args)]
struct List {
    #[command(flatten)]
    store: StoreFlags,

    #[command(flatten)]
    output: OutputFlags,
}

#[derive(Args)]
struct Named {
    /// Name of the role
    role: String,

    #[command(flatten)]
    store: StoreFlags,

    #[command(flatten)]
    output: OutputFlags,
}

#[derive(Args)]
struct Permissions {
    /// Name of the role
    role: String,

    /// Permissions, such as REGISTER_HANDLER
    #[arg(value_name = "PERMISSION")]
    permissions: Vec<String>,

    #[command(flatten)]
    scope: ScopeFlags,

    #[command(flatten)]
    store: StoreFlags,

    #[command(flatten)]
    output: OutputFlags,
}

#[derive(Args)]
struct Clear {
    /// Name of the role
    role: String,

    /// Path whose assignment is dropped
    path: String,

    #[command(flatten)]
    store: StoreFlags,

    #[command(flatten)]
    output: OutputFlags,
}

#[derive(Args)]
struct Others {
    /// Name of the role
    role: String,

    /// Roles to include or exclude
    #[arg(value_name = "OTHER", required = true)]
    others: Vec<String>,

    #[command(flatten)]
    store: StoreFlags,

    #[command(flatten)]
    output: OutputFlags,
}

const EXAMPLES: &str = "\
Examples:
  antiphon role list
  antiphon role show CLIENT
  antiphon role add CASHIER
  antiphon role include CASHIER CLIENT
  antiphon role exclude CASHIER CLIENT
  antiphon role grant CASHIER REGISTER_HANDLER
  antiphon role grant CASHIER SEND_TO_SESSION --path tills
  antiphon role set CASHIER --path tills/secret              nothing is permitted there
  antiphon role clear CASHIER tills/secret                   what holds for tills holds there again
  antiphon role revoke CLIENT SEND_TO_MESSAGE_HANDLER --default-path
  antiphon role default anonymous --add GUEST                what every anonymous session gets
  antiphon role remove CASHIER";

impl Arguments {
    pub(crate) fn output(&self) -> &OutputFlags {
        match &self.command {
            Command::List(list) => &list.output,
            Command::Show(named) | Command::Add(named) | Command::Remove(named) => &named.output,
            Command::Grant(permissions)
            | Command::Revoke(permissions)
            | Command::Set(permissions) => &permissions.output,
            Command::Clear(clear) => &clear.output,
            Command::Include(others) | Command::Exclude(others) => &others.output,
            Command::Default(default) => &default.output,
        }
    }
}

pub(crate) fn run(arguments: &Arguments, output: Output) -> Result<Exit, Failure> {
    match &arguments.command {
        Command::List(arguments) => list(arguments, output)?,
        Command::Show(Named { role, store, .. }) => {
            let contents = store.open()?.current();
            show::show(role, known(&contents, role)?, output)?;
        }
        Command::Add(arguments) => add(arguments, output)?,
        Command::Remove(arguments) => remove(arguments, output)?,
        Command::Grant(arguments) => permissions(arguments, Edit::Grant, output)?,
        Command::Revoke(arguments) => permissions(arguments, Edit::Revoke, output)?,
        Command::Set(arguments) => permissions(arguments, Edit::Set, output)?,
        Command::Clear(arguments) => clear(arguments, output)?,
        Command::Include(arguments) => include(arguments, output)?,
        Command::Exclude(arguments) => exclude(arguments, output)?,
        Command::Default(arguments) => everybody::roles(arguments, output)?,
    }
    Ok(Exit::Done)
}

fn list(arguments: &List, output: Output) -> Result<(), Failure> {
    let contents = arguments.store.open()?.current();
    for (name, role) in contents.security.roles() {
        let includes: Vec<_> = role.includes().iter().map(|role| one_line(role)).collect();
        match output {
            Output::Json => output.json(&show::json(name, role))?,
            Output::Text | Output::Raw => {
                output.line(format_args!("{}\t{}", one_line(name), includes.join(",")))?;
            }
        }
    }
    if contents.security.roles().len() == 0 {
        output.note("there are no roles; `antiphon role add ROLE` makes one");
    }
    Ok(())
}

fn add(arguments: &Named, output: Output) -> Result<(), Failure> {
    let Named { role, store, .. } = arguments;
    change(&store.open()?, output, |contents| {
        if contents.security.get(role).is_some() {
            return Err(Failure::usage(format!("there is a role {role:?} already")));
        }
        contents.put_role(role, Role::default());
        Ok(())
    })?;
    said(output, "added", role)
}

fn remove(arguments: &Named, output: Output) -> Result<(), Failure> {
    let Named { role, store, .. } = arguments;
    let store = store.open()?;
    change(&store, output, |contents| {
        known(contents, role)?;
        contents.security.remove(role);
        Ok(())
    })?;
    mention_holders(&store.current(), role, output);
    said(output, "removed", role)
}

/// Says who still has the name of a role that permits nothing any more.
fn mention_holders(contents: &Contents, role: &str, output: Output) {
    let roles = contents.security.roles().filter(|(_, other)| other.includes().contains(role));
    for (name, _) in roles {
        output.note(format_args!("the role {name:?} still includes it"));
    }
    let holders = contents.principals.iter().filter(|(_, other)| other.roles().contains(role));
    for (name, _) in holders {
        output.note(format_args!("the principal {name:?} still holds it"));
    }
    for sessions in Sessions::ALL.iter().filter(|sessions| sessions.roles(contents).contains(role))
    {
        output.note(format_args!("all {} sessions still get it", sessions.name()));
    }
}

fn permissions(arguments: &Permissions, kind: Edit, output: Output) -> Result<(), Failure> {
    let Permissions { role, permissions, scope, store, .. } = arguments;
    if permissions.is_empty() && kind != Edit::Set {
        return Err(Failure::usage("name at least one permission, such as REGISTER_HANDLER"));
    }
    change(&store.open()?, output, |contents| {
        edit(contents, role, |parts| scope.edit(parts, kind, permissions))
    })?;
    said(output, "changed", role)
}

fn clear(arguments: &Clear, output: Output) -> Result<(), Failure> {
    let Clear { role, path, store, .. } = arguments;
    let path = normalised(path);
    change(&store.open()?, output, |contents| {
        edit(contents, role, |parts| match parts.paths.remove(&path) {
            Some(_) => Ok(()),
            None => {
                Err(Failure::usage(format!("{role:?} says nothing about the path {path:?} itself")))
            }
        })
    })?;
    said(output, "changed", role)
}

fn include(arguments: &Others, output: Output) -> Result<(), Failure> {
    let Others { role, others, store, .. } = arguments;
    let store = store.open()?;
    change(&store, output, |contents| {
        edit(contents, role, |parts| {
            parts.includes.extend(others.iter().map(|other| Arc::from(other.as_str())));
            Ok(())
        })
    })?;
    mention_undefined(&store.current(), others.iter().map(String::as_str), output);
    said(output, "changed", role)
}

fn exclude(arguments: &Others, output: Output) -> Result<(), Failure> {
    let Others { role, others, store, .. } = arguments;
    change(&store.open()?, output, |contents| {
        edit(contents, role, |parts| {
            for other in others {
                if !parts.includes.remove(other.as_str()) {
                    let text = format!("{role:?} does not include {other:?} itself");
                    return Err(Failure::usage(text));
                }
            }
            Ok(())
        })
    })?;
    said(output, "changed", role)
}

fn edit(
    contents: &mut Contents,
    role: &str,
    edit: impl FnOnce(&mut Parts) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut parts = Parts::of(known(contents, role)?);
    edit(&mut parts)?;
    contents.put_role(role, parts.role());
    Ok(())
}

fn known<'c>(contents: &'c Contents, role: &str) -> Result<&'c Role, Failure> {
    contents.security.get(role).ok_or_else(|| {
        Failure::usage(format!(
            "there is no role {role:?}; `antiphon role list` shows those that there are, \
             `antiphon role add` makes one"
        ))
    })
}

fn said(output: Output, what: &str, role: &str) -> Result<(), Failure> {
    match output {
        Output::Json => output.json(&json!({ what: role })),
        Output::Text | Output::Raw => output.line(format_args!("{what} {}", one_line(role))),
    }
}
