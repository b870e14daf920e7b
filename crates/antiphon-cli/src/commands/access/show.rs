//! `antiphon access show`: what holds for everybody.

use antiphon_server::security::Contents;
use clap::Args;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::arguments::store::StoreFlags;
use crate::commands::access::anonymous;
use crate::commands::access::trust;
use crate::commands::role::Sessions;
use crate::failure::Failure;
use crate::output::Output;
use crate::output::OutputFlags;
use crate::values::one_line;

/// Show what holds for all sessions
#[derive(Args)]
#[command(after_help = super::EXAMPLES)]
pub(super) struct Show {
    #[command(flatten)]
    store: StoreFlags,

    #[command(flatten)]
    pub(super) output: OutputFlags,
}

pub(super) fn show(arguments: &Show, output: Output) -> Result<(), Failure> {
    let contents = arguments.store.open()?.current();
    if output == Output::Json {
        return output.json(&as_json(&contents));
    }
    let Contents { security, principals } = &*contents;
    output.line(format_args!("anonymous\t{}", anonymous::as_text(principals.for_anonymous())))?;
    for sessions in Sessions::ALL {
        let roles = sessions.roles(&contents).iter().map(|role| one_line(role));
        let roles = roles.collect::<Vec<_>>().join(" ");
        let roles = if roles.is_empty() { "(nothing)" } else { &roles };
        output.line(format_args!("all {} sessions\t{roles}", sessions.name()))?;
    }
    for path in security.isolated() {
        output.line(format_args!("isolated\t{}", one_line(path)))?;
    }
    for (key, believed) in principals.trust().rules() {
        output.line(trust::as_text(key, believed))?;
    }
    Ok(())
}

/// With the keys of the store.
fn as_json(contents: &Contents) -> Value {
    let Contents { security, principals } = contents;
    let roles = |sessions: Sessions| {
        let roles = sessions.roles(contents).iter().map(AsRef::as_ref);
        (sessions.name().to_owned(), json!(roles.collect::<Vec<&str>>()))
    };
    let sessions: Map<String, Value> = Sessions::ALL.into_iter().map(roles).collect();
    let rules = principals.trust().rules().iter();
    let trusted: Map<String, Value> =
        rules.map(|(key, believed)| (key.to_string(), trust::as_json(believed))).collect();
    json!({
        "anonymous": anonymous::as_json(principals.for_anonymous()),
        "sessions": sessions,
        "isolated_paths": security.isolated(),
        "trusted_properties": trusted,
    })
}
