//! `antiphon role default`: the roles that all sessions of a kind get besides their own.

use std::collections::BTreeSet;
use std::mem;
use std::sync::Arc;

use antiphon_server::security::Contents;
use clap::Args;
use clap::ValueEnum;
use serde_json::json;

use crate::arguments::store::StoreFlags;
use crate::arguments::store::change;
use crate::arguments::store::mention_undefined;
use crate::failure::Failure;
use crate::output::Output;
use crate::output::OutputFlags;
use crate::values::one_line;

/// Show or change the roles that all sessions get
#[derive(Args)]
#[command(after_help = super::EXAMPLES)]
pub(super) struct Everybody {
    /// Which sessions
    sessions: Sessions,

    /// Role to add; may be repeated
    #[arg(long, value_name = "ROLE")]
    add: Vec<String>,

    /// Role to take away; may be repeated
    #[arg(long, value_name = "ROLE")]
    remove: Vec<String>,

    #[command(flatten)]
    store: StoreFlags,

    #[command(flatten)]
    pub(super) output: OutputFlags,
}

/// Sessions that get the same roles.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Sessions {
    /// Those with a principal, whoever authenticated it
    Named,
    /// Those without one
    Anonymous,
}

impl Sessions {
    pub(crate) const ALL: [Self; 2] = [Self::Named, Self::Anonymous];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Named => "named",
            Self::Anonymous => "anonymous",
        }
    }

    pub(crate) fn roles(self, contents: &Contents) -> &BTreeSet<Arc<str>> {
        contents.security.roles_for(match self {
            Self::Named => "somebody",
            Self::Anonymous => "",
        })
    }
}

pub(super) fn roles(arguments: &Everybody, output: Output) -> Result<(), Failure> {
    let Everybody { sessions, add, remove, store, .. } = arguments;
    let store = store.open()?;
    if !add.is_empty() || !remove.is_empty() {
        change(&store, output, |contents| {
            let mut roles = sessions.roles(contents).clone();
            for role in remove {
                if !roles.remove(role.as_str()) {
                    let name = sessions.name();
                    return Err(Failure::usage(format!("not all {name} sessions get {role:?}")));
                }
            }
            roles.extend(add.iter().map(|role| Arc::from(role.as_str())));
            let roles: Vec<_> = roles.iter().map(AsRef::as_ref).collect();
            let security = mem::take(&mut contents.security);
            contents.security = match sessions {
                Sessions::Named => security.named_sessions(&roles),
                Sessions::Anonymous => security.anonymous_sessions(&roles),
            };
            Ok(())
        })?;
    }
    let contents = store.current();
    mention_undefined(&contents, add.iter().map(String::as_str), output);
    let (name, roles) = (sessions.name(), sessions.roles(&contents));
    match output {
        Output::Json => {
            let roles: Vec<&str> = roles.iter().map(AsRef::as_ref).collect();
            output.json(&json!({ "sessions": name, "roles": roles }))
        }
        Output::Text | Output::Raw => {
            let roles: Vec<_> = roles.iter().map(|role| one_line(role)).collect();
            output.line(format_args!("{name}\t{}", roles.join(",")))
        }
    }
}
