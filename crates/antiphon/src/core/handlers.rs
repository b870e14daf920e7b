//! Who answers the requests that come to this session, and how many are answered at once.
//!
//! A request to a path quotes the registration that brought it here; a request that is addressed to the session names
//! only its path. In both cases the handler of the path itself is called, else the one of the nearest path above it.

use std::collections::HashMap;
use std::collections::HashSet;
use std::collections::VecDeque;
use std::sync::Arc;

use antiphon_wire::ids::ConversationId;
use antiphon_wire::path::Path;

use crate::core::table::Numbers;
use crate::core::table::Table;
use crate::messaging::Addressing;
use crate::messaging::AnyHandler;
use crate::messaging::RequestContext;

/// Names a handler, so that a handler that was replaced cannot remove its successor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HandlerId(pub(crate) u64);

/// A request that is to be handled.
pub(crate) struct Invocation {
    pub(crate) handler: Arc<dyn AnyHandler>,
    /// The encoded request value.
    pub(crate) value: Vec<u8>,
    pub(crate) context: RequestContext,
    pub(crate) ticket: Ticket,
}

/// Which request an answer belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) conversation: ConversationId,
    /// Counts how often the session began anew; an answer must not go to a later one.
    pub(crate) epoch: u64,
}

/// A registration with the server.
#[derive(Debug, Clone)]
pub(crate) struct Registered {
    /// Normalised.
    pub(crate) path: Arc<str>,
    /// Properties of the sender that are to come with each request.
    pub(crate) keys: Vec<String>,
}

/// The handlers of a session.
pub(crate) struct Handlers {
    registrations: Table<Registered>,
    registered_paths: HashSet<Arc<str>>,
    addressed: HashMap<Arc<str>, Local>,
    unaddressed: HashMap<Arc<str>, Local>,
    last_id: u64,
    running: usize,
    waiting: VecDeque<Invocation>,
    concurrency: usize,
    queue: usize,
}

struct Local {
    id: HandlerId,
    handler: Arc<dyn AnyHandler>,
}

impl Handlers {
    /// Runs at most `concurrency` handlers at once, while at most `queue` requests wait.
    pub(crate) fn new(concurrency: usize, queue: usize) -> Self {
        Self {
            registrations: Table::default(),
            registered_paths: HashSet::new(),
            addressed: HashMap::new(),
            unaddressed: HashMap::new(),
            last_id: 0,
            running: 0,
            waiting: VecDeque::new(),
            concurrency,
            queue,
        }
    }

    /// Adds a handler, in place of the one that was there.
    pub(crate) fn add(
        &mut self,
        path: Arc<str>,
        handler: Arc<dyn AnyHandler>,
        addressing: Addressing,
    ) -> HandlerId {
        self.last_id += 1;
        let id = HandlerId(self.last_id);
        self.table(addressing).insert(path, Local { id, handler });
        id
    }

    /// Removes a handler, unless it was replaced.
    pub(crate) fn remove(&mut self, path: &str, id: HandlerId, addressing: Addressing) {
        let table = self.table(addressing);
        if table.get(path).is_some_and(|local| local.id == id) {
            table.remove(path);
        }
    }

    /// Enters a registration, unless there is one for the path already or there are too many.
    pub(crate) fn register(
        &mut self,
        numbers: &mut Numbers,
        registered: Registered,
    ) -> Option<ConversationId> {
        if !self.registered_paths.insert(Arc::clone(&registered.path)) {
            return None;
        }
        self.registrations.insert(numbers, registered)
    }

    /// Forgets a registration.
    pub(crate) fn deregister(&mut self, registration: ConversationId) -> Option<Registered> {
        let registered = self.registrations.remove(registration)?;
        self.registered_paths.remove(&registered.path);
        Some(registered)
    }

    /// A registration.
    pub(crate) fn registered(&self, registration: ConversationId) -> Option<Registered> {
        self.registrations.get(registration).cloned()
    }

    /// All registrations.
    pub(crate) fn registrations(&mut self) -> Vec<(ConversationId, Registered)> {
        self.registrations.iter_mut().map(|(id, registered)| (id, registered.clone())).collect()
    }

    /// The handler for requests of a registration.
    pub(crate) fn of_registration(&self, id: ConversationId) -> Option<Arc<dyn AnyHandler>> {
        let registered = self.registrations.get(id)?;
        self.unaddressed.get(&registered.path).map(|local| Arc::clone(&local.handler))
    }

    /// The handler for requests that are addressed to the session.
    pub(crate) fn of_path(&self, path: &str) -> Option<Arc<dyn AnyHandler>> {
        let mut upwards = Path::parse(path).ok()?.upwards();
        upwards.find_map(|path| self.addressed.get(path)).map(|local| Arc::clone(&local.handler))
    }

    /// Whether an invocation may run now, must wait (it is kept), or cannot be taken (it is given back).
    pub(crate) fn admit(&mut self, invocation: Invocation) -> Admission {
        if self.running < self.concurrency {
            self.running += 1;
            return Admission::Run(invocation);
        }
        if self.waiting.len() < self.queue {
            self.waiting.push_back(invocation);
            return Admission::Wait;
        }
        Admission::Overloaded(invocation.ticket)
    }

    /// A handler is done; the next one that may run.
    pub(crate) fn done(&mut self) -> Option<Invocation> {
        let next = self.waiting.pop_front();
        if next.is_none() {
            self.running -= 1;
        }
        next
    }

    /// Requests of a session that is over are not worth handling.
    pub(crate) fn drop_waiting(&mut self) {
        self.waiting = VecDeque::new();
    }

    /// How many handlers run.
    pub(crate) fn running(&self) -> usize {
        self.running
    }

    fn table(&mut self, addressing: Addressing) -> &mut HashMap<Arc<str>, Local> {
        match addressing {
            Addressing::Addressed => &mut self.addressed,
            Addressing::Unaddressed => &mut self.unaddressed,
        }
    }
}

/// What becomes of a request.
pub(crate) enum Admission {
    /// It is handled now.
    Run(Invocation),
    /// It is handled when another one is done.
    Wait,
    /// There are too many.
    Overloaded(Ticket),
}
