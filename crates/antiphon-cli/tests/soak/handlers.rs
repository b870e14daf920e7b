//! What handlers do with a request: mostly they answer at once, some take their time, refuse, panic or say nothing.

use std::sync::Arc;
use std::time::Duration;

use antiphon::Addressing;
use antiphon::ReconnectPolicy;
use antiphon::Registration;
use antiphon::Rejection;
use antiphon::RequestContext;
use antiphon::Session;
use tokio::time::sleep;

use crate::book::Book;
use crate::book::Id;
use crate::options::Options;

pub(crate) const PATH: &str = "soak/path";
pub(crate) const DIRECT: &str = "soak/direct";
pub(crate) const MEMBERS: &str = "soak/members";
pub(crate) const FILTER: &str = "Group is 'soak'";

/// The sessions of this process that answer.
pub(crate) struct Crew {
    handlers: Vec<(Session, Registration)>,
    targets: Vec<(Session, [Registration; 2])>,
}

impl Crew {
    pub(crate) async fn assemble(options: &Options, url: &str, book: &Arc<Book>) -> Self {
        let mut crew = Self { handlers: Vec::new(), targets: Vec::new() };
        for member in 0..options.handlers as u64 {
            let session = connect(url).await;
            let registration = register(&session, book).await;
            crew.handlers.push((session, registration));
            let session = session_for(url).property("Group", "soak").connect().await.unwrap();
            let registrations = serve_directly(&session, member, book);
            crew.targets.push((session, registrations));
        }
        crew
    }

    /// Sessions to be addressed. Their ids change when they have been lost.
    pub(crate) fn targets(&self) -> Vec<Session> {
        self.targets.iter().map(|(session, _)| session.clone()).collect()
    }
}

/// Not connected yet.
pub(crate) fn session_for(url: &str) -> antiphon::SessionBuilder {
    let policy = ReconnectPolicy::default()
        .first_delay(Duration::from_millis(5))
        .longest_delay(Duration::from_millis(200))
        .after_server_close(true);
    Session::builder(url).principal("admin").password("password").reconnect(policy)
}

pub(crate) async fn connect(url: &str) -> Session {
    session_for(url).connect().await.unwrap()
}

async fn register(session: &Session, book: &Arc<Book>) -> Registration {
    let book = Arc::clone(book);
    let handler = move |request: Vec<u8>, _: RequestContext| {
        let book = Arc::clone(&book);
        async move {
            let id = Id::read(&request).ok_or_else(|| Rejection::new("no id"))?;
            book.executed(id);
            answer(id, request).await
        }
    };
    session.messaging().register_request_handler(PATH, handler, &[]).await.unwrap()
}

fn serve_directly(session: &Session, member: u64, book: &Arc<Book>) -> [Registration; 2] {
    let direct = {
        let book = Arc::clone(book);
        move |request: Vec<u8>, _: RequestContext| {
            let book = Arc::clone(&book);
            async move {
                let id = Id::read(&request).ok_or_else(|| Rejection::new("no id"))?;
                book.executed(id);
                answer(id, request).await
            }
        }
    };
    let book = Arc::clone(book);
    let matched = move |request: Vec<u8>, _: RequestContext| {
        let book = Arc::clone(&book);
        async move {
            let id = Id::read(&request).ok_or_else(|| Rejection::new("no id"))?;
            book.member_executed(member, id);
            answer(id, request).await
        }
    };
    let messaging = session.messaging();
    [
        messaging.add_request_handler(DIRECT, direct, Addressing::Addressed).unwrap(),
        messaging.add_request_handler(MEMBERS, matched, Addressing::Addressed).unwrap(),
    ]
}

/// The same for each number, so that it does not matter who is asked.
pub(crate) async fn answer(id: Id, request: Vec<u8>) -> Result<Vec<u8>, Rejection> {
    match id.number % 1000 {
        0..20 => sleep(Duration::from_millis(id.number % 50)).await,
        20..30 => return Err(Rejection::new("not this one")),
        // Longer than the server waits.
        30 => sleep(Duration::from_secs(3)).await,
        _ => {}
    }
    Ok(request)
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.handlers.clear();
        self.targets.clear();
    }
}
