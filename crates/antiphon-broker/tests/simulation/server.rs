//! The server around the broker, without sockets and threads: it does what the real driver does, and tells the model.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use antiphon_broker::Broker;
use antiphon_broker::Connection;
use antiphon_broker::Flush;
use antiphon_broker::Grant;
use antiphon_broker::Millis;
use antiphon_broker::Next;
use antiphon_broker::Note;
use antiphon_broker::Opening;
use antiphon_broker::Outbox;
use antiphon_broker::Session;
use antiphon_broker::Spare;
use antiphon_wire::connect::ConnectionRequest;
use antiphon_wire::connect::Refusal;
use antiphon_wire::connect::put_refused;
use antiphon_wire::ids::SessionId;
use antiphon_wire::ids::SessionToken;
use antiphon_wire::message::Message;
use antiphon_wire::service::events::CloseReason;
use antiphon_wire::websocket;
use antiphon_wire::websocket::Event as Frame;

use crate::model::Expect;
use crate::model::Model;
use crate::network::LinkId;
use crate::network::Micros;
use crate::network::Who;
use crate::plan::Family;
use crate::plan::Plan;
use crate::record::Ask;
use crate::record::Record;
use crate::wire;
use crate::world::Event;
use crate::world::World;

/// The present connection of a session.
pub(crate) struct Seat(Cell<(Option<Connection>, LinkId)>);

impl Seat {
    fn link(&self) -> LinkId {
        self.0.get().1
    }

    /// The link of a connection, unless it was replaced.
    pub(crate) fn link_of(&self, connection: Connection) -> Option<LinkId> {
        let (present, link) = self.0.get();
        present.is_none_or(|present| present == connection).then_some(link)
    }
}

type Sat = Arc<Session<Seat>>;

pub(crate) struct Server {
    pub(crate) broker: Broker<Seat>,
    pub(crate) outbox: Outbox<Seat>,
    spare: Spare,
    pub(crate) sessions: BTreeMap<SessionId, Sat>,
    /// Those that somebody is going to write.
    pub(crate) listed: BTreeSet<SessionId>,
    /// Sees what is there without a network in between.
    pub(crate) spectator: Sat,
    /// How many bytes may wait for a session.
    most_waiting: usize,
    /// Sessions end only if somebody wants it.
    pub(crate) is_gentle: bool,
    keep_for: Micros,
}

impl Server {
    pub(crate) fn new(plan: &Plan) -> Self {
        let broker = Broker::new(plan.config.clone());
        let request = ConnectionRequest::parse("ty=WB&v=29", |_| None).unwrap();
        let opening = opening(&request, ("spectator", &[]), 0, Millis(0));
        let mut outbox = Outbox::default();
        let spectator =
            broker.open(opening, Seat(Cell::new((None, usize::MAX))), &mut outbox).unwrap();
        let recovery = plan.config.recovery.bytes;
        Self {
            broker,
            outbox: Outbox::default(),
            spare: Spare::default(),
            sessions: BTreeMap::new(),
            listed: BTreeSet::new(),
            spectator,
            is_gentle: plan.is_prompt() && !plan.tight,
            keep_for: plan.config.recovery.keep_for.as_micros() as Micros,
            most_waiting: (2 * plan.config.limits.mailbox).max(recovery) + LONGEST_MESSAGE,
        }
    }

    /// What the broker answers the spectator.
    pub(crate) fn ask(&self, message: &[u8], now: Millis) -> Vec<u8> {
        let mut outbox = Outbox::default();
        let mut ignored = Vec::new();
        self.spectator.flush(&mut Spare::default(), |_, bytes| {
            ignored.extend_from_slice(bytes);
            Ok(bytes.len())
        });
        self.broker.batch(&self.spectator, now).message(message, &mut outbox);
        let mut answer = Vec::new();
        self.spectator.flush(&mut Spare::default(), |_, bytes| {
            answer.extend_from_slice(bytes);
            Ok(bytes.len())
        });
        answer
    }

    /// The same as [`sync`].
    pub(crate) fn sync(&mut self, model: &mut Model, record: &mut Record, now: Micros) -> usize {
        let notes = &mut self.outbox.notes;
        sync(&self.broker, (notes, self.is_gentle), (model, record), now)
    }
}

/// Tells the model which sessions have ended, and why. Returns how many.
pub(crate) fn sync(
    broker: &Broker<Seat>,
    (notes, is_gentle): (&mut Vec<Note>, bool),
    (model, record): (&mut Model, &mut Record),
    now: Micros,
) -> usize {
    let (mut ended, mut parted) = (Vec::new(), Vec::new());
    for note in notes.drain(..) {
        let Note::Closed { session, reason } = note else { continue };
        match reason {
            _ if model.is_shut_down.is_some() => {}
            CloseReason::Aborted => parted.push(session),
            reason => ended.push((session, reason)),
        }
    }
    for (session, reason) in &ended {
        if *reason == CloseReason::ClientUnresponsive {
            model.given_up(*session, now).unwrap_or_else(|fault| record.fault(fault));
        }
        // Elsewhere silence, a full mailbox or lost messages may be the reason.
        if is_gentle && !model.sessions[session].may_end {
            record.fault(format!("{session} has ended without a reason"));
        }
    }
    let count = ended.len() + parted.len();
    let ended: Vec<_> = ended.into_iter().map(|(session, _)| session).collect();
    model.ended(&ended, now);
    model.parted(&parted, now).unwrap_or_else(|fault| record.fault(fault));
    if model.is_shut_down.is_none() && broker.stats().sessions != model.count() {
        record.fault(format!("there are {} sessions", broker.stats().sessions));
    }
    count
}

pub(crate) fn millis(now: Micros) -> Millis {
    Millis(now / 1_000)
}

fn opening<'a>(
    request: &'a ConnectionRequest,
    (principal, roles): (&str, &[&str]),
    link: LinkId,
    now: Millis,
) -> Opening<'a> {
    let roles = ["ADMINISTRATOR", "CLIENT_CONTROL"].iter().chain(roles);
    let mut token = [b'a'; 24];
    token[..8].copy_from_slice(&(link as u64).to_be_bytes());
    Opening {
        request,
        grant: Grant {
            principal: principal.to_owned(),
            roles: roles.map(|role| Arc::from(*role)).collect(),
            ..Grant::default()
        },
        client_address: "127.0.0.1".to_owned(),
        connector: "simulated",
        start_time: 1_700_000_000_000 + now.0,
        token: SessionToken(token),
        now,
    }
}

/// What the server does.
impl World {
    pub(crate) fn handshake(&mut self, link: LinkId, query: &str) {
        if self.links[link].is_cut {
            return;
        }
        let request = ConnectionRequest::parse(query, |_| None).unwrap();
        if request.reconnection.is_some() {
            self.take_up(link, &request);
        } else {
            self.open(link, &request);
        }
        self.deliver();
        self.client_reads(link);
    }

    fn open(&mut self, link: LinkId, request: &ConnectionRequest) {
        let who = self.links[link].client;
        let roles = ["guest", if who.is_multiple_of(2) { "even" } else { "odd" }];
        let principal = format!("c{who}");
        let opening = opening(request, (&principal, &roles), link, millis(self.now));
        let seat = Seat(Cell::new((None, link)));
        match self.server.broker.open(opening, seat, &mut self.server.outbox) {
            Ok(session) => {
                let id = session.id();
                if self.draining.is_some() {
                    self.record.fault(format!("{id} opens while the server drains"));
                }
                let wanted = request.reconnect_timeout * 1_000;
                let kept_for = self.server.keep_for.min(wanted);
                if session.can_come_back() != (kept_for > 0) {
                    self.record.fault(format!("{id} may come back, or may not"));
                }
                self.note(|| format!("{id} opens for client {who} on link {link}"));
                self.server.sessions.insert(id, session);
                self.links[link].number = Some(Connection::FIRST);
                self.links[link].session = Some(id);
                self.model.opened(id, (who, kept_for), self.now);
            }
            Err(refusal) => self.refuse(link, request, refusal),
        }
        self.server.sync(&mut self.model, &mut self.record, self.now);
    }

    fn take_up(&mut self, link: LinkId, request: &ConnectionRequest) {
        let mut old = None;
        let attach = |seat: &Seat, number| old = Some(seat.0.replace((Some(number), link)).1);
        let now = millis(self.now);
        match self.server.broker.reconnect(request, now, attach, &mut self.server.outbox) {
            Ok((session, number)) => {
                let id = session.id();
                self.links[link].number = Some(number);
                self.links[link].session = Some(id);
                if let Some(old) = old {
                    self.replaced(old);
                }
                // The connection response is the first that is written.
                self.server.outbox.touched.retain(|touched| touched.id() != id);
                let start = self.write(&session);
                let is_anew = start.get(4) == Some(&RESTARTED);
                self.note(|| {
                    format!("{id} is back on link {link}{}", if is_anew { " anew" } else { "" })
                });
                let family = self.clients[self.links[link].client].family;
                let repeats_rightly = family != Family::JavaScript;
                if is_anew
                    && repeats_rightly
                    && !self.plan.loses()
                    && !self.model.has_begun_anew(id)
                {
                    self.record.fault(format!("{id} begins anew, but nothing was lost"));
                }
                self.model.reconnected(id, is_anew, self.now);
            }
            Err(refusal) => {
                let is_lost = refusal == Refusal::ReconnectionFailedMessageLoss;
                if is_lost && !self.plan.loses() {
                    self.record.fault(format!("link {link} is refused, but nothing was lost"));
                }
                self.refuse(link, request, refusal);
            }
        }
        self.server.sync(&mut self.model, &mut self.record, self.now);
    }

    fn refuse(&mut self, link: LinkId, request: &ConnectionRequest, why: Refusal) {
        self.note(|| format!("link {link} is refused: {why:?}"));
        let mut bytes = Vec::new();
        websocket::put_message(&mut bytes, 3, |out| {
            put_refused(out, request.version.number(), why)
        });
        let written = self.links[link].write_all(&bytes);
        assert!(written);
        self.hang_up(link);
    }

    /// Bytes arrive, in one read.
    pub(crate) fn receive(&mut self, link: LinkId, bytes: &[u8]) {
        let this = &mut self.links[link];
        if this.is_over || this.is_deaf || (this.is_cut && !this.arrives_still) {
            return;
        }
        this.unread.extend_from_slice(bytes);
        let Some(id) = this.session else { return };
        let session = self.server.sessions[&id].clone();
        let end = self.serve(link, &session);
        self.server.sync(&mut self.model, &mut self.record, self.now);
        match end {
            End::No => {}
            End::Deaf => self.links[link].is_deaf = true,
            End::Replaced => self.hang_up(link),
            End::Lost => {
                self.note(|| format!("{id} has repeated messages"));
                self.lose(link);
            }
            End::Closed => {
                self.model.may_end(id);
                self.links[link].is_deaf = true;
                self.server.broker.close(
                    &session,
                    CloseReason::ClosedByClient,
                    &mut self.server.outbox,
                );
                self.server.sync(&mut self.model, &mut self.record, self.now);
            }
        }
        self.deliver();
    }

    fn serve(&mut self, link: LinkId, session: &Sat) -> End {
        let (now, id) = (self.now, session.id());
        let Self { server, links, model, record, clients, .. } = self;
        let this = &mut links[link];
        let mut batch = server.broker.batch(session, millis(now));
        model.heard(id, now);
        if Some(batch.connection()) != this.number {
            return End::Replaced;
        }
        let mut used = 0;
        let end = loop {
            let Some((length, frame)) = this.server_decoder.next(&mut this.unread[used..]).unwrap()
            else {
                break End::No;
            };
            used += length;
            match frame {
                Frame::Message(message) => {
                    let was_alive = model.is_alive(id);
                    let next = batch.message(message, &mut server.outbox);
                    if matches!(next, Next::Reconnect) {
                        break End::Lost;
                    }
                    if was_alive {
                        arrive(record, model, (id, message), now);
                        let notes = (&mut server.outbox.notes, server.is_gentle);
                        sync(&server.broker, notes, (model, record), now);
                    }
                    if matches!(next, Next::Closed) {
                        break End::Deaf;
                    }
                }
                Frame::Close(_) => {
                    let is_python = clients[this.client].family.is_python();
                    break if is_python { End::Closed } else { End::Lost };
                }
                _ => {}
            }
        };
        this.unread.drain(..used);
        end
    }

    /// The server notices that a connection is lost.
    pub(crate) fn lose(&mut self, link: LinkId) {
        let this = &mut self.links[link];
        let (Some(id), Some(number), false) = (this.session, this.number, this.is_over) else {
            return;
        };
        self.hang_up(link);
        let session = self.server.sessions[&id].clone();
        let is_present = session.driver().link() == link;
        self.server.broker.lose(&session, number, millis(self.now), &mut self.server.outbox);
        if is_present {
            self.note(|| format!("{id} loses link {link}"));
            self.model.lost(id, self.now);
        }
        self.server.sync(&mut self.model, &mut self.record, self.now);
        self.deliver();
    }

    /// Puts the sessions that were touched on the list of those to be written.
    pub(crate) fn deliver(&mut self) {
        let mut touched = std::mem::take(&mut self.server.outbox.touched);
        for session in touched.drain(..) {
            if session.driver().link() == usize::MAX {
                self.server.ask(&wire::ping(), millis(self.now));
                continue;
            }
            let id = session.id();
            if !self.server.listed.insert(id) {
                self.record.fault(format!("{id} is listed twice"));
            }
            let delay = self.random.between(0..1_500);
            self.later(delay, Event::Flush(id));
        }
        self.server.outbox.touched = touched;
    }

    pub(crate) fn flush(&mut self, id: SessionId) {
        if self.server.listed.contains(&id) {
            let session = self.server.sessions[&id].clone();
            self.write(&session);
        }
    }

    /// Writes what waits for a session; the first bytes of it.
    pub(crate) fn write(&mut self, session: &Sat) -> Vec<u8> {
        let now = self.now;
        // What another thread may do during the write.
        let mut asks = !self.plan.tight
            && self.model.is_alive(session.id())
            && self.model.is_shut_down.is_none()
            && self.draining.is_none()
            && !self.is_healing
            && self.random.chance(10);
        let Self { links, random, server, record, .. } = self;
        server.listed.remove(&session.id());
        let Server { broker, spectator, spare, outbox, most_waiting: most, .. } = server;
        let (mut start, mut used, most) = (None, None, *most);
        let flushed = session.flush(spare, |connection, bytes| {
            if start.is_none() && bytes.len() > most {
                record.fault(format!("{} bytes wait for {}", bytes.len(), session.id()));
            }
            start.get_or_insert_with(|| bytes[..bytes.len().min(16)].to_vec());
            if std::mem::take(&mut asks) {
                let message = ask_meanwhile(record, (spectator.id(), session.id()), now);
                broker.batch(spectator, millis(now)).message(&message, outbox);
            }
            match session.driver().link_of(connection) {
                Some(link) => {
                    used = Some(link);
                    links[link].write(bytes, random)
                }
                None => Ok(bytes.len()),
            }
        });
        let link = used.unwrap_or_else(|| session.driver().link());
        match flushed {
            Flush::Done => {}
            Flush::Blocked => self.links[link].is_blocked = true,
            Flush::Broken => self.lose(link),
            Flush::Finished => self.hang_up(link),
        }
        self.client_reads(link);
        self.deliver();
        start.unwrap_or_default()
    }

    /// The socket takes bytes again.
    pub(crate) fn writable(&mut self, link: LinkId) {
        let this = &mut self.links[link];
        let (Some(id), Some(number)) = (this.session, this.number) else { return };
        if std::mem::take(&mut this.is_blocked) && !this.is_over {
            let session = self.server.sessions[&id].clone();
            session.unblock(number);
            session.heard(millis(self.now));
            self.model.heard(id, self.now);
            self.write(&session);
        }
    }

    /// A session has another connection. The task of the old one hears of it, or finds first that it is lost.
    fn replaced(&mut self, old: LinkId) {
        if self.random.chance(50) {
            return self.hang_up(old);
        }
        let delay = self.random.between(1..3_000);
        self.later(delay, Event::ServerNotices(old));
    }

    /// Closes a socket; the client may still read what is there.
    pub(crate) fn hang_up(&mut self, link: LinkId) {
        if !std::mem::replace(&mut self.links[link].is_over, true) {
            let delay = self.random.between(100..20_000);
            self.later(delay, Event::ClientNotices(link));
        }
    }

    pub(crate) fn shut_down(&mut self) {
        self.note(|| "the server shuts down".to_owned());
        self.server.broker.shut_down(&mut self.server.outbox);
        self.model.shut_down(self.now);
        self.server.outbox.notes.clear();
        self.deliver();
    }
}

/// What becomes of a read.
enum End {
    No,
    /// Nothing more is read.
    Deaf,
    Replaced,
    Lost,
    Closed,
}

/// The spectator asks a session.
fn ask_meanwhile(record: &mut Record, (from, to): (SessionId, SessionId), now: Micros) -> Vec<u8> {
    let ask = Ask::Session(to);
    let serial = record.call((SPECTATOR, from), ask.clone());
    record.served += 1;
    let call = &mut record.calls[serial];
    call.arrived = Some((now, record.served));
    call.expect = Some(Expect::Addressee(to, true));
    wire::call(serial, &ask, 4, 0)
}

/// A message is served.
fn arrive(
    record: &mut Record,
    model: &mut Model,
    (session, bytes): (SessionId, &[u8]),
    now: Micros,
) {
    record.served += 1;
    let place = (now, record.served);
    match Message::decode(bytes).unwrap() {
        Message::Request { conversation, .. } => {
            let Some(serial) = record.find(session, conversation.0) else { return };
            let call = &mut record.calls[serial];
            if call.arrived.is_some() {
                let again = format!("call {serial} was served twice: {:?}", call.ask);
                return record.fault(again);
            }
            call.arrived = Some(place);
            call.leaving = model.leaving();
            call.expect = Some(model.serve(session, (serial, &call.ask), now));
        }
        Message::CloseRequest => model.may_end(session),
        message => {
            if let Some(stamp) = wire::stamp(&message) {
                record.answers[stamp].arrived.get_or_insert(place);
            }
        }
    }
}

/// Who the spectator is among the clients: none.
pub(crate) const SPECTATOR: Who = usize::MAX;

/// The code of a connection response that says so.
const RESTARTED: u8 = 106;

/// Of all messages here.
const LONGEST_MESSAGE: usize = 1_000;
