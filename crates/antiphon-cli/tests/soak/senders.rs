//! The sessions that ask, each with many requests on their way.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use std::time::Instant;

use antiphon::Error;
use antiphon::Session;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::book::Book;
use crate::book::Id;
use crate::book::Kind;
use crate::handlers;
use crate::options::Options;
use crate::random::Random;

/// All senders.
pub(crate) struct Senders {
    tasks: JoinSet<()>,
    stop: Arc<AtomicBool>,
}

/// One of the tasks of a sender.
struct Sender {
    number: u16,
    session: Session,
    targets: Vec<Session>,
    book: Arc<Book>,
    random: Random,
}

impl Senders {
    pub(crate) async fn start(
        options: &Options,
        url: &str,
        book: &Arc<Book>,
        targets: Vec<Session>,
    ) -> Self {
        let (mut tasks, stop) = (JoinSet::new(), Arc::new(AtomicBool::new(false)));
        for number in 0..options.senders {
            let session = handlers::connect(url).await;
            for task in 0..options.outstanding {
                let sender = Sender {
                    number: number as u16,
                    session: session.clone(),
                    targets: targets.clone(),
                    book: Arc::clone(book),
                    random: Random::new(options.seed, (number << 16 | task) as u64),
                };
                tasks.spawn(sender.run(Arc::clone(&stop)));
            }
        }
        Self { tasks, stop }
    }

    /// Waits until every request has ended.
    pub(crate) async fn finish(mut self) {
        self.stop.store(true, Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
    }
}

impl Sender {
    async fn run(mut self, stop: Arc<AtomicBool>) {
        while !stop.load(Relaxed) {
            let id = self.book.open(self.number);
            let request = self.request(id);
            // The SDK has a time limit of its own, which this one must never precede.
            if timeout(PATIENCE, self.ask(id, request)).await.is_err() {
                self.book.problem(format!("{id:?} had no outcome within {PATIENCE:?}"));
            }
        }
    }

    fn request(&mut self, id: Id) -> Vec<u8> {
        let length = match self.random.below(200) {
            0 => 100_000,
            1..10 => 4_000,
            _ => 128,
        };
        let mut request = Vec::with_capacity(length);
        id.put(&mut request);
        request.resize(length.max(Id::LENGTH), 0);
        request
    }

    async fn ask(&mut self, id: Id, request: Vec<u8>) {
        let kind = match self.random.below(100) {
            0..80 => Kind::Path,
            80..98 => Kind::Session,
            _ => Kind::Filter,
        };
        let begin = Instant::now();
        let messaging = self.session.messaging();
        let response: Result<Vec<u8>, Error> = match kind {
            Kind::Path => messaging.send_request_to_path(handlers::PATH, request).await,
            Kind::Session => {
                let target = self.random.below(self.targets.len() as u64) as usize;
                let target = self.targets[target].id();
                messaging.send_request_to_session(handlers::DIRECT, target, request).await
            }
            Kind::Filter => return self.ask_filter(id, request).await,
        };
        self.book.end(kind, id, &answered(response), begin.elapsed());
    }

    async fn ask_filter(&self, id: Id, request: Vec<u8>) {
        let begin = Instant::now();
        let messaging = self.session.messaging();
        let asked =
            messaging.request_filter::<Vec<u8>>(handlers::FILTER, handlers::MEMBERS, request);
        match asked.await {
            Err(error) => self.book.end(Kind::Filter, id, &Err(error), begin.elapsed()),
            Ok(responses) => {
                let collected = responses.collect_all().await;
                let mut sessions = Vec::new();
                for response in collected.outcomes {
                    sessions.extend(response.session);
                    self.book.end(Kind::Filter, id, &answered(response.outcome), begin.elapsed());
                }
                let count = sessions.len();
                sessions.sort_unstable();
                sessions.dedup();
                if sessions.len() != count {
                    self.book.problem(format!("{id:?}: a session has two outcomes"));
                }
            }
        }
        self.book.end_filter(id);
    }
}

fn answered(response: Result<Vec<u8>, Error>) -> Result<Id, Error> {
    let nobody = Id { sender: u16::MAX, number: u64::MAX };
    response.map(|bytes| Id::read(&bytes).unwrap_or(nobody))
}

const PATIENCE: Duration = Duration::from_secs(60);
