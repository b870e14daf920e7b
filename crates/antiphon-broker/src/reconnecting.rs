//! From a connection that was lost to another one, or to the end of the session.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use antiphon_wire::connect::Accepted;
use antiphon_wire::connect::ClientFamily;
use antiphon_wire::connect::ConnectionRequest;
use antiphon_wire::connect::Refusal;
use antiphon_wire::connect::Resumed;
use antiphon_wire::connect::put_resumed;
use antiphon_wire::ids::SessionId;
use antiphon_wire::ids::SessionToken;
use antiphon_wire::service::events::CloseReason;
use antiphon_wire::service::events::UpdateKind;
use antiphon_wire::websocket;

use crate::broker::Broker;
use crate::opening::RESPONSE_LENGTH;
use crate::outbox::Outbox;
use crate::session::Connection;
use crate::session::Forgotten;
use crate::session::Inbound;
use crate::session::Kept;
use crate::session::Lost;
use crate::session::Replay;
use crate::session::Session;
use crate::session::TakenUp;
use crate::session::Verdict;
use crate::stats::End;
use crate::stats::Limit;
use crate::time::Millis;
use crate::time::millis;

impl<X> Broker<X> {
    /// The connection of a session is lost. A session that can be taken up again is kept for a while, with all that it
    /// has to answer and to be told; another one ends. Does nothing if the session has ended, or has another connection.
    pub fn lose(
        &self,
        session: &Arc<Session<X>>,
        connection: Connection,
        now: Millis,
        outbox: &mut Outbox<X>,
    ) {
        let mut listeners = self.listeners.lock();
        let lost = session.lose(connection, now);
        if lost == Some(Lost::ForNow) {
            session.set_next_ping(Millis::NEVER);
            // Before it can come back and acquire others.
            self.forget_connection_locks(session, outbox);
            listeners.told(session, UpdateKind::Disconnected, &self.policy().limits, outbox);
        }
        drop(listeners);
        if lost == Some(Lost::ForGood) {
            self.end(session, CloseReason::ConnectionLost, outbox);
        }
        self.reap(outbox);
    }

    /// Gives a session that `request` asks for another connection. Its mailbox begins with the connection response.
    ///
    /// `attach` replaces the driver's handle on the old connection by the one on the new; it is called with a lock
    /// held, so it must not call the broker.
    ///
    /// # Errors
    /// The refusal to be sent: the session is not known (any more), or has lost messages.
    pub fn reconnect(
        &self,
        request: &ConnectionRequest,
        now: Millis,
        attach: impl FnOnce(&X, Connection),
        outbox: &mut Outbox<X>,
    ) -> Result<(Arc<Session<X>>, Connection), Refusal> {
        let asked = request.reconnection.as_ref().ok_or(Refusal::UnknownSession)?;
        let session = self.kept(asked.token).ok_or(Refusal::UnknownSession)?;
        // From here on no message of the old connection is served.
        let mut inbound = session.inbound.lock();
        let mut listeners = self.listeners.lock();
        if session.is_connected() {
            // Nobody has noticed yet that the old connection is lost.
            self.forget_connection_locks(&session, outbox);
        }
        let welcome = self.welcome(request, session.id(), asked.token);
        let (taken_up, Forgotten(forgotten)) = session
            .take_up((&inbound, asked), attach, welcome, outbox)
            .ok_or(Refusal::UnknownSession)?;
        if forgotten {
            self.totals.exceed(Limit::Recovery);
        }
        inbound.connection = match taken_up {
            TakenUp::Resumed(connection) => {
                self.totals.resumed.fetch_add(1, Relaxed);
                if request.family == ClientFamily::JavaScript {
                    watch_replay(&session, &mut inbound, asked.server_sequence, outbox);
                }
                connection
            }
            TakenUp::Restarted(connection, remains) => {
                self.totals.restarted.fetch_add(1, Relaxed);
                let own = listeners.forget(&session);
                self.unlisten_everywhere(&own, outbox);
                self.forget_locks(&session, outbox);
                self.forget_authenticators(&session);
                self.withdraw(&remains.handlers, outbox);
                self.undo(&session, remains.unanswered, End::RecipientRestarted, outbox);
                inbound.begin_anew();
                connection
            }
            TakenUp::Lost => {
                drop(listeners);
                drop(inbound);
                self.close(&session, CloseReason::LostMessages, outbox);
                return Err(Refusal::ReconnectionFailedMessageLoss);
            }
        };
        session.heard(now);
        session.set_next_ping(self.patience.next_ping(now));
        listeners.told(&session, UpdateKind::Reconnected, &self.policy().limits, outbox);
        let connection = inbound.connection;
        drop(listeners);
        drop(inbound);
        self.reap(outbox);
        Ok((session, connection))
    }

    /// Ends a session that has been without a connection for too long.
    pub(crate) fn give_up(&self, session: &Arc<Session<X>>, now: Millis, outbox: &mut Outbox<X>) {
        // Held so that it does not come back in this moment.
        let _inbound = session.inbound.lock();
        if session.lost_until() <= now {
            self.end(session, CloseReason::ConnectionLost, outbox);
        }
    }

    fn kept(&self, token: SessionToken) -> Option<Arc<Session<X>>> {
        let id = *self.tokens.lock().get(&token)?;
        self.find(id)
    }

    /// What writes the connection response.
    fn welcome<'a>(
        &'a self,
        request: &'a ConnectionRequest,
        session: SessionId,
        token: SessionToken,
    ) -> impl FnOnce(&mut Vec<u8>, Verdict) + use<'a, X> {
        let accepted = Accepted {
            session,
            token,
            ping_period: millis(self.config.ping_period),
            maximum_message: u32::try_from(self.policy().limits.message).unwrap_or(u32::MAX),
        };
        move |out, verdict| {
            let resumed = match verdict {
                Verdict::Resume { next } => Resumed::Intact {
                    next_client_sequence: u32::try_from(next).unwrap_or(u32::MAX),
                },
                Verdict::Restart | Verdict::Lost => Resumed::WithLoss,
            };
            websocket::put_message(out, RESPONSE_LENGTH, |out| {
                put_resumed(out, request.version, &accepted, resumed);
            });
        }
    }

    /// With what a new session can be taken up again; `None` if it, or the configuration, does not want that.
    pub(crate) fn keep(&self, request: &ConnectionRequest, token: SessionToken) -> Option<Kept> {
        let wanted = Duration::from_millis(request.reconnect_timeout);
        let keep_for = wanted.min(self.policy().recovery.keep_for);
        let bounds = self.policy().recovery.bounds();
        (!keep_for.is_zero()).then(|| Kept::new(token, keep_for, bounds))
    }
}

/// Watches what a client that has come back, with messages up to number `had`, sends until it has answered a ping.
fn watch_replay<X>(
    session: &Arc<Session<X>>,
    inbound: &mut Inbound,
    had: u64,
    outbox: &mut Outbox<X>,
) {
    let ping = session.post_ping(outbox);
    inbound.replay = Replay::Watched { ping, had, seen: Vec::new() };
}
