//! What nodes say to each other. No SDK speaks it: these bytes are what releases have to agree on.

use antiphon_wire::error::Fault;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::ids::SessionId;
use antiphon_wire::message::Message;
use antiphon_wire::node::Call;
use antiphon_wire::node::ClaimChange;
use antiphon_wire::node::Frames;
use antiphon_wire::node::HandlerTable;
use antiphon_wire::node::Header;
use antiphon_wire::node::Introduction;
use antiphon_wire::node::Kept;
use antiphon_wire::node::Kind;
use antiphon_wire::node::Listen;
use antiphon_wire::node::Load;
use antiphon_wire::node::LockClaim;
use antiphon_wire::node::LockClaims;
use antiphon_wire::node::LockGrant;
use antiphon_wire::node::ManySessionsRequest;
use antiphon_wire::node::Match;
use antiphon_wire::node::NodeHandlers;
use antiphon_wire::node::NodeService;
use antiphon_wire::node::PathRequest;
use antiphon_wire::node::Returned;
use antiphon_wire::node::SessionRequest;
use antiphon_wire::node::Unlisten;
use antiphon_wire::node::WhyReturned;
use antiphon_wire::node::put_request;
use antiphon_wire::service::events::SessionChange;
use antiphon_wire::service::events::SessionEvent;
use antiphon_wire::service::events::SessionEvents;
use antiphon_wire::websocket::put_close;
use antiphon_wire::websocket::put_message;
use antiphon_wire::websocket::put_ping;

use crate::Body;
use crate::assert_body;
use crate::hex::hex;
use crate::value;

/// Asserts that the bytes are this call, both ways.
#[track_caller]
fn call(digits: &str, service: NodeService, conversation: u64, body: impl Body) {
    let bytes = hex(digits);
    let conversation = ConversationId(conversation);
    let header = Message::decode(bytes);
    let Ok(Message::Request { service: number, conversation: read, body: read_body }) = header
    else {
        panic!("not a request: {digits}");
    };
    assert_eq!((NodeService::from_number(number), read), (Some(service), conversation));
    assert_body(read_body, &body);
    let mut written = Vec::new();
    put_request(&mut written, service, conversation);
    body.encode(&mut written);
    assert_eq!(written, bytes);
}

#[test]
fn a_transmission_begins_with_who_speaks_to_whom() {
    let digits = "01 00 0000000000000102 0000000000000000 0000000000000000";
    let greeting = Header { kind: Kind::Greeting, from: 0x0102, to: 0, sequence: 0 };
    assert_eq!(greeting.to_bytes(), hex(digits));
    assert_eq!(Header::split(hex(digits)), Ok((greeting, &[][..])));

    let digits = "01 01 0000000000000102 ff00000000000003 0000000000000004 8203";
    let messages =
        Header { kind: Kind::Messages, from: 0x0102, to: 0xff00_0000_0000_0003, sequence: 4 };
    assert_eq!(Header::split(hex(digits)), Ok((messages, &[0x82, 3][..])));
}

#[test]
fn a_transmission_that_is_none_is_refused_by_name() {
    let whole = hex("01 01 0000000000000102 ff00000000000003 0000000000000004");
    for end in 0..whole.len() {
        let malformed = Header::split(&whole[..end]).unwrap_err();
        assert_eq!((malformed.message, malformed.fault), ("Header", Fault::Truncated), "{end}");
    }
    let refused =
        |digits| Header::split(hex(digits)).map_err(|malformed| (malformed.field, malformed.fault));
    assert_eq!(refused("02 01"), Err(("version", Fault::Number(2))));
    assert_eq!(refused("01 07"), Err(("kind", Fault::Tag(7))));
}

#[test]
fn frames_are_those_of_a_websocket() {
    let mut frames = Vec::new();
    let lengths = [0, 125, 126, 65_535, 65_536];
    for length in lengths {
        put_message(&mut frames, length, |out| out.resize(out.len() + length, 7));
    }
    let read: Vec<_> = Frames::new(&frames).map(|frame| frame.unwrap().len()).collect();
    assert_eq!(read, lengths);

    let first_fault = |frames: &[u8]| {
        let faults: Vec<_> = Frames::new(frames).filter_map(Result::err).collect();
        assert_eq!(faults.len(), 1);
        assert_eq!((faults[0].message, faults[0].field), ("transmission", "frame"));
        faults[0].fault
    };
    for end in 1..130 {
        let start = frames.len() - 65_546;
        assert_eq!(first_fault(&frames[start..start + end]), Fault::Truncated, "{end}");
    }
    assert_eq!(first_fault(&[0x82, 0x81, 1, 2, 3, 4, 5]), Fault::Tag(0x81));
    for put in [|out: &mut Vec<u8>| put_ping(out, b""), |out: &mut Vec<u8>| put_close(out, 1000)] {
        let mut control = Vec::new();
        put(&mut control);
        assert_eq!(first_fault(&control), Fault::Tag(control[0]));
    }
}

#[test]
fn a_node_says_what_it_is_and_what_it_has() {
    let introduction = Introduction { version: "1.0", name: "a" };
    call("00 e907 00 03312e30 0161", NodeService::Introduce, 0, introduction);
    let handlers = vec![
        NodeHandlers { path: "a/b", count: 2, keys: vec!["$Principal"] },
        NodeHandlers { path: "c", count: 0, keys: vec![] },
    ];
    call(
        "00 ea07 00 03 01 02 03612f62 02 01 0a245072696e636970616c 0163 00 00",
        NodeService::Handlers,
        0,
        HandlerTable { version: 3, is_whole: true, handlers },
    );
    let load = Load { sessions: 300, is_leaving: false, in_flight: vec![("a/b", 5)] };
    call("00 eb07 00 ac02 00 01 03612f62 05", NodeService::Load, 0, load);
}

fn path_request() -> PathRequest<'static> {
    PathRequest {
        sender: SessionId { server: 0x65, client: 7 },
        timeout: 10_000,
        branch: 1,
        returns: 0,
        kept: 9,
        path: "/a/b",
        properties: vec![("$Principal", "x")],
        value: value("string", "6568656c6c6f"),
    }
}

#[test]
fn a_request_to_a_path_goes_there_and_may_come_back() {
    let request = "65 07 904e 01 00 09 042f612f62 01 0a245072696e636970616c 0178 06737472696e67 066568656c6c6f";
    call(&format!("00 ec07 868001 {request}"), NodeService::Path, 0x4006, path_request());
    let returned = Returned {
        conversation: ConversationId(0x4006),
        why: WhyReturned::Overloaded,
        request: path_request(),
    };
    call(&format!("00 ed07 00 868001 01 {request}"), NodeService::Return, 0, returned);
    let kept = Kept { sender: 7, path: "a", handler: 300 };
    call("00 f907 00 07 0161 ac02", NodeService::Kept, 0, kept);
}

#[test]
fn requests_go_to_one_session_or_to_many() {
    let value = || value("string", "6568656c6c6f");
    call(
        "00 ee07 05 07 904e 0170 06737472696e67 066568656c6c6f",
        NodeService::Session,
        5,
        SessionRequest { session: 7, timeout: 10_000, path: "p", value: value() },
    );
    call("00 ef07 05 03616c6c", NodeService::Match, 5, Match { filter: "all" });
    let recipients = vec![(7, ConversationId(9)), (8, ConversationId(300))];
    call(
        "00 f007 00 02 07 09 08 ac02 904e 0170 06737472696e67 066568656c6c6f",
        NodeService::ManySessions,
        0,
        ManySessionsRequest { recipients, timeout: 10_000, path: "p", value: value() },
    );
}

#[test]
fn a_service_call_is_carried_as_it_is() {
    let body = Call { service: 14, body: &[0x65, 7] };
    call("00 f107 05 0e 02 6507", NodeService::Call, 5, body);
}

#[test]
fn listeners_register_at_other_nodes() {
    let listen = Listen { listener: 7, filter: Some("all"), keys: vec!["*F"], after: Some(300) };
    call("00 f207 00 07 01 03616c6c 01 022a46 01 ac02", NodeService::Listen, 0, listen);
    call("00 f307 00 07", NodeService::Unlisten, 0, Unlisten { listener: 7 });
    let change = SessionChange::Opened(vec![("a", "b")]);
    let events = vec![SessionEvent { session: SessionId { server: 0x65, client: 7 }, change }];
    let events = SessionEvents { conversation: ConversationId(7), events };
    call("00 f407 00 07 01 65 07 00 01 0161 0162", NodeService::Events, 0, events);
}

#[test]
fn locks_are_claimed_and_granted() {
    let claims = LockClaims {
        view: 300,
        epoch: 3,
        round: 2,
        next_sequence: 78,
        held: vec![("a", 77)],
        wanted: vec!["b"],
    };
    call("00 f507 00 ac02 03 02 4e 01 0161 4d 01 0162", NodeService::LockClaims, 0, claims);
    let returned = LockClaim { name: "a", change: ClaimChange::Returned };
    call("00 f607 00 0161 02", NodeService::LockClaim, 0, returned);
    let grant = LockGrant { name: "b", sequence: 78, round: 2 };
    call("00 f707 00 0162 4e 02", NodeService::LockGrant, 0, grant);
}

#[test]
fn a_farewell_is_a_header_alone() {
    let mut written = Vec::new();
    put_request(&mut written, NodeService::Farewell, ConversationId(0));
    assert_eq!(written, hex("00 f807 00"));
}
