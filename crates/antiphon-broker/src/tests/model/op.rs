//! What random sessions do.
//!
//! A session is named by a number modulo how many there are, see `Naive::person`; so every part of a sequence still means
//! something, and a failing sequence shrinks to a short one.

use std::fmt;

use antiphon_wire::service::events::CloseReason;
use antiphon_wire::service::locks::LockScope;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::tests::model::query::Query;
use crate::tests::model::query::query;

/// What happens, one step after the other.
#[derive(Clone)]
pub(super) struct Story(pub(super) Vec<Op>);

impl fmt::Debug for Story {
    /// A line for each step, even where a list would be spread out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|op| f.write_fmt(format_args!("\n  {op:?}")))
    }
}

/// One step of the whole.
#[derive(Debug, Clone)]
pub(super) enum Op {
    Open(Open),
    /// Messages of one session in one batch.
    Batch(u8, Vec<Call>),
    /// The request of this number, of those that wait for an answer, is answered by its addressee.
    Reply(u8, How),
    /// The driver closes a session.
    Lose(u8, CloseReason),
    /// So many milliseconds pass, and the broker sweeps.
    Advance(u64),
}

#[derive(Debug, Clone)]
pub(super) struct Open {
    /// Connection parameters.
    pub(super) query: &'static str,
    pub(super) principal: &'static str,
    pub(super) roles: Roles,
    pub(super) property: Option<(&'static str, &'static str)>,
}

pub(super) type Roles = Vec<&'static str>;
pub(super) type Keys = &'static [&'static str];
type Path = &'static str;

/// One message of a session.
#[derive(Debug, Clone)]
pub(super) enum Call {
    Register(Path, Keys),
    Deregister(Path),
    ToPath(Path, Value),
    ToSession(u8, Path),
    ToFilter(Query, Path),
    Answer(Which, How),
    /// It says goodbye.
    Leave,
    /// What is no message at all.
    Garbage,
    /// A service that nobody knows.
    Unknown,
    /// A known service with a body that is cut short.
    Cut(u32),
    Ping,
    Kick(u8),
    KickAll(Query),
    Set(u8, Key, Option<&'static str>),
    SetAll(Query, Key, Option<&'static str>),
    Roles(u8, Roles, Roles),
    RolesAll(Query, Roles, Roles),
    Properties(u8, Keys),
    /// It authenticates again, and is accepted with these roles or refused.
    Become(&'static str, Option<Roles>),
    Lock(Path, u64, LockScope),
    Cancel(Path, u64),
    /// Releases a lock, with its sequence number if true.
    Release(Path, bool),
    Locks,
    Listen(Option<Query>, Keys, u64),
    Unlisten(u64),
}

type Key = &'static str;

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value {
    Whole,
    Broken,
}

/// Which request is answered.
#[derive(Debug, Clone, Copy)]
pub(super) enum Which {
    /// One that the session has to answer.
    Open(u8),
    /// One that it had to answer before.
    Past(u8),
    /// One that another session has to answer.
    Others(u8),
    /// Whatever has this number.
    Raw(u64),
}

/// How it is answered.
#[derive(Debug, Clone, Copy)]
pub(super) enum How {
    Value,
    Error(u32),
    /// As a client does that does not know the service yet.
    Unready,
    /// Bytes that are no value, or a value that is not of its type.
    Malformed(bool),
}

pub(super) const PATHS: &[Path] = &[
    "a",
    "a/b",
    "a/b/c",
    "a/d",
    "ring",
    "ring/x",
    "home",
    "home/x",
    "Diffusion/x",
    "/a/b/",
    "/ring//",
    "a//b",
    "",
];
const BRANCHES: &[Path] = &["a", "a/b", "ring", "home"];
const LOCKS: &[Path] = &["l", "m", "Diffusion/l"];
const KEYS: &[Keys] = &[&[], &["u"], &["$Principal", "u"], &["*U"], &["$Roles", "none", "v"]];
const PRINCIPALS: &[&str] = &["", "ann", "bob"];
const CLIENTS: &[&str] =
    &["ty=WB&v=29", "ty=PY&v=19", "ty=PY&v=24", "ty=PY&v=25", "ty=WJ&v=20", "ty=?&v=23"];

/// Some sessions open and register, then anything happens.
pub(super) fn story() -> impl Strategy<Value = Story> {
    let registration = (0..5u8, select(BRANCHES), keys());
    let register = |(who, path, keys)| Op::Batch(who, vec![Call::Register(path, keys)]);
    (vec(open(), 1..6), vec(registration.prop_map(register), 0..8), vec(op(), 1..60)).prop_map(
        |(opens, registrations, ops)| {
            Story(opens.into_iter().map(Op::Open).chain(registrations).chain(ops).collect())
        },
    )
}

fn op() -> impl Strategy<Value = Op> {
    let reason = select(vec![CloseReason::ConnectionLost, CloseReason::MessageTooLarge]);
    let times = vec![1, 2_000, 2_999, 3_000, 5_000, 7_000, 10_000, 30_000, 90_000];
    prop_oneof![
        3 => open().prop_map(Op::Open),
        40 => (any::<u8>(), vec(call(), 1..5)).prop_map(|(who, calls)| Op::Batch(who, calls)),
        14 => (any::<u8>(), how()).prop_map(|(which, how)| Op::Reply(which, how)),
        1 => (any::<u8>(), reason).prop_map(|(who, reason)| Op::Lose(who, reason)),
        7 => select(times).prop_map(Op::Advance),
    ]
}

fn open() -> impl Strategy<Value = Open> {
    let property = option::of((select(vec!["u", "v"]), select(vec!["1", "2"])));
    (select(CLIENTS), select(PRINCIPALS), mighty_roles(), property)
        .prop_map(|(query, principal, roles, property)| Open { query, principal, roles, property })
}

/// Most sessions may do most things, or little would happen.
fn mighty_roles() -> impl Strategy<Value = Roles> {
    prop_oneof![
        6 => Just(vec!["ADMINISTRATOR"]),
        3 => Just(vec!["CLIENT_CONTROL"]),
        1 => roles(),
    ]
}

fn roles() -> impl Strategy<Value = Roles> {
    let known = vec![
        "ADMINISTRATOR",
        "AUTHENTICATION_HANDLER",
        "CLIENT",
        "CLIENT_CONTROL",
        "OPERATOR",
        "x",
    ];
    proptest::sample::subsequence(known, 0..=2)
}

pub(super) fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        60 => messaging(),
        12 => control(),
        8 => locks(),
        4 => ending(),
    ]
}

fn messaging() -> impl Strategy<Value = Call> {
    let value = prop_oneof![20 => Just(Value::Whole), 1 => Just(Value::Broken)];
    prop_oneof![
        4 => (path(), keys()).prop_map(|(path, keys)| Call::Register(path, keys)),
        1 => path().prop_map(Call::Deregister),
        9 => (path(), value).prop_map(|(path, value)| Call::ToPath(path, value)),
        3 => (any::<u8>(), path()).prop_map(|(to, path)| Call::ToSession(to, path)),
        3 => (query(), path()).prop_map(|(filter, path)| Call::ToFilter(filter, path)),
        8 => (which(), how()).prop_map(|(which, how)| Call::Answer(which, how)),
    ]
}

fn which() -> impl Strategy<Value = Which> {
    prop_oneof![
        8 => any::<u8>().prop_map(Which::Open),
        1 => any::<u8>().prop_map(Which::Past),
        1 => any::<u8>().prop_map(Which::Others),
        1 => (0..3u64, 0..4u64).prop_map(|(generation, place)| Which::Raw(generation << 20 | place)),
    ]
}

fn how() -> impl Strategy<Value = How> {
    prop_oneof![
        6 => Just(How::Value),
        2 => select(vec![100, 105, 108, 109, 9003]).prop_map(How::Error),
        1 => Just(How::Unready),
        1 => any::<bool>().prop_map(How::Malformed),
    ]
}

fn control() -> impl Strategy<Value = Call> {
    let value = || option::of(select(vec!["1", "2", ""]));
    let key = || select(vec!["u", "v"]);
    let become_ = (select(PRINCIPALS), option::of(roles()));
    prop_oneof![
        3 => (any::<u8>(), key(), value()).prop_map(|(who, key, value)| Call::Set(who, key, value)),
        1 => (query(), key(), value()).prop_map(|(q, key, value)| Call::SetAll(q, key, value)),
        2 => (any::<u8>(), roles(), roles()).prop_map(|(who, out, r#in)| Call::Roles(who, out, r#in)),
        1 => (query(), roles(), roles()).prop_map(|(q, out, r#in)| Call::RolesAll(q, out, r#in)),
        1 => (any::<u8>(), keys()).prop_map(|(who, keys)| Call::Properties(who, keys)),
        1 => become_.prop_map(|(principal, roles)| Call::Become(principal, roles)),
        2 => (option::of(query()), keys(), 0..3u64).prop_map(|(q, keys, n)| Call::Listen(q, keys, n)),
        1 => (0..3u64).prop_map(Call::Unlisten),
    ]
}

fn locks() -> impl Strategy<Value = Call> {
    let scope = select(vec![LockScope::Session, LockScope::Connection]);
    let lock = || select(LOCKS);
    prop_oneof![
        5 => (lock(), 0..3u64, scope).prop_map(|(name, wait, scope)| Call::Lock(name, wait, scope)),
        1 => (lock(), 0..3u64).prop_map(|(name, wait)| Call::Cancel(name, wait)),
        3 => (lock(), any::<bool>()).prop_map(|(name, right)| Call::Release(name, right)),
        1 => Just(Call::Locks),
    ]
}

fn ending() -> impl Strategy<Value = Call> {
    prop_oneof![
        3 => Just(Call::Leave),
        1 => Just(Call::Garbage),
        2 => any::<u8>().prop_map(Call::Kick),
        1 => query().prop_map(Call::KickAll),
        1 => Just(Call::Unknown),
        1 => Just(Call::Ping),
        1 => select(vec![85, 86, 97, 98, 102, 105, 114, 123]).prop_map(Call::Cut),
    ]
}

/// Mostly one that somebody may have registered.
fn path() -> impl Strategy<Value = Path> {
    prop_oneof![3 => select(BRANCHES), 2 => select(PATHS)]
}

fn keys() -> impl Strategy<Value = Keys> {
    select(KEYS)
}
