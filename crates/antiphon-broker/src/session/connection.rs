//! A session loses its connection and gets another: who may come back, and with what.
//!
//! ```text
//!            lose                     resume: 105, what was missed follows
//! connected ------> without connection ----------------------------------> connected
//!                          |           restart: 106, all conversations are over
//!                          | time is over
//!                          v
//!                        ended
//! ```
//!
//! Every connection of a session has a number. What comes from a connection that is not the present one is not served,
//! and what was on its way to it is not written.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::Ordering::Release;
use std::time::Duration;

use antiphon_wire::connect::ClientFamily;
use antiphon_wire::connect::Reconnection;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::ids::SessionToken;
use antiphon_wire::path::LastPath;
use antiphon_wire::recovery::Bounds;
use antiphon_wire::recovery::Recovery;

use crate::outbox::Outbox;
use crate::rate::Pace;
use crate::session::Remains;
use crate::session::Session;
use crate::session::State;
use crate::time::Millis;

/// Numbers the connections of one session, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connection(pub(crate) u32);

impl Connection {
    /// The one with which a session is opened.
    pub const FIRST: Self = Self(1);

    /// In place of one that the broker has given up: no batch has this number.
    pub(crate) const NONE: Self = Self(0);
}

/// What a session is kept with while it has no connection. Sessions that cannot come back have none of it.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) token: SessionToken,
    pub(crate) keep_for: Duration,
    pub(crate) sent: Recovery,
    /// The last ping, and the number of its message: whoever answers it has all messages up to it.
    pinged: Option<(ConversationId, u64)>,
    /// The last message that grants a lock of the connection, and the last such before the connection was lost: a
    /// client that has not received that one would take it for a grant of the next connection.
    granted: u64,
    revoked: u64,
}

impl Kept {
    pub(crate) fn new(token: SessionToken, keep_for: Duration, bounds: Bounds) -> Self {
        let sent = Recovery::new(bounds);
        Self { token, keep_for, sent, pinged: None, granted: 0, revoked: 0 }
    }

    /// Whether so much is kept that the client should be asked what it has. A client that only receives acknowledges
    /// nothing by itself.
    pub(super) fn wants_acknowledgement(&self) -> bool {
        self.pinged.is_none() && self.sent.bytes() > MOST_UNASKED
    }
}

/// What a session has sent. Held during a batch, so that no message of an old connection is served once there is a
/// new one.
#[derive(Debug)]
pub(crate) struct Inbound {
    pub(crate) connection: Connection,
    /// How many messages were received since the session began, or began anew.
    pub(crate) received: u64,
    /// How often the session began anew.
    pub(crate) life: u32,
    pub(crate) replay: Replay,
    /// How fast it asks.
    pub(crate) pace: Pace,
    /// The path of its last request, if it has sent any.
    pub(crate) path: Option<Box<LastPath>>,
}

/// What is known of the messages that a client sends again after it came back. It matters for the JavaScript SDK alone:
/// of several messages it leaves some out and repeats others, the last one always, and it counts none of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Replay {
    /// Nothing was sent again that was counted otherwise.
    Sound,
    /// Until the client answers this ping it may be sending again.
    Watched {
        ping: ConversationId,
        /// The number of the last message that the client had received by then.
        had: u64,
        /// Hashes of the messages since it came back, but of those that cannot have been sent before.
        seen: Vec<u64>,
    },
    /// Its count and ours may differ, so it can only begin anew.
    Doubtful,
    /// The session began anew, and nothing shows yet that the client knows: it may mean the messages of before.
    Untold,
}

/// What a client that wants its session back is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Go on. The next message that is expected has this number.
    Resume { next: u64 },
    /// All conversations are over, but the session is not.
    Restart,
    /// Messages are lost, and this client could not bear to begin anew.
    Lost,
}

/// What became of a client that wanted its session back.
pub(crate) enum TakenUp<X> {
    /// [`Verdict::Resume`].
    Resumed(Connection),
    /// [`Verdict::Restart`].
    Restarted(Connection, Remains<X>),
    /// [`Verdict::Lost`].
    Lost,
}

/// Whether the client lacks messages that the bounds did not let be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Forgotten(pub(crate) bool);

impl<X> Session<X> {
    /// Whether it has a connection.
    pub(crate) fn is_connected(&self) -> bool {
        self.connected.load(Relaxed)
    }

    /// Whether it can outlive its connection.
    pub fn can_come_back(&self) -> bool {
        self.state.lock().kept.is_some()
    }

    /// When it ends for want of a connection.
    pub(crate) fn lost_until(&self) -> Millis {
        Millis(self.lost_until.load(Relaxed))
    }

    /// The secret with which it can be taken up again.
    pub(crate) fn token(&self) -> Option<SessionToken> {
        self.state.lock().kept.as_ref().map(|kept| kept.token)
    }

    /// Takes note that `connection` is lost; false if that changes nothing, or if the session cannot outlive it.
    pub(crate) fn lose(&self, connection: Connection, now: Millis) -> Option<Lost> {
        let mut state = self.state.lock();
        if state.ended || state.connection != connection || !state.connected {
            return None;
        }
        let Some(kept) = &state.kept else { return Some(Lost::ForGood) };
        let until = now.after(kept.keep_for);
        self.lost_until.store(until.0, Relaxed);
        state.due_by(until);
        state.connected = false;
        state.mailbox = super::Mailbox::default();
        self.connected.store(false, Release);
        Some(Lost::ForNow)
    }

    /// Gives the session another connection, if it can be taken up as `asked`; `None` if it has ended. `welcome` is
    /// written first, then all messages that the client lacks.
    ///
    /// One lock is held from the verdict on: messages that are sent meanwhile may push out those that the client lacks.
    pub(crate) fn take_up(
        self: &Arc<Self>,
        (inbound, asked): (&Inbound, &Reconnection),
        attach: impl FnOnce(&X, Connection),
        welcome: impl FnOnce(&mut Vec<u8>, Verdict),
        outbox: &mut Outbox<X>,
    ) -> Option<(TakenUp<X>, Forgotten)> {
        let mut state = self.state.lock();
        let verdict = self.verdict(&state, inbound, asked)?;
        let lowest = state.kept.as_ref().map_or(0, |kept| kept.sent.lowest());
        let forgotten = Forgotten(asked.server_sequence < lowest.saturating_sub(1));
        if verdict == Verdict::Lost {
            return Some((TakenUp::Lost, forgotten));
        }
        let connection = self.attach(&mut state, attach);
        state.mailbox.put(|out| welcome(out, verdict));
        let taken_up = if verdict == Verdict::Restart {
            TakenUp::Restarted(connection, state.restart())
        } else {
            state.resume(asked.server_sequence);
            TakenUp::Resumed(connection)
        };
        self.count_pending(&state);
        self.attached(state, outbox);
        Some((taken_up, forgotten))
    }

    /// What becomes of a client that comes back, if the session has not ended.
    fn verdict(
        &self,
        state: &State<X>,
        inbound: &Inbound,
        asked: &Reconnection,
    ) -> Option<Verdict> {
        let kept = state.kept.as_ref().filter(|_| !state.ended)?;
        let next = inbound.received + 1;
        let known = kept.revoked.max(kept.sent.lowest() - 1)..=kept.sent.sent();
        let can_receive = asked.client_sequence <= next;
        if known.contains(&asked.server_sequence) && can_receive && inbound.replay == Replay::Sound
        {
            return Some(Verdict::Resume { next });
        }
        // Python takes a restart for a recovery, and would wait for ever for what it registered.
        let bears_restart = self.client.family != ClientFamily::Python;
        Some(if bears_restart { Verdict::Restart } else { Verdict::Lost })
    }

    fn attach(&self, state: &mut State<X>, attach: impl FnOnce(&X, Connection)) -> Connection {
        let connection = Connection(state.connection.0 + 1);
        attach(&self.driver, connection);
        state.connection = connection;
        state.connected = true;
        state.mailbox = super::Mailbox::default();
        // A thread that still writes to the old connection finds another number, and lets go.
        state.writing = false;
        state.blocked = false;
        connection
    }

    fn attached(
        self: &Arc<Self>,
        mut state: parking_lot::MutexGuard<'_, State<X>>,
        outbox: &mut Outbox<X>,
    ) {
        self.connected.store(true, Release);
        self.lost_until.store(Millis::NEVER.0, Relaxed);
        state.due_by(Millis(0));
        let touched = state.touch();
        drop(state);
        self.report(touched, outbox);
    }

    /// Notes that the last message grants a lock of the connection.
    pub(crate) fn note_grant(&self) {
        if let Some(kept) = &mut self.state.lock().kept {
            kept.granted = kept.sent.sent();
        }
    }

    /// Notes that no lock of the connection is held any more.
    pub(crate) fn revoke_grants(&self) {
        if let Some(kept) = &mut self.state.lock().kept {
            kept.revoked = kept.granted;
        }
    }

    /// Notes that the client has answered the message of this conversation that awaits no other answer.
    pub(crate) fn notice_answered(&self, conversation: ConversationId) {
        let mut state = self.state.lock();
        let Some(kept) = &mut state.kept else { return };
        if let Some((_, sequence)) = kept.pinged.filter(|pinged| pinged.0 == conversation) {
            let before = kept.sent.bytes();
            kept.sent.acknowledge(sequence);
            // A busy session would only have to grow again.
            if before < MOST_UNASKED / 4 {
                kept.sent.shrink();
            }
            kept.pinged = None;
        }
    }
}

impl<X> State<X> {
    /// Appends all messages behind number `received`, which the verdict has found.
    fn resume(&mut self, received: u64) {
        let Self { mailbox, kept, .. } = self;
        if let Some(kept) = kept {
            let _ = kept.sent.replay(received + 1, |frame| {
                mailbox.put(|out| out.extend_from_slice(frame));
            });
        }
    }

    /// Both sides count from the beginning.
    fn restart(&mut self) -> Remains<X> {
        self.life += 1;
        if let Some(kept) = &mut self.kept {
            **kept = Kept::new(kept.token, kept.keep_for, kept.sent.bounds());
        }
        let (unanswered, handlers) = (self.pending.drain(), self.handlers.take());
        handlers.iter().for_each(|handler| handler.mark_registered(false));
        Remains { unanswered, handlers }
    }

    /// Notes that the next message is a ping.
    pub(super) fn pinged(&mut self, conversation: ConversationId) {
        if let Some(kept) = &mut self.kept {
            kept.pinged = Some((conversation, kept.sent.sent() + 1));
        }
    }
}

/// What the loss of a connection means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The session may come back.
    ForNow,
    /// It cannot.
    ForGood,
}

impl Inbound {
    pub(crate) fn new() -> Self {
        Self {
            connection: Connection::FIRST,
            received: 0,
            life: 0,
            replay: Replay::Sound,
            pace: Pace::default(),
            path: None,
        }
    }

    /// Both sides count from the beginning.
    pub(crate) fn begin_anew(&mut self) {
        (self.received, self.replay) = (0, Replay::Untold);
        self.life += 1;
    }

    /// Takes note of a message. False if it is one that a defective replay repeats: then others are missing.
    pub(crate) fn count(&mut self, message: &[u8], hash: impl FnOnce(&[u8]) -> u64) -> bool {
        if self.replay == Replay::Untold {
            self.replay = Replay::Sound;
        }
        if let Replay::Watched { seen, .. } = &mut self.replay {
            let this = hash(message);
            let is_repeated = seen.contains(&this);
            seen.push(this);
            if is_repeated || seen.len() > MOST_SENT_AGAIN {
                self.replay = Replay::Doubtful;
            }
            if is_repeated {
                return false;
            }
        }
        self.received += 1;
        true
    }

    /// The message that was noted last answers message `sequence`. If the client had not received that one before it came
    /// back, the answer is new.
    pub(crate) fn answers(&mut self, sequence: u64) {
        if let Replay::Watched { had, seen, .. } = &mut self.replay
            && sequence > *had
        {
            seen.pop();
        }
    }

    /// The client has answered a ping: what it had to send again it has sent.
    pub(crate) fn answered(&mut self, conversation: ConversationId) {
        if let Replay::Watched { ping, seen, .. } = &self.replay
            && *ping == conversation
        {
            // The answer itself is one of them.
            self.replay = if seen.len() == 1 { Replay::Sound } else { Replay::Doubtful };
        }
    }
}

/// In bytes. A busy session keeps about twice this, one that is idle nothing.
const MOST_UNASKED: usize = 64 << 10;

/// The JavaScript SDK keeps so many messages.
const MOST_SENT_AGAIN: usize = 256;
