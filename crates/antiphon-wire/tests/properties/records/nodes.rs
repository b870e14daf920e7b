//! The services of nodes.

use antiphon_wire::node::Call;
use antiphon_wire::node::ClaimChange;
use antiphon_wire::node::HandlerTable;
use antiphon_wire::node::Introduction;
use antiphon_wire::node::Kept;
use antiphon_wire::node::Listen;
use antiphon_wire::node::Load;
use antiphon_wire::node::LockClaim;
use antiphon_wire::node::LockClaims;
use antiphon_wire::node::LockGrant;
use antiphon_wire::node::ManySessionsRequest;
use antiphon_wire::node::Match;
use antiphon_wire::node::NodeHandlers;
use antiphon_wire::node::PathRequest;
use antiphon_wire::node::Returned;
use antiphon_wire::node::SessionRequest;
use antiphon_wire::node::Unlisten;
use antiphon_wire::node::WhyReturned;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::fields::bytes;
use crate::fields::conversation;
use crate::fields::keys;
use crate::fields::narrow;
use crate::fields::number;
use crate::fields::properties;
use crate::fields::session;
use crate::fields::text;
use crate::fields::value;
use crate::round_trip::travels;

#[test]
fn what_a_node_says_of_itself_travels() {
    travels((text(), text()).prop_map(|(version, name)| Introduction { version, name }));
    travels(
        (number(), any::<bool>(), vec((text(), narrow()), 0..4))
            .prop_map(|(sessions, is_leaving, in_flight)| Load { sessions, is_leaving, in_flight }),
    );
    let handlers = (text(), narrow(), keys()).prop_map(|(path, count, keys)| NodeHandlers {
        path,
        count,
        keys,
    });
    travels(
        (number(), any::<bool>(), vec(handlers, 0..4))
            .prop_map(|(version, is_whole, handlers)| HandlerTable { version, is_whole, handlers }),
    );
}

#[test]
fn requests_between_nodes_travel() {
    travels(path_request());
    let why = select(&[WhyReturned::NoHandler, WhyReturned::Overloaded, WhyReturned::Leaving][..]);
    travels(
        (conversation(), why, path_request()).prop_map(|(conversation, why, request)| Returned {
            conversation,
            why,
            request,
        }),
    );
    travels((number(), number(), text(), value()).prop_map(|(session, timeout, path, value)| {
        SessionRequest { session, timeout, path, value }
    }));
    travels((vec((number(), conversation()), 0..4), number(), text(), value()).prop_map(
        |(recipients, timeout, path, value)| ManySessionsRequest {
            recipients,
            timeout,
            path,
            value,
        },
    ));
}

#[test]
fn what_is_said_of_a_handler_that_is_kept_travels() {
    travels((number(), text(), number()).prop_map(|(sender, path, handler)| Kept {
        sender,
        path,
        handler,
    }));
}

#[test]
fn questions_and_calls_travel() {
    travels(text().prop_map(|filter| Match { filter }));
    travels((narrow(), bytes()).prop_map(|(service, body)| Call { service, body }));
    travels(
        (number(), option::of(text()), keys(), option::of(number()))
            .prop_map(|(listener, filter, keys, after)| Listen { listener, filter, keys, after }),
    );
    travels(number().prop_map(|listener| Unlisten { listener }));
}

#[test]
fn what_is_said_of_locks_travels() {
    let head = (number(), number(), number(), number());
    travels((head, vec((text(), number()), 0..4), keys()).prop_map(|(head, held, wanted)| {
        let (view, epoch, round, next_sequence) = head;
        LockClaims { view, epoch, round, next_sequence, held, wanted }
    }));
    let change = select(&[ClaimChange::Wanted, ClaimChange::Unwanted, ClaimChange::Returned][..]);
    travels((text(), change).prop_map(|(name, change)| LockClaim { name, change }));
    travels((text(), number(), number()).prop_map(|(name, sequence, round)| LockGrant {
        name,
        sequence,
        round,
    }));
}

fn path_request() -> impl Strategy<Value = PathRequest<'static>> {
    let head = (session(), number(), narrow(), any::<u8>(), number());
    (head, text(), properties(), value()).prop_map(|(head, path, properties, value)| {
        let (sender, timeout, branch, returns, kept) = head;
        PathRequest { sender, timeout, branch, returns, kept, path, properties, value }
    })
}
