//! Clients that lose their connection and come back: to their own node, which has kept their session, or to another one, where
//! nobody knows it and they begin anew.

use antiphon_wire::connect::Refusal;
use antiphon_wire::connect::Resumed;
use antiphon_wire::ids::SessionToken;

use super::NODES;
use super::Person;
use super::Simulation;
use crate::Millis;
use crate::tests::reconnecting::RUST;
use crate::tests::reconnecting::back;
use crate::tests::reconnecting::lose;
use crate::tests::reconnecting::reconnect_with;
use crate::tests::world::EVERYTHING;
use crate::tests::world::Received;

/// How long a session is kept.
const KEPT: u64 = 8_000;

/// A client's side of its connections.
#[derive(Default)]
pub(super) struct Line {
    /// With what it comes back, if it does.
    token: Option<SessionToken>,
    /// Messages since the session began.
    received: u64,
    sent: u64,
    /// Since when it has no connection.
    away: Option<Millis>,
    /// What it has said meanwhile.
    waiting: Vec<Vec<u8>>,
}

impl Line {
    pub(super) fn is_away(&self) -> bool {
        self.away.is_some()
    }

    /// It says something.
    pub(super) fn says(&mut self) {
        self.sent += 1;
    }
}

impl Simulation {
    /// A client comes, which may be one that comes back.
    pub(super) fn enter(&mut self, node: usize) {
        let principal = ["alice", "bob"][self.dice.below(2)];
        let world = &mut self.f.nodes[node];
        let mut line = Line::default();
        let client = if self.dice.below(2) == 0 {
            world.open(principal)
        } else {
            self.tokens += 1;
            world.token =
                SessionToken(format!("{:024}", self.tokens).into_bytes().try_into().unwrap());
            line.token = Some(world.token);
            let client = world.open_as(&format!("ty={RUST}&v=29&r={KEPT}"), principal, EVERYTHING);
            assert_eq!(client.received(), [Received::Welcome]);
            client
        };
        let (owes, paths) = Default::default();
        self.people.push(Person { node, client, owes, paths, line });
    }

    /// Somebody says something, as soon as he can.
    pub(super) fn say(&mut self, at: usize, message: Vec<u8>) {
        let Person { node, client, line, .. } = &mut self.people[at];
        if line.is_away() {
            line.waiting.push(message);
        } else {
            line.says();
            self.f.nodes[*node].send(client, &message);
        }
    }

    /// Somebody reads what was sent to him.
    pub(super) fn hear(&mut self, at: usize, messages: Vec<Received>) {
        let Person { client, line, .. } = &mut self.people[at];
        let id = client.id();
        line.received += messages.len() as u64;
        for message in messages {
            self.received(at, id, message);
        }
    }

    pub(super) fn lose_or_come_back(&mut self) {
        let Some(at) = self.somebody().filter(|at| self.people[*at].line.token.is_some()) else {
            return;
        };
        if !self.people[at].line.is_away() {
            return self.lose(at);
        }
        let node =
            if self.dice.below(3) == 0 { self.dice.below(NODES) } else { self.people[at].node };
        self.come_back(at, node);
    }

    fn lose(&mut self, at: usize) {
        let (is_written, is_noticed) = (self.dice.below(2) == 0, self.dice.below(3) > 0);
        let Person { node, client, line, .. } = &mut self.people[at];
        let world = &mut self.f.nodes[*node];
        line.away = Some(world.now);
        if is_written {
            // And never read.
            client.received();
        }
        if is_noticed {
            lose(world, client);
        }
    }

    /// Somebody asks a node for his session.
    fn come_back(&mut self, at: usize, node: usize) {
        let Person { node: own, client, line, .. } = &mut self.people[at];
        let (Some(token), Some(since)) = (line.token, line.away) else { return };
        let world = &mut self.f.nodes[node];
        match reconnect_with(world, RUST, token, (1, line.received)) {
            Ok(_) => {
                assert_eq!(node, *own, "another node knows the session");
                let (resumed, missed) = back(client);
                let next_client_sequence = line.sent as u32 + 1;
                assert_eq!(resumed, Resumed::Intact { next_client_sequence });
                line.away = None;
                let waiting = std::mem::take(&mut line.waiting);
                self.note(if missed.is_empty() { "resumed" } else { "missed something" });
                self.hear(at, missed);
                for message in waiting {
                    self.say(at, message);
                }
            }
            Err(refusal) => {
                assert_eq!(refusal, Refusal::UnknownSession);
                let is_home = node == *own;
                let is_kept = is_home && world.now.0 < since.0 + KEPT;
                assert!(!is_kept, "{:?} is not kept", client.id());
                self.note(if is_home { "came too late" } else { "came elsewhere" });
                let gone = self.people.swap_remove(at);
                // At the latest now it is seen that the old connection is not there any more.
                lose(&mut self.f.nodes[gone.node], &gone.client);
                self.forgive(&gone.client);
                self.enter(node);
            }
        }
    }

    /// Somebody whose node is gone asks any for his session.
    pub(super) fn try_elsewhere(&mut self, gone: &Person) {
        let Some(token) = gone.line.token else { return };
        let node = self.dice.below(NODES);
        let refused = reconnect_with(&mut self.f.nodes[node], RUST, token, (1, gone.line.received));
        assert_eq!(refused, Err(Refusal::UnknownSession));
        self.enter(node);
    }

    pub(super) fn all_come_back(&mut self) {
        while let Some(at) = self.people.iter().position(|person| person.line.is_away()) {
            self.come_back(at, self.people[at].node);
        }
    }
}
