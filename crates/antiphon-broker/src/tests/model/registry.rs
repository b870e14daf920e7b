//! The registry's index against looking at every session.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use antiphon_wire::connect::ConnectionRequest;
use antiphon_wire::ids::SessionId;
use proptest::collection::btree_map;
use proptest::collection::btree_set;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::access::Security;
use crate::filter::Attributes;
use crate::filter::Filter;
use crate::profile::Profile;
use crate::registry::Registry;
use crate::session::Client;
use crate::session::Session;
use crate::tests::model::cases;
use crate::tests::model::query::Asked;
use crate::tests::model::query::Query;
use crate::tests::model::query::query;

#[derive(Debug, Clone)]
enum Op {
    Open(Who),
    /// The session of this number, open or not, becomes somebody else.
    Update(u8, Who),
    Close(u8),
    Match(Query),
}

/// Roles and properties.
#[derive(Debug, Clone)]
struct Who(BTreeSet<&'static str>, BTreeMap<&'static str, &'static str>);

impl Who {
    fn profile(&self, id: SessionId) -> Profile {
        let arc = |text: &&'static str| Arc::<str>::from(*text);
        let own = self.1.iter().map(|(key, value)| (arc(key), arc(value)));
        let id = (Arc::from("$SessionId"), Arc::from(id.to_string()));
        let roles = self.0.iter().map(arc).collect();
        let access = Arc::new(Security::default().compile(&roles));
        let profile = Profile {
            roles: Arc::default(),
            properties: own.chain([id]).collect(),
            access: access.clone(),
        };
        profile.with_roles((Arc::new(roles), access))
    }
}

impl Asked for Session<()> {
    fn id(&self) -> SessionId {
        Session::id(self)
    }

    fn value(&self, key: &str) -> Option<String> {
        self.profile().property(key).map(str::to_owned)
    }

    fn has_role(&self, role: &str) -> bool {
        self.profile().has_role(role)
    }
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        3 => who().prop_map(Op::Open),
        2 => (any::<u8>(), who()).prop_map(|(number, who)| Op::Update(number, who)),
        1 => any::<u8>().prop_map(Op::Close),
        4 => query().prop_map(Op::Match),
    ];
    vec(op, 1..80)
}

fn who() -> impl Strategy<Value = Who> {
    let role = select(vec!["ADMINISTRATOR", "CLIENT", "CLIENT_CONTROL", "x"]);
    let key = select(vec!["$Principal", "u", "v"]);
    let value = select(vec!["", "1", "2", "3", "ann", "bob"]);
    (btree_set(role, 0..3), btree_map(key, value, 0..3))
        .prop_map(|(roles, properties)| Who(roles, properties))
}

#[derive(Default)]
struct Both {
    registry: Registry<()>,
    /// Those that were ever opened.
    sessions: Vec<Arc<Session<()>>>,
    open: Vec<Arc<Session<()>>>,
}

impl Both {
    fn step(&mut self, op: &Op) {
        match op {
            Op::Open(who) => {
                let request = ConnectionRequest::parse("v=29", |_| None).unwrap();
                let id = SessionId { server: 1, client: self.sessions.len() as u64 };
                let client = Client::of(&request);
                let session = Arc::new(Session::new(id, (), client, (0, None), who.profile(id)));
                self.registry.insert(session.clone());
                self.sessions.push(session.clone());
                self.open.push(session);
            }
            Op::Update(number, who) => {
                let Some(session) = self.session(*number) else { return };
                let is_open = self.open.iter().any(|open| Arc::ptr_eq(open, &session));
                let profile = who.profile(session.id());
                assert_eq!(self.registry.update(&session, &profile), is_open);
            }
            Op::Close(number) => {
                let Some(session) = self.session(*number) else { return };
                let before = self.open.len();
                self.open.retain(|open| !Arc::ptr_eq(open, &session));
                assert_eq!(self.registry.remove(session.id()), self.open.len() < before);
            }
            Op::Match(query) => self.check_matches(query),
        }
        self.check();
    }

    fn session(&self, number: u8) -> Option<Arc<Session<()>>> {
        self.sessions.get(usize::from(number) % self.sessions.len().max(1)).cloned()
    }

    fn check_matches(&self, query: &Query) {
        let unknown = SessionId { server: 1, client: 1_000 };
        let name = |number| self.session(number).map_or(unknown, |session| session.id());
        let query = query.resolve(&name);
        let Ok(filter) = Filter::parse(&query.text()) else {
            return assert!(query.is_broken(), "{}", query.text());
        };
        let passes = |session: &&Arc<Session<()>>| filter.matches(session.profile().as_ref());
        let candidates = self.registry.candidates(&filter);
        let mut found: Vec<_> =
            candidates.iter().filter(passes).map(|session| session.id()).collect();
        found.sort_unstable();
        let scanned: Vec<_> = self.open.iter().filter(passes).map(|session| session.id()).collect();
        assert_eq!(found, scanned, "{}", query.text());
        let meant = self.open.iter().filter(|session| query.matches(session.as_ref()));
        assert_eq!(
            found,
            meant.map(|session| session.id()).collect::<Vec<_>>(),
            "{}",
            query.text()
        );
    }

    fn check(&self) {
        assert!(self.registry.is_consistent());
        assert_eq!(self.registry.len(), self.open.len());
        for session in &self.sessions {
            let is_open = self.open.iter().any(|open| Arc::ptr_eq(open, session));
            let found = self.registry.find(session.id());
            assert_eq!(found.is_some_and(|found| Arc::ptr_eq(found, session)), is_open);
        }
    }
}

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn the_index_finds_what_a_scan_finds(ops in ops()) {
        let mut both = Both::default();
        for op in &ops {
            both.step(op);
        }
    }
}
