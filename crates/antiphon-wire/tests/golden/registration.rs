//! Handlers come and go: services 97 and 98.

use antiphon_wire::ids::ConversationId;
use antiphon_wire::service::Service;
use antiphon_wire::service::messaging::DeregisterHandler;
use antiphon_wire::service::messaging::Receiver;
use antiphon_wire::service::messaging::RegisterHandler;

use crate::Void;
use crate::request;
use crate::response;

/// The keys that the JavaScript client asks for.
const KEYS: [&str; 2] = ["$Principal", "*U"];

#[test]
fn a_registration_carries_keys_and_a_conversation_of_its_own() {
    let rows = [
        ("00611858000868616e642f6c65720018", 24, "", "hand/ler", &[][..], 24),
        (
            "00611958000968616e642f6c65723203022a46022a550361626319",
            25,
            "",
            "hand/ler2",
            &["*F", "*U", "abc"],
            25,
        ),
        (
            "00610a580764656661756c7407666f6f2f626172020a245072696e636970616c022a5509",
            10,
            "default",
            "foo/bar",
            &KEYS,
            9,
        ),
        (
            "006102580764656661756c7407666f6f2f626172020a245072696e636970616c022a5501",
            2,
            "default",
            "foo/bar",
            &KEYS,
            1,
        ),
        (
            "006102 58 0764656661756c74 14 6d6573736167696e672f636f6e74726f6c6c6572 00 01",
            2,
            "default",
            "messaging/controller",
            &[],
            1,
        ),
    ];
    for (digits, outer, group, path, keys, inner) in rows {
        let registration = RegisterHandler {
            receiver: Receiver,
            group,
            path,
            keys: keys.to_vec(),
            conversation: ConversationId(inner),
        };
        request(digits, Service::MessagingReceiverControlRegistration, outer, registration);
    }
    for (digits, conversation) in [("0618", 24), ("060a", 10), ("0602", 2)] {
        response(digits, conversation, Void);
    }
}

#[test]
fn a_deregistration_carries_no_conversation() {
    let keys = KEYS.to_vec();
    let rows = [
        ("00621a58000868616e642f6c657200", 26, "", "hand/ler", vec![]),
        (
            "00620b580764656661756c7407666f6f2f626172020a245072696e636970616c022a55",
            11,
            "default",
            "foo/bar",
            keys.clone(),
        ),
        // JavaScript sends it twice
        (
            "006203580764656661756c7407666f6f2f626172020a245072696e636970616c022a55",
            3,
            "default",
            "foo/bar",
            keys.clone(),
        ),
        (
            "006204580764656661756c7407666f6f2f626172020a245072696e636970616c022a55",
            4,
            "default",
            "foo/bar",
            keys,
        ),
    ];
    for (digits, conversation, group, path, keys) in rows {
        let deregistration = DeregisterHandler { receiver: Receiver, group, path, keys };
        request(
            digits,
            Service::MessagingReceiverControlDeregistration,
            conversation,
            deregistration,
        );
    }
    for (digits, conversation) in [("0603", 3), ("0604", 4)] {
        response(digits, conversation, Void);
    }
}
