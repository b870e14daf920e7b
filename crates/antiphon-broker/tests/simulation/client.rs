//! Clients as the SDKs are: how they count, repeat and come back, and what they say and answer.

use std::collections::VecDeque;

use antiphon_wire::codec::Decode;
use antiphon_wire::connect::ConnectionResponse;
use antiphon_wire::connect::ProtocolVersion;
use antiphon_wire::connect::Resumed;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::ids::SessionId;
use antiphon_wire::ids::SessionToken;
use antiphon_wire::message::CLOSE_REQUEST_MESSAGE;
use antiphon_wire::message::Message;
use antiphon_wire::service::Service;
use antiphon_wire::service::events::SessionEvents;
use antiphon_wire::service::messaging::FilterResponse;
use antiphon_wire::websocket;
use antiphon_wire::websocket::Event as Frame;

use crate::network::Link;
use crate::network::LinkId;
use crate::network::Micros;
use crate::network::Who;
use crate::plan::Family;
use crate::plan::How;
use crate::plan::TIMEOUT;
use crate::random::Random;
use crate::record::Ask;
use crate::record::Delivery;
use crate::record::Kind;
use crate::record::Serial;
use crate::record::What;
use crate::wire;
use crate::world::Event;
use crate::world::World;

/// Where a client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// It has no connection, but may have a session.
    Off,
    /// It waits for the connection response.
    Connecting,
    On,
}

pub(crate) struct Client {
    pub(crate) family: Family,
    comes_back: bool,
    pub(crate) state: State,
    pub(crate) link: Option<LinkId>,
    pub(crate) session: Option<SessionId>,
    token: SessionToken,
    /// Messages of the server.
    received: u64,
    pub(crate) sent: Sent,
    pub(crate) listens: bool,
    /// Its process does nothing until then.
    pub(crate) stopped_until: Micros,
    /// The locks that it waits for or was granted.
    pub(crate) locks: Vec<Serial>,
}

/// What a client keeps of what it sent.
#[derive(Default)]
pub(crate) struct Sent {
    /// How many messages were sent, as the client counts.
    count: u64,
    kept: VecDeque<Vec<u8>>,
}

impl Sent {
    fn push(&mut self, message: &[u8], most: usize) {
        self.count += 1;
        self.kept.push_back(message.to_vec());
        while self.kept.len() > most {
            self.kept.pop_front();
        }
    }

    fn lowest(&self) -> u64 {
        self.count - self.kept.len() as u64 + 1
    }

    /// What is sent again to a server that expects number `next`; `None` if that is impossible.
    fn replay(&mut self, next: u64, family: Family, random: &mut Random) -> Option<Vec<Vec<u8>>> {
        let missing = (self.count + 1).checked_sub(next)? as usize;
        let skipped = self.kept.len().checked_sub(missing)?;
        if family == Family::JavaScript && missing > 0 {
            return Some(self.replay_wrongly(skipped, random));
        }
        self.kept.drain(..skipped);
        Some(self.kept.iter().cloned().collect())
    }

    /// As many as are missing, but the last ones are the same, and none of them is counted.
    fn replay_wrongly(&mut self, skipped: usize, random: &mut Random) -> Vec<Vec<u8>> {
        let missing: Vec<_> = self.kept.drain(skipped..).collect();
        self.count -= missing.len() as u64;
        let mut places: Vec<_> =
            missing.iter().map(|_| random.below(missing.len() as u64) as usize).collect();
        places.sort_unstable();
        if let [.., before, last] = &mut places[..] {
            *before = *last;
        }
        places.into_iter().map(|place| missing[place].clone()).collect()
    }
}

impl Client {
    pub(crate) fn new((family, comes_back): (Family, bool)) -> Self {
        Self {
            family,
            comes_back,
            state: State::Off,
            link: None,
            session: None,
            token: SessionToken([0; 24]),
            received: 0,
            sent: Sent::default(),
            listens: false,
            stopped_until: 0,
            locks: Vec::new(),
        }
    }

    fn version(&self) -> ProtocolVersion {
        ProtocolVersion::supported(match self.family {
            Family::JavaScript | Family::Rust => 29,
            Family::Python => 25,
            Family::OldPython => 19,
        })
        .unwrap()
    }

    fn keeps(&self) -> usize {
        match self.family {
            Family::JavaScript => 256,
            Family::Rust => usize::MAX,
            Family::Python | Family::OldPython => 0,
        }
    }

    fn query(&self) -> String {
        let (ty, version) = (
            match self.family {
                Family::JavaScript => "WB",
                Family::Python | Family::OldPython => "PY",
                Family::Rust => "RS",
            },
            self.version().number(),
        );
        let keep_for = if self.comes_back { 60_000 } else { 0 };
        let mut query = format!("ty={ty}&v={version}&r={keep_for}");
        if self.session.is_some() {
            let token: String = self.token.0.iter().map(|byte| format!("%{byte:02x}")).collect();
            let lowest = if self.family == Family::Python { 0 } else { self.sent.lowest() };
            query += &format!("&c={token}&cs={lowest}&ss={}", self.received);
        }
        query
    }

    /// Both sides count from the beginning.
    fn begin_anew(&mut self) {
        (self.received, self.sent) = (0, Sent::default());
        (self.listens, self.locks) = (false, Vec::new());
    }
}

/// What clients do.
impl World {
    pub(crate) fn connect(&mut self, who: Who) {
        let client = &mut self.clients[who];
        if client.state != State::Off || (self.is_healing && client.session.is_none()) {
            return;
        }
        let link = self.links.len();
        (client.state, client.link) = (State::Connecting, Some(link));
        let query = client.query();
        let room = if self.plan.slow { self.random.between(70..400) } else { 64 << 10 };
        self.links.push(Link::new(who, room as usize));
        let delay = self.latency();
        self.links[link].last_arrival = self.now + delay;
        if self.plan.cuts > 0 && !self.is_healing && self.random.chance(10) {
            let soon = self.random.between(0..8_000);
            self.later(soon, Event::Cut(who));
        }
        self.later(delay, Event::Handshake(link, query));
    }

    /// Something may have come, or will be.
    pub(crate) fn client_reads(&mut self, link: LinkId) {
        let this = &mut self.links[link];
        if !this.is_reading && this.has_something() {
            this.is_reading = true;
            let delay = self.latency() + self.reluctance();
            self.later(delay, Event::Read(link));
        }
    }

    pub(crate) fn read(&mut self, link: LinkId) {
        let (is_slow, who) = (self.plan.slow && !self.is_healing, self.links[link].client);
        let most = if is_slow { self.random.between(1..120) as usize } else { usize::MAX };
        let this = &mut self.links[link];
        this.is_reading = false;
        if this.is_cut {
            return;
        }
        let bytes = this.read(most);
        if this.is_blocked && this.has_room() {
            let delay = self.random.between(1..300);
            self.later(delay, Event::Writable(link));
        }
        self.client_reads(link);
        if self.clients[who].link == Some(link) {
            self.links[link].half.extend_from_slice(&bytes);
            self.hear(who, link);
        }
    }

    fn hear(&mut self, who: Who, link: LinkId) {
        let mut bytes = std::mem::take(&mut self.links[link].half);
        let mut used = 0;
        while self.clients[who].link == Some(link) {
            let decoder = &mut self.links[link].client_decoder;
            let Some((length, frame)) = decoder.next(&mut bytes[used..]).unwrap() else { break };
            used += length;
            match frame {
                Frame::Message(message) => {
                    let message = message.to_vec();
                    self.digest(who, &message);
                    if self.clients[who].state == State::Connecting {
                        self.greet(who, &message);
                    } else {
                        self.take(who, &message);
                    }
                }
                Frame::Close(_) => self.disconnected(link),
                _ => {}
            }
        }
        bytes.drain(..used);
        self.links[link].half = bytes;
    }

    fn greet(&mut self, who: Who, response: &[u8]) {
        let Self { clients, random, .. } = self;
        let client = &mut clients[who];
        let mut is_asked_for_more = false;
        let replayed = match ConnectionResponse::decode(response, client.version()).unwrap() {
            ConnectionResponse::Accepted(accepted) => {
                client.begin_anew();
                (client.session, client.token) = (Some(accepted.session), accepted.token);
                Some(Vec::new())
            }
            ConnectionResponse::Resumed {
                resumed: Resumed::Intact { next_client_sequence },
                ..
            } => {
                if client.family == Family::Python {
                    Some(Vec::new())
                } else {
                    let next = next_client_sequence.into();
                    // JavaScript does not count what it repeats, and keeps only some.
                    is_asked_for_more = client.family == Family::Rust;
                    client.sent.replay(next, client.family, random)
                }
            }
            ConnectionResponse::Resumed { resumed: Resumed::WithLoss, session, .. } => {
                if client.family == Family::Python {
                    self.record.fault(format!("{session} cannot bear to begin anew"));
                }
                client.begin_anew();
                self.record.close(session, self.now);
                Some(Vec::new())
            }
            ConnectionResponse::Refused(_) => None,
        };
        let Some(replayed) = replayed else {
            if is_asked_for_more {
                self.record.fault(format!("c{who} is asked for messages that it has not sent"));
            }
            return self.give_up(who);
        };
        self.clients[who].state = State::On;
        self.transmit(who, &replayed);
    }

    fn take(&mut self, who: Who, bytes: &[u8]) {
        let Some(session) = self.clients[who].session else { return };
        let message = Message::decode(bytes).unwrap();
        self.note(|| format!("c{who} {session} hears {message:?}"));
        if message == Message::Abort {
            self.record.aborted.insert(session);
            return self.give_up(who);
        }
        self.clients[who].received += 1;
        match message {
            Message::Request { service, conversation, body } => {
                let service = Service::from_number(service).unwrap();
                self.take_request(who, session, (service, conversation, body));
            }
            Message::Response { conversation, body } => {
                let what = |ask: &Ask| wire::reply(ask, body);
                self.take_reply(session, conversation, what);
            }
            Message::Error { conversation, text, reason } => {
                self.take_reply(session, conversation, |_| Some(wire::failure(reason, text)));
            }
            Message::Abort | Message::CloseRequest => {}
        }
    }

    fn take_reply(
        &mut self,
        session: SessionId,
        conversation: ConversationId,
        what: impl FnOnce(&Ask) -> Option<What>,
    ) {
        let Some(serial) = self.record.find(session, conversation.0) else {
            return self.record.fault(format!("{session} has an answer to nothing"));
        };
        let what = what(&self.record.calls[serial].ask);
        match what {
            Some(what) => {
                self.record.tell(session, &what);
                self.record.calls[serial].replies.push((self.now, what));
            }
            None => self.record.fault(format!("the answer to {serial} makes no sense")),
        }
    }

    fn take_request(
        &mut self,
        who: Who,
        session: SessionId,
        (service, conversation, body): (Service, ConversationId, &[u8]),
    ) {
        let acknowledges = match service {
            Service::SystemPing => true,
            Service::FilterResponse => {
                let event = FilterResponse::decode_all(body).unwrap();
                let found = self.record.find(session, event.conversation.0);
                let what = wire::outcome(&event.outcome);
                if let (Some(serial), Some(what)) = (found, what)
                    && !self.record.calls[serial].replies.is_empty()
                {
                    self.record.tell(session, &what);
                    self.record.calls[serial].events.push((self.now, event.session, what));
                } else {
                    self.record
                        .fault(format!("{session} has an outcome of nothing, or before the count"));
                }
                self.clients[who].family == Family::JavaScript
            }
            Service::SessionPropertiesEvent => {
                let events = SessionEvents::decode_all(body).unwrap();
                let Some(serial) = self.record.find(session, events.conversation.0) else { return };
                let heard = self.record.heard.entry(serial).or_default();
                for event in &events.events {
                    heard.extend(wire::change(&event.change).map(|change| (event.session, change)));
                }
                self.clients[who].family == Family::JavaScript
            }
            service => {
                let serial = wire::serial(service, body).unwrap_or(usize::MAX);
                self.record.deliver(serial, Delivery { to: session, conversation: conversation.0 });
                self.plan_answer(who, session, conversation.0);
                false
            }
        };
        if acknowledges {
            self.say(who, &[wire::acknowledgement(conversation.0)]);
        }
    }

    fn plan_answer(&mut self, who: Who, session: SessionId, conversation: u64) {
        let how = *self.random.pick(&self.plan.answers);
        let timeout = TIMEOUT.as_micros() as u64;
        let soon = self.random.between(0..20_000);
        let mut later =
            |delay, kind| self.later(delay, Event::Answer(who, session, conversation, kind));
        match how {
            How::Value => later(soon, Kind::Value),
            How::Error => later(soon, Kind::Error),
            How::Malformed => later(soon, Kind::Malformed),
            How::Twice => {
                later(soon, Kind::Value);
                later(2 * soon, Kind::Error);
            }
            How::Late => later(timeout / 20 * (soon % 30), Kind::Value),
            How::Never => {}
        }
    }

    pub(crate) fn answer(
        &mut self,
        (who, session): (Who, SessionId),
        conversation: u64,
        kind: Kind,
    ) {
        if self.clients[who].session == Some(session) {
            let stamp = self.record.answer(session, conversation, kind);
            let length = self.random.between(4..5 + self.plan.longest) as usize;
            self.say(who, &[wire::answer(conversation, stamp, kind, length)]);
        }
    }

    /// A client sends messages, in one write if it has a connection.
    pub(crate) fn say(&mut self, who: Who, messages: &[Vec<u8>]) {
        let client = &mut self.clients[who];
        let keeps = client.keeps();
        messages.iter().for_each(|message| client.sent.push(message, keeps));
        self.transmit(who, messages);
    }

    fn transmit(&mut self, who: Who, messages: &[Vec<u8>]) {
        let client = &self.clients[who];
        let (Some(link), State::On, false) = (client.link, client.state, messages.is_empty())
        else {
            return;
        };
        let mut bytes = Vec::new();
        for message in messages {
            let key = (self.random.next() as u32).to_be_bytes();
            websocket::put_masked_message(&mut bytes, key, message);
        }
        while !bytes.is_empty() {
            let most = bytes.len();
            let piece = if self.random.chance(70) {
                most
            } else {
                self.random.between(1..most as u64 + 1) as usize
            };
            let rest = bytes.split_off(piece);
            let at = (self.now + self.latency()).max(self.links[link].last_arrival + 1);
            self.links[link].last_arrival = at;
            self.later(at - self.now, Event::Arrive(link, bytes));
            bytes = rest;
        }
    }

    pub(crate) fn leave(&mut self, who: Who) {
        let link = self.clients[who].link;
        match self.clients[who].family {
            Family::Python | Family::OldPython => self.close_websocket(who),
            Family::JavaScript | Family::Rust => self.say(who, &[CLOSE_REQUEST_MESSAGE.to_vec()]),
        }
        self.give_up(who);
        if let Some(link) = link {
            // The server reads what is on its way, then the end.
            let this = &mut self.links[link];
            this.arrives_still = this.arrives_still || !this.is_cut;
            this.is_cut = true;
            let end = this.last_arrival + 1;
            self.later(end.saturating_sub(self.now), Event::ServerNotices(link));
        }
    }

    fn close_websocket(&mut self, who: Who) {
        let client = &self.clients[who];
        if let (Some(link), State::On) = (client.link, client.state) {
            let mut bytes = Vec::new();
            websocket::put_masked_close(&mut bytes, [1, 2, 3, 4], 1000);
            self.links[link].last_arrival = self.links[link].last_arrival.max(self.now) + 1;
            let delay = self.links[link].last_arrival - self.now;
            self.later(delay, Event::Arrive(link, bytes));
        }
    }

    /// A client notices that its connection is lost.
    pub(crate) fn disconnected(&mut self, link: LinkId) {
        let who = self.links[link].client;
        let client = &mut self.clients[who];
        if client.link != Some(link) {
            return;
        }
        if !client.comes_back || client.session.is_none() {
            return self.give_up(who);
        }
        (client.link, client.state) = (None, State::Off);
        self.note(|| format!("c{who} has lost link {link}"));
        let delay = self.random.between(1_000..700_000);
        self.later(delay, Event::Connect(who));
    }

    /// The session of a client is over; it may begin another one.
    pub(crate) fn give_up(&mut self, who: Who) {
        self.note(|| format!("c{who} is over"));
        let client = &mut self.clients[who];
        if let Some(session) = client.session.take() {
            self.record.close(session, self.now);
        }
        let client = &mut self.clients[who];
        client.begin_anew();
        if let Some(link) = client.link.take() {
            self.later(1, Event::ServerNotices(link));
        }
        self.clients[who].state = State::Off;
        let delay = self.random.between(1_000..900_000);
        self.later(delay, Event::Connect(who));
    }
}
