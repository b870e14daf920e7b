//! What the nodes of a cluster say to each other: transmissions, and the services of nodes.
//!
//! A transmission is what one node writes to another at a time: a [`Header`], then WebSocket frames with the ordinary
//! messages of [`crate::message`]. Their services have numbers of their own, which mean nothing to a client.
//!
//! ```text
//! version | kind | from, 8 bytes | to, 8 bytes | sequence, 8 bytes | frames
//! ```
//!
//! Both ends of a link have a number that they change when they begin anew, so a pair of numbers names one life of a
//! link. A greeting has no frames: it tells the number of its sender, and which one it knows of the other end, 0 if
//! none. `docs/cluster-protocol.md` is the normative description.

mod transmission;

use crate::codec::byte_enum;
use crate::codec::record;
use crate::ids::ConversationId;
use crate::ids::SessionId;
use crate::message;
use crate::service::Properties;
use crate::service::registry;
use crate::value::Value;

pub use crate::node::transmission::Frames;
pub use crate::node::transmission::HEADER;
pub use crate::node::transmission::Header;
pub use crate::node::transmission::Kind;
pub use crate::node::transmission::VERSION;

registry! {
    /// A service that nodes have for each other.
    NodeService {
        /// What a node is: [`Introduction`], the first message. No answer.
        Introduce = 1001,
        /// Handlers of a node that are new, changed or gone: [`HandlerTable`]. No answer.
        Handlers = 1002,
        /// How busy a node is: [`Load`]. No answer.
        Load = 1003,
        /// A request to a path: [`PathRequest`]. The answer is that of the handler.
        Path = 1004,
        /// A [`PathRequest`] that was not delivered: [`Returned`]. It takes the place of the answer.
        Return = 1005,
        /// A request to a session: [`SessionRequest`]. The answer is that of the session.
        Session = 1006,
        /// Asks which sessions match a filter: [`Match`]. The answer is a list of the client parts of their ids.
        Match = 1007,
        /// A request to many sessions: [`ManySessionsRequest`]. Each answers for itself.
        ManySessions = 1008,
        /// A service call of a client, which may do it: [`Call`]. The answer is that of the service.
        Call = 1009,
        /// Asks to be told what happens to sessions: [`Listen`]. No answer.
        Listen = 1010,
        /// Asks not to be told any more: [`Unlisten`]. No answer.
        Unlisten = 1011,
        /// What happened to sessions: [`SessionEvents`], whose conversation is the number of the listener. No answer.
        ///
        /// [`SessionEvents`]: crate::service::events::SessionEvents
        Events = 1012,
        /// All that sessions of a node hold and wait for, of the locks that the other node manages: [`LockClaims`]. No
        /// answer.
        LockClaims = 1013,
        /// One change of that: [`LockClaim`]. No answer.
        LockClaim = 1014,
        /// Gives a lock to a node: [`LockGrant`]. No answer.
        LockGrant = 1015,
        /// The sender sends no more requests in this life of the link, and takes none: no body. Whoever hears it says it
        /// too, if it has not. No answer.
        Farewell = 1016,
        /// Which handler a sender is to stay with: [`Kept`]. No answer.
        Kept = 1017,
    }
}

/// Appends the header of a call of a node service; its body follows.
pub fn put_request(out: &mut Vec<u8>, service: NodeService, conversation: ConversationId) {
    message::put_call(out, service.number(), conversation);
}

record! {
    /// What a node is.
    Introduction<'a> {
        /// The version of its software, for people.
        version: &'a str,
        /// Its `$ServerName`.
        name: &'a str,
    }
}

record! {
    /// Handlers of a node that are new, changed or gone. The first tables of a life of a link are all there is.
    HandlerTable<'a> {
        /// Counts the tables of one life of a link, from 1.
        version: u64,
        /// Whether with this one the other end knows all handlers there are.
        is_whole: bool,
        /// The handlers, a path each.
        handlers: Vec<NodeHandlers<'a>>,
    }
}

record! {
    /// The handlers that a node has for one path and all below it.
    NodeHandlers<'a> {
        /// The top of the branch.
        path: &'a str,
        /// How many there are; 0 if there are none any more.
        count: u32,
        /// Which properties of senders any of them wants to be told.
        keys: Vec<&'a str>,
    }
}

record! {
    /// How busy a node is.
    Load<'a> {
        /// Its open sessions.
        sessions: u64,
        /// It is about to stop: other nodes are the better choice.
        is_leaving: bool,
        /// The requests that the handlers of a path have in flight, where there are any.
        in_flight: Vec<(&'a str, u32)>,
    }
}

record! {
    /// A request to a path, for the handlers of another node.
    PathRequest<'a> {
        /// Who asks.
        sender: SessionId,
        /// How many milliseconds a handler has.
        timeout: u64,
        /// The length of the branch whose handlers were meant: those of branches above it are not.
        branch: u32,
        /// How often it was returned.
        returns: u8,
        /// The client part of the id of the session whose handler the sender is to stay with, if it is there; 0 if there
        /// is none.
        kept: u64,
        /// As the sender wrote it.
        path: &'a str,
        /// The sender's properties, as far as handlers of that branch asked for them.
        properties: Properties<'a>,
        /// The request.
        value: Value<'a>,
    }
}

record! {
    /// A request that no handler has got: it is safe to hand it to another node.
    Returned<'a> {
        /// The conversation of the request.
        conversation: ConversationId,
        /// Why it was not delivered.
        why: WhyReturned,
        /// The request, as it came.
        request: PathRequest<'a>,
    }
}

byte_enum! {
    /// Why a request was not delivered.
    WhyReturned {
        /// The handlers have just gone.
        NoHandler = 0,
        /// All of them have as much to do as they may.
        Overloaded = 1,
        /// The node is about to stop.
        Leaving = 2,
    }
}

record! {
    /// A request to a session of another node.
    SessionRequest<'a> {
        /// The client part of its id.
        session: u64,
        /// How many milliseconds it has.
        timeout: u64,
        /// As the sender wrote it.
        path: &'a str,
        /// The request.
        value: Value<'a>,
    }
}

record! {
    /// Asks which sessions match.
    Match<'a> {
        /// Session filter.
        filter: &'a str,
    }
}

record! {
    /// A request to many sessions of another node.
    ManySessionsRequest<'a> {
        /// The client parts of their ids, each with the conversation in which it answers.
        recipients: Vec<(u64, ConversationId)>,
        /// How many milliseconds each has.
        timeout: u64,
        /// As the sender wrote it.
        path: &'a str,
        /// The request.
        value: Value<'a>,
    }
}

record! {
    /// A call of a service that acts on sessions of another node. That the caller may do it was found out where it is.
    Call<'a> {
        /// The number of the service.
        service: u32,
        /// Its request body.
        body: &'a [u8],
    }
}

record! {
    /// A session listener of one node registers at another.
    Listen<'a> {
        /// Its number, never used twice by a node.
        listener: u64,
        /// Only sessions that match this session filter.
        filter: Option<&'a str>,
        /// Which properties to tell.
        keys: Vec<&'a str>,
        /// Only sessions that started after this time, in milliseconds since 1970.
        after: Option<u64>,
    }
}

record! {
    /// A session listener of one node is gone.
    Unlisten {
        /// Its number.
        listener: u64,
    }
}

record! {
    /// All that sessions of a node hold and wait for, of the locks that the other node manages.
    LockClaims<'a> {
        /// Stands for the set of nodes that the sender knows.
        view: u64,
        /// Above every change of that set which the sender knows of.
        epoch: u64,
        /// Counts what the sender has said in this way.
        round: u64,
        /// Above every grant that the sender knows of.
        next_sequence: u64,
        /// Locks that are held, each with its grant.
        held: Vec<(&'a str, u64)>,
        /// Locks that somebody waits for.
        wanted: Vec<&'a str>,
    }
}

record! {
    /// One change of what sessions of a node hold and wait for.
    LockClaim<'a> {
        /// The lock.
        name: &'a str,
        /// What is new.
        change: ClaimChange,
    }
}

byte_enum! {
    /// What is new about a lock.
    ClaimChange {
        /// Somebody waits for it.
        Wanted = 0,
        /// Nobody waits for it any more.
        Unwanted = 1,
        /// It is not held any more.
        Returned = 2,
    }
}

record! {
    /// Gives a lock to a node, which gives it to the session that is next there.
    LockGrant<'a> {
        /// The lock.
        name: &'a str,
        /// The grant.
        sequence: u64,
        /// The round of the [`LockClaims`] on which this rests; with another one it means nothing.
        round: u64,
    }
}

record! {
    /// Which handler has got a request of a sender that is to stay with it. It may be told before the answer.
    Kept<'a> {
        /// The client part of the sender's id.
        sender: u64,
        /// The branch whose handlers were meant.
        path: &'a str,
        /// The client part of the id of the handler's session.
        handler: u64,
    }
}
