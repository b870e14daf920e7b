//! `antiphon context`: named settings for connections.

use clap::Args;
use clap::Subcommand;
use serde_json::json;

use crate::arguments::connection::SettingFlags;
use crate::contexts::Contexts;
use crate::contexts::Settings;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::output::OutputFlags;

/// Keep settings of connections under names
///
/// A context fills in what neither a flag nor the environment says. They are kept in contexts.toml in the folder
/// $ANTIPHON_CONFIG_DIR, or else $XDG_CONFIG_HOME/antiphon, or else ~/.config/antiphon, readable for you alone.
#[derive(Args)]
#[command(arg_required_else_help = true, after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Add(Box<Add>),
    Select(Select),
    List(List),
    Remove(Remove),
}

/// Make a context; the first one is selected too
#[derive(Args)]
#[command(after_help = EXAMPLES)]
struct Add {
    /// Name of the context
    name: String,

    /// Replace the context of that name
    #[arg(long)]
    replace: bool,

    /// Select it
    #[arg(long)]
    select: bool,

    #[command(flatten)]
    settings: SettingFlags,

    #[command(flatten)]
    output: OutputFlags,
}

/// Choose the context that counts when no other is named
#[derive(Args)]
#[command(after_help = EXAMPLES)]
struct Select {
    /// Name of the context
    name: String,

    #[command(flatten)]
    output: OutputFlags,
}

/// List the contexts; a star marks the selected one
#[derive(Args)]
#[command(after_help = EXAMPLES)]
struct List {
    #[command(flatten)]
    output: OutputFlags,
}

/// Remove a context
#[derive(Args)]
#[command(after_help = EXAMPLES)]
struct Remove {
    /// Name of the context
    name: String,

    #[command(flatten)]
    output: OutputFlags,
}

const EXAMPLES: &str = "\
Examples:
  antiphon context add local --principal admin --password password
  antiphon context add live --url wss://antiphon.example.com --principal ops --password-file ~/.antiphon-password
  antiphon context select live
  antiphon context list
  antiphon context remove local";

impl Arguments {
    pub(crate) fn output(&self) -> &OutputFlags {
        match &self.command {
            Command::Add(add) => &add.output,
            Command::Select(select) => &select.output,
            Command::List(list) => &list.output,
            Command::Remove(remove) => &remove.output,
        }
    }
}

pub(crate) fn run(arguments: Arguments, output: Output) -> Result<Exit, Failure> {
    let contexts = Contexts::load()?;
    match arguments.command {
        Command::Add(arguments) => add(contexts, *arguments, output)?,
        Command::Select(Select { name, .. }) => select(contexts, name, output)?,
        Command::List(_) => list(&contexts, output)?,
        Command::Remove(Remove { name, .. }) => remove(contexts, &name, output)?,
    }
    Ok(Exit::Done)
}

fn add(mut contexts: Contexts, arguments: Add, output: Output) -> Result<(), Failure> {
    let Add { name, replace, select, settings, .. } = arguments;
    if name.is_empty() {
        return Err(Failure::usage("a context needs a name"));
    }
    if contexts.contexts.contains_key(&name) && !replace {
        let text = format!("there is a context {name:?} already; --replace replaces it");
        return Err(Failure::usage(text));
    }
    if select || contexts.contexts.is_empty() {
        contexts.selected = Some(name.clone());
    }
    contexts.contexts.insert(name.clone(), settings.settings().anchored()?);
    contexts.save()?;
    let selected = contexts.selected.as_deref() == Some(&name);
    match output {
        Output::Json => output.json(&json!({ "added": name, "selected": selected })),
        _ if selected => output.line(format_args!("added and selected {name}")),
        _ => output.line(format_args!("added {name}")),
    }
}

fn select(mut contexts: Contexts, name: String, output: Output) -> Result<(), Failure> {
    if !contexts.contexts.contains_key(&name) {
        return Err(contexts.unknown(&name));
    }
    contexts.selected = Some(name.clone());
    contexts.save()?;
    match output {
        Output::Json => output.json(&json!({ "selected": name })),
        Output::Text | Output::Raw => output.line(format_args!("selected {name}")),
    }
}

fn list(contexts: &Contexts, output: Output) -> Result<(), Failure> {
    for (name, settings) in &contexts.contexts {
        let selected = contexts.selected.as_ref() == Some(name);
        match output {
            Output::Json => output.json(&describe(name, settings, selected))?,
            Output::Text | Output::Raw => {
                let mark = if selected { "*" } else { " " };
                let url = settings.url.as_deref().unwrap_or("(default server)");
                let principal = settings.principal.as_deref().unwrap_or("(anonymous)");
                output.line(format_args!("{mark} {name}\t{url}\t{principal}"))?;
            }
        }
    }
    if contexts.contexts.is_empty() {
        output.note("there are no contexts; `antiphon context add NAME` makes one");
    }
    Ok(())
}

/// All but the secrets.
fn describe(name: &str, settings: &Settings, selected: bool) -> serde_json::Value {
    json!({
        "name": name,
        "selected": selected,
        "url": settings.url,
        "principal": settings.principal,
        "has_password": settings.password.is_some() || settings.password_file.is_some(),
        "timeout": settings.timeout,
        "properties": settings.properties,
    })
}

fn remove(mut contexts: Contexts, name: &str, output: Output) -> Result<(), Failure> {
    if contexts.contexts.remove(name).is_none() {
        return Err(contexts.unknown(name));
    }
    if contexts.selected.as_deref() == Some(name) {
        contexts.selected = None;
    }
    contexts.save()?;
    match output {
        Output::Json => output.json(&json!({ "removed": name })),
        Output::Text | Output::Raw => output.line(format_args!("removed {name}")),
    }
}
