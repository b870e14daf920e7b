//! Lists of sessions of several nodes, put together in the order of their start.

use antiphon_wire::codec::Encode;
use antiphon_wire::service::control::Fetched;
use antiphon_wire::service::control::FetchedSession;

/// What has been listed so far.
#[derive(Debug)]
pub(crate) struct Fetches {
    sessions: Vec<Listed>,
    total: u32,
    /// How many sessions and bytes are told at most.
    most: usize,
    room: usize,
    with_start_time: bool,
}

#[derive(Debug)]
struct Listed {
    start_time: u64,
    properties: Vec<(String, String)>,
}

impl Fetches {
    pub(crate) fn new(most: usize, room: usize, with_start_time: bool) -> Self {
        Self { sessions: Vec::new(), total: 0, most, room, with_start_time }
    }

    /// Adds what one node lists, which tells all start times.
    pub(crate) fn add(&mut self, sessions: &[FetchedSession<'_>], total: u32) {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        self.sessions.extend(sessions.iter().map(|session| Listed {
            start_time: session.start_time.unwrap_or_default(),
            properties: session.properties.iter().map(owned).collect(),
        }));
        self.total = self.total.saturating_add(total);
    }

    /// Hands out what is told of all.
    pub(crate) fn whole<T>(mut self, tell: impl FnOnce(&Fetched<'_>) -> T) -> T {
        self.sessions.sort_by_key(|session| session.start_time);
        let listed = self.sessions.iter().take(self.most).map(|listed| FetchedSession {
            start_time: self.with_start_time.then_some(listed.start_time),
            properties: listed.properties.iter().map(|(key, value)| (&**key, &**value)).collect(),
        });
        let sessions = within_room(listed, self.room);
        tell(&Fetched::Sessions { sessions, total: self.total })
    }
}

/// As many of these sessions as have room, in bytes.
pub(crate) fn within_room<'s>(
    sessions: impl Iterator<Item = FetchedSession<'s>>,
    mut room: usize,
) -> Vec<FetchedSession<'s>> {
    let mut bytes = Vec::new();
    let fits = |session: &FetchedSession<'_>| {
        bytes.clear();
        session.encode(&mut bytes);
        let left = room.checked_sub(bytes.len());
        room = left.unwrap_or(room);
        left.is_some()
    };
    sessions.take_while(fits).collect()
}
