//! `antiphon access explain`: whether a call would be allowed, and why.

use antiphon_server::security::Contents;
use antiphon_server::security::access::Decided;
use antiphon_server::security::access::Explanation;
use antiphon_server::security::access::Say;
use clap::Args;
use clap::ValueEnum;
use serde_json::json;

use crate::arguments::store::StoreFlags;
use crate::commands::access::calls::Call;
use crate::commands::access::held::Held;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::output::OutputFlags;
use crate::values::one_line;

/// Say whether a call is allowed, and why
///
/// By what the security store says now; a running server may not have taken it over. The exit code is 0 if the call is
/// allowed, and 3 if it is denied.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Explain {
    /// Who calls; '' for an anonymous client
    principal: String,

    /// What is called
    call: Call,

    /// Path of the request, or name of the lock
    path: Option<String>,

    /// Role that another authenticator gives; may be repeated
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,

    #[command(flatten)]
    store: StoreFlags,

    #[command(flatten)]
    pub(super) output: OutputFlags,
}

const EXAMPLES: &str = "\
Examples:
  antiphon access explain till-7 send-to-path orders/eu
  antiphon access explain admin register
  antiphon access explain '' send-to-path greetings                  an anonymous client
  antiphon access explain reports lock jobs/daily --role CLIENT_CONTROL";

/// One permission that a call needs, and why it is there or not.
struct Reason {
    permission: &'static str,
    path: Option<String>,
    explanation: Explanation,
}

pub(super) fn explain(arguments: &Explain, output: Output) -> Result<Exit, Failure> {
    let Explain { principal, call, path, roles, store, .. } = arguments;
    let contents = store.open()?.current();
    let held = Held::by(&contents, principal, roles)?;
    let reasons = reasons(&contents, &held, *call, path.as_deref())?;
    let allowed = reasons.iter().all(|reason| reason.explanation.allowed);
    match output {
        Output::Json => output.json(&json!({
            "allowed": allowed,
            "needs": reasons.iter().map(|reason| reason.json(&held)).collect::<Vec<_>>(),
        }))?,
        Output::Text | Output::Raw => {
            output.line(if allowed { "allowed" } else { "denied" })?;
            if reasons.is_empty() {
                output.line("no permission is needed")?;
            }
            for reason in &reasons {
                output.line(reason.text(&held))?;
            }
        }
    }
    Ok(if allowed { Exit::Done } else { Exit::Authentication })
}

fn reasons(
    contents: &Contents,
    held: &Held,
    call: Call,
    path: Option<&str>,
) -> Result<Vec<Reason>, Failure> {
    let roles = held.roles();
    let security = &contents.security;
    let needs = call.needs();
    let global = needs.globals.iter().map(|permission| Reason {
        permission: permission.name(),
        path: None,
        explanation: security.explain(&roles, *permission),
    });
    let mut reasons: Vec<_> = global.collect();
    match (needs.path, path) {
        (Some(permission), Some(path)) => reasons.push(Reason {
            permission: permission.name(),
            path: Some(path.to_owned()),
            explanation: security.explain_at(&roles, path, permission),
        }),
        (Some(_), None) => {
            return Err(Failure::usage(format!("{} depends on the path; name one", name(call))));
        }
        (None, Some(_)) => {
            return Err(Failure::usage(format!("{} does not depend on a path", name(call))));
        }
        (None, None) => {}
    }
    Ok(reasons)
}

fn name(call: Call) -> String {
    call.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

impl Reason {
    fn text(&self, held: &Held) -> String {
        let mut text = self.permission.to_owned();
        if let Some(path) = &self.path {
            text.push_str(&format!(" at {}", one_line(path)));
        }
        text.push_str(&format!(": {}", decided(&self.explanation.decided)));
        for say in &self.explanation.roles {
            text.push_str(&format!("\n  {}", said(say, held)));
        }
        if self.explanation.roles.is_empty() {
            text.push_str("\n  no role has a say");
        }
        text
    }

    fn json(&self, held: &Held) -> serde_json::Value {
        let (decided, at) = match &self.explanation.decided {
            Decided::Globally => ("globally", None),
            Decided::At(path) => ("path", Some(path)),
            Decided::Isolated(path) => ("isolated", Some(path)),
            Decided::ByDefault => ("default_path", None),
        };
        let say = |say: &Say| {
            json!({
                "role": &*say.role,
                "through": say.through.iter().map(AsRef::as_ref).collect::<Vec<&str>>(),
                "why": held.why(first(say)),
                "grants": say.grants,
            })
        };
        json!({
            "permission": self.permission,
            "path": self.path,
            "allowed": self.explanation.allowed,
            "decided": decided,
            "at": at,
            "roles": self.explanation.roles.iter().map(say).collect::<Vec<_>>(),
        })
    }
}

fn decided(decided: &Decided) -> String {
    match decided {
        Decided::Globally => "a global permission".to_owned(),
        Decided::At(path) if path.is_empty() => {
            "decided by what is assigned at the root".to_owned()
        }
        Decided::At(path) => {
            format!("decided by what is assigned at {}, which is nearest", one_line(path))
        }
        Decided::Isolated(path) => {
            format!("{} is isolated, and nothing nearer is assigned", one_line(path))
        }
        Decided::ByDefault => {
            "decided by the default path permissions; nothing is assigned there or above".to_owned()
        }
    }
}

/// The role that is held, and through which this one comes.
fn first(say: &Say) -> &str {
    say.through.first().unwrap_or(&say.role)
}

fn said(say: &Say, held: &Held) -> String {
    let grants = if say.grants { "grants it" } else { "does not grant it" };
    let through = say.through.iter().rev().map(|role| format!("included by {}, ", one_line(role)));
    let through: String = through.collect();
    format!("{} {grants} ({through}{})", one_line(&say.role), held.why(first(say)))
}
