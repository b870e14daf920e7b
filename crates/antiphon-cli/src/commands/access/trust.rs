//! `antiphon access trust` and `distrust`: which values of session properties are believed when clients propose them.

use std::mem;
use std::sync::Arc;

use antiphon_server::security;
use antiphon_server::security::Believed;
use antiphon_server::security::Contents;
use antiphon_server::security::Pattern;
use clap::Args;
use serde_json::Value;
use serde_json::json;

use crate::arguments::store::StoreFlags;
use crate::arguments::store::change;
use crate::failure::Failure;
use crate::output::Output;
use crate::output::OutputFlags;
use crate::values::one_line;

/// Believe some values of a session property that clients propose
///
/// What was believed of the property before is replaced. Which ones a client proposes it says when it connects; what is
/// not believed is dropped.
#[derive(Args)]
#[command(after_help = super::EXAMPLES)]
pub(super) struct Trust {
    /// Key of the property
    key: String,

    #[command(flatten)]
    values: Values,

    #[command(flatten)]
    store: StoreFlags,

    #[command(flatten)]
    pub(super) output: OutputFlags,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Values {
    /// Value to believe; may be repeated
    #[arg(long = "value", value_name = "VALUE")]
    values: Vec<String>,

    /// Believe the values that this regular expression matches as a whole
    #[arg(long, value_name = "REGEX")]
    matching: Option<String>,
}

/// Believe no value of a session property any more
#[derive(Args)]
#[command(after_help = super::EXAMPLES)]
pub(super) struct Distrust {
    /// Key of the property
    key: String,

    #[command(flatten)]
    store: StoreFlags,

    #[command(flatten)]
    pub(super) output: OutputFlags,
}

pub(super) fn trust(arguments: &Trust, output: Output) -> Result<(), Failure> {
    let Trust { key, values, store, .. } = arguments;
    if key.starts_with('$') {
        return Err(Failure::usage(format!(
            "{key:?} is a property that the server sets; clients propose those without $"
        )));
    }
    let believed = match &values.matching {
        Some(pattern) => Believed::Matches(
            Pattern::new(pattern).map_err(|problem| Failure::usage(problem.to_string()))?,
        ),
        None => Believed::OneOf(values.values.iter().map(|value| Arc::from(&**value)).collect()),
    };
    change(&store.open()?, output, |contents| {
        edit(contents, |trust| trust.rule(key, believed.clone()));
        Ok(())
    })?;
    match output {
        Output::Json => output.json(&json!({ "trusted": { key: as_json(&believed) } })),
        Output::Text | Output::Raw => output.line(as_text(key, &believed)),
    }
}

pub(super) fn distrust(arguments: &Distrust, output: Output) -> Result<(), Failure> {
    let Distrust { key, store, .. } = arguments;
    change(&store.open()?, output, |contents| {
        if !contents.principals.trust().rules().contains_key(key.as_str()) {
            return Err(Failure::usage(format!(
                "no value of {key:?} is believed anyway; `antiphon access show` lists what is"
            )));
        }
        edit(contents, |trust| trust.without(key));
        Ok(())
    })?;
    match output {
        Output::Json => output.json(&json!({ "distrusted": key })),
        Output::Text | Output::Raw => output.line(format_args!("distrusted {}", one_line(key))),
    }
}

fn edit(contents: &mut Contents, edit: impl FnOnce(security::Trust) -> security::Trust) {
    let principals = mem::take(&mut contents.principals);
    let trust = edit(principals.trust().clone());
    contents.principals = principals.trusting(trust);
}

pub(super) fn as_text(key: &str, believed: &Believed) -> String {
    let values = match believed {
        Believed::OneOf(values) => {
            values.iter().map(|value| one_line(value)).collect::<Vec<_>>().join(", ")
        }
        Believed::Matches(pattern) => format!("matching {}", one_line(pattern.as_str())),
    };
    format!("trusted {}\t{values}", one_line(key))
}

/// As it stands in the store.
pub(super) fn as_json(believed: &Believed) -> Value {
    match believed {
        Believed::OneOf(values) => {
            let values: Vec<&str> = values.iter().map(AsRef::as_ref).collect();
            json!({ "values": values })
        }
        Believed::Matches(pattern) => json!({ "matches": pattern.as_str() }),
    }
}
