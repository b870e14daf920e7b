//! Every limit is crossed from outside. Whoever crosses it hears what `docs/limits.md` says, the metric that stands there
//! counts it, and meanwhile two other sessions ask and answer. They have their turns while the crossing is under way, each of
//! them a whole round trip, so a server that is held up fails here however fast the machine is. How long each takes is
//! printed, and must be less than 100 ms, if `ANTIPHON_MEASURE` is in the environment (`docs/testing.md`).

#![allow(clippy::print_stdout, reason = "what is measured is shown")]

mod addresses;
mod asking;
mod having;
mod reading;
mod stage;

use std::collections::BTreeSet;

/// One test for each key, and the list of keys.
macro_rules! crossings {
    ($($key:literal: $module:ident :: $name:ident,)*) => {
        $(mod $name {
            #[tokio::test]
            async fn is_crossed_and_others_go_on() {
                super::$module::$name().await;
            }
        })*

        const CROSSED: &[&str] = &[$($key),*];
    };
}

crossings! {
    "limits.maximum_message": reading::maximum_message,
    "limits.mailbox": reading::mailbox,
    "limits.mailbox_messages": reading::mailbox_messages,
    "limits.sessions": having::sessions,
    "limits.sessions_per_principal": having::sessions_per_principal,
    "limits.handshakes": addresses::handshakes,
    "limits.handshake_timeout": addresses::handshake_timeout,
    "limits.requests_per_handler": asking::requests_per_handler,
    "limits.requests_per_sender": asking::requests_per_sender,
    "limits.requests_per_second": asking::requests_per_second,
    "limits.request_burst": asking::request_burst,
    "limits.handlers_per_session": having::handlers_per_session,
    "limits.listeners_per_session": having::listeners_per_session,
    "limits.locks_per_session": having::locks_per_session,
    "limits.filter_length": asking::filter_length,
    "limits.filter_depth": asking::filter_depth,
    "limits.properties_per_session": having::properties_per_session,
    "limits.property_size": having::property_size,
    "limits.connections": addresses::connections,
    "limits.connections_per_address": addresses::connections_per_address,
    "limits.handshakes_per_address": addresses::handshakes_per_address,
    "limits.connects_per_address": addresses::connects_per_address,
    "limits.proxies": addresses::proxies,
    "limits.request_head": addresses::request_head,
    "limits.request_target": addresses::request_target,
    "limits.request_headers": addresses::request_headers,
    "recovery.messages": reading::recovery_messages,
    "recovery.bytes": reading::recovery_bytes,
}

#[test]
fn every_limit_is_crossed_and_documented() {
    let page = include_str!("../../../../../docs/limits.md");
    let is_limit = |name: &&str| {
        name.starts_with("limits.") || ["recovery.messages", "recovery.bytes"].contains(name)
    };
    let keys: BTreeSet<&str> = antiphon_server::config::keys()
        .iter()
        .map(antiphon_server::config::Key::name)
        .filter(is_limit)
        .collect();
    assert_eq!(keys, CROSSED.iter().copied().collect());
    for key in keys {
        let name = key.strip_prefix("limits.").unwrap_or(key);
        assert!(page.contains(&format!("\n| `{name}` |")), "{key} is not in docs/limits.md");
    }
}
