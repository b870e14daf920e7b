//! The table of registrations against a list of them.

use std::sync::Arc;

use antiphon_wire::ids::ConversationId;
use antiphon_wire::path::Path;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::config::Choice;
use crate::properties::KeySelection;
use crate::routes::Handler;
use crate::routes::Route;
use crate::routes::Routes;
use crate::session::Session;
use crate::stats::Label;
use crate::tests::model::cases;
use crate::tests::world::World;

#[derive(Debug, Clone)]
enum Op {
    Insert(usize, String),
    Remove(usize, String),
    Look(String),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let who = || 0..SESSIONS;
    let op = prop_oneof![
        4 => (who(), path()).prop_map(|(who, path)| Op::Insert(who, path)),
        2 => (who(), path()).prop_map(|(who, path)| Op::Remove(who, path)),
        2 => path().prop_map(Op::Look),
    ];
    vec(op, 1..200)
}

/// Often the same one, so that it gets many handlers; segments that begin alike are not the same segment.
fn path() -> impl Strategy<Value = String> {
    let segments = vec(select(vec!["a", "b", "ab", "a b", "é"]), 1..5);
    prop_oneof![2 => Just("a/b".to_owned()), 3 => segments.prop_map(|segments| segments.join("/"))]
}

/// A registration: whose, for what, and under which conversation.
type Entry = (usize, String, u64);

struct Both {
    routes: Routes<()>,
    sessions: Vec<Arc<Session<()>>>,
    naive: Vec<Entry>,
    /// Every handler there ever was; the first has conversation 1.
    handlers: Vec<Arc<Handler<()>>>,
}

impl Both {
    fn new() -> Self {
        let mut world = World::new();
        let sessions = (0..SESSIONS).map(|_| world.open("ann").session).collect();
        Self { routes: Routes::new(), sessions, naive: Vec::new(), handlers: Vec::new() }
    }

    fn step(&mut self, op: &Op) {
        match op {
            Op::Insert(who, path) => self.insert(*who, path),
            Op::Remove(who, path) => {
                let found = |(other, there, _): &Entry| other == who && there == path;
                let Some(at) = self.naive.iter().position(found) else { return };
                let (.., number) = self.naive.remove(at);
                let handler = &self.handlers[number as usize - 1];
                assert!(self.routes.remove(handler));
                assert!(!self.routes.remove(handler), "it is there no more");
            }
            Op::Look(path) => self.look(path),
        }
        let mut paths: Vec<_> = self.naive.iter().map(|(_, path, _)| path).collect();
        paths.sort_unstable();
        paths.dedup();
        assert_eq!(self.routes.len(), paths.len());
    }

    fn insert(&mut self, who: usize, path: &str) {
        if self.naive.iter().any(|(other, there, _)| *other == who && there == path) {
            return;
        }
        let number = self.handlers.len() as u64 + 1;
        let (session, parsed) = (self.sessions[who].clone(), Path::parse(path).unwrap());
        let told = (KeySelection::default(), Label::SESSION);
        let mut handler = match who % 4 {
            0 => Handler::of_node(session, parsed, 1, told),
            _ => Handler::new(session, parsed, ConversationId(number), told),
        };
        handler.conversation = ConversationId(number);
        let handler = Arc::new(handler);
        self.routes.insert(&handler, Choice::LeastInFlight);
        self.handlers.push(handler);
        self.naive.push((who, path.to_owned(), number));
    }

    fn look(&self, path: &str) {
        let guard = self.routes.guard();
        let routes = self.routes.above(Path::parse(path).unwrap(), &guard);
        let found: Vec<Vec<Entry>> = routes.map(|route| self.entries(route)).collect();
        let mut wanted = Vec::new();
        let segments: Vec<&str> = path.split('/').collect();
        for depth in (1..=segments.len()).rev() {
            let branch = segments[..depth].join("/");
            let here: Vec<Entry> =
                self.naive.iter().filter(|(_, path, _)| *path == branch).cloned().collect();
            if !here.is_empty() {
                wanted.push(here);
            }
        }
        assert_eq!(found, wanted);
    }

    /// The handlers of a route; each is offered a request once, wherever the choice begins.
    fn entries(&self, route: &Route<()>) -> Vec<Entry> {
        let mut order: Vec<_> = route.order(&self.sessions[0]).collect();
        order.sort_unstable();
        assert_eq!(order, (0..route.handlers.len()).collect::<Vec<_>>());
        assert_eq!(route.own_count() as usize, route.own().count());
        let place = |handler: &Handler<()>| {
            self.sessions.iter().position(|session| Arc::ptr_eq(session, &handler.session)).unwrap()
        };
        let entry = |handler: &Arc<Handler<()>>| {
            (place(handler), handler.path().to_owned(), handler.conversation.0)
        };
        route.handlers.iter().map(entry).collect()
    }
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn a_path_leads_to_all_handlers_on_it_and_above_it(ops in ops()) {
        let mut both = Both::new();
        for op in &ops {
            both.step(op);
        }
    }
}

/// More than [`Route::order`] compares one by one.
const SESSIONS: usize = 40;

#[test]
fn many_equal_handlers_get_nearly_the_same_number_of_requests() {
    for senders in [1, 7, 2_000] {
        let mut w = World::new();
        let handlers: Vec<_> = (0..SESSIONS).map(|_| w.open("bob")).collect();
        for handler in &handlers {
            w.register(handler, "a", &[]);
        }
        let senders: Vec<_> = (0..senders).map(|_| w.open("ann")).collect();
        for round in 0..2_000 {
            w.send_to_path(&senders[round % senders.len()], 5, "a");
        }
        for handler in &handlers {
            let load = handler.session.in_flight();
            assert!((45..=55).contains(&load), "{load} of 50 from {} senders", senders.len());
        }
    }
}
