//! `antiphon access anonymous`: what becomes of clients that name no principal.

use std::mem;
use std::sync::Arc;

use antiphon_server::security::access;
use clap::Args;
use clap::ValueEnum;
use serde_json::Value;
use serde_json::json;

use crate::arguments::store::StoreFlags;
use crate::arguments::store::change;
use crate::arguments::store::mention_undefined;
use crate::failure::Failure;
use crate::output::Output;
use crate::output::OutputFlags;
use crate::values::one_line;

/// Decide whether clients without a principal are let in
#[derive(Args)]
#[command(after_help = super::EXAMPLES)]
pub(super) struct Anonymous {
    /// What becomes of them
    policy: Policy,

    /// Role that they get if they are let in; may be repeated
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,

    #[command(flatten)]
    store: StoreFlags,

    #[command(flatten)]
    pub(super) output: OutputFlags,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Policy {
    /// They are let in
    Allow,
    /// They are refused
    Deny,
    /// The next authenticator of the configuration decides
    Abstain,
}

pub(super) fn decide(arguments: &Anonymous, output: Output) -> Result<(), Failure> {
    let Anonymous { policy, roles, store, .. } = arguments;
    if *policy != Policy::Allow && !roles.is_empty() {
        return Err(Failure::usage(
            "only clients that the store lets in get roles from it; leave out --role, or say `allow`",
        ));
    }
    let decision = match policy {
        Policy::Allow => {
            access::Anonymous::Allow(roles.iter().map(|role| Arc::from(role.as_str())).collect())
        }
        Policy::Deny => access::Anonymous::Deny,
        Policy::Abstain => access::Anonymous::Abstain,
    };
    let store = store.open()?;
    change(&store, output, |contents| {
        contents.principals = mem::take(&mut contents.principals).anonymous(decision.clone());
        Ok(())
    })?;
    mention_undefined(&store.current(), roles.iter().map(String::as_str), output);
    match output {
        Output::Json => output.json(&json!({ "anonymous": as_json(&decision) })),
        Output::Text | Output::Raw => {
            output.line(format_args!("anonymous\t{}", as_text(&decision)))
        }
    }
}

pub(super) fn as_text(decision: &access::Anonymous) -> String {
    match decision {
        access::Anonymous::Allow(roles) => {
            let roles = roles.iter().map(|role| format!(" {}", one_line(role)));
            format!("allow{}", roles.collect::<String>())
        }
        access::Anonymous::Deny => "deny".to_owned(),
        access::Anonymous::Abstain => "abstain".to_owned(),
    }
}

pub(super) fn as_json(decision: &access::Anonymous) -> Value {
    match decision {
        access::Anonymous::Allow(roles) => {
            let roles: Vec<&str> = roles.iter().map(AsRef::as_ref).collect();
            json!({ "policy": "allow", "roles": roles })
        }
        access::Anonymous::Deny => json!({ "policy": "deny" }),
        access::Anonymous::Abstain => json!({ "policy": "abstain" }),
    }
}
