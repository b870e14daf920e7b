//! A client that asks one question after the other, and the handler that answers it.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use antiphon::Registration;
use antiphon::RequestContext;
use antiphon::Session;

/// Two sessions that nothing happens to.
pub(crate) struct Good {
    asks: Session,
    _answers: Session,
    _registration: Registration,
}

/// How long the client waited for each answer, in order of length.
pub(crate) struct Waits(Vec<Duration>);

impl Good {
    /// How many it takes.
    pub(crate) const SESSIONS: u64 = 2;

    pub(crate) async fn connect(server: SocketAddr) -> Arc<Self> {
        let url = format!("ws://{server}");
        let session = || Session::builder(&url).principal("admin").password("password").connect();
        let (asks, answers) = (session().await.unwrap(), session().await.unwrap());
        let echo = |request: String, _: RequestContext| async move { Ok(request) };
        let registration =
            answers.messaging().register_request_handler("good", echo, &[]).await.unwrap();
        Arc::new(Self { asks, _answers: answers, _registration: registration })
    }

    /// Asks until the time is over. Every question must be answered.
    pub(crate) async fn ask_for(self: Arc<Self>, time: Duration) -> Waits {
        let (begin, mut waits) = (Instant::now(), Vec::new());
        while begin.elapsed() < time {
            let asked = Instant::now();
            let question = format!("question {}", waits.len());
            let messaging = self.asks.messaging();
            let answer: Result<String, _> =
                messaging.send_request_to_path("good", question.clone()).await;
            assert_eq!(answer.expect("the good client is answered"), question);
            waits.push(asked.elapsed());
        }
        waits.sort();
        Waits(waits)
    }
}

impl Waits {
    /// So many percent of the answers took no longer.
    pub(crate) fn at(&self, percent: usize) -> Duration {
        self.0[(self.0.len() - 1) * percent / 100]
    }
}

impl fmt::Display for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, median, p99, most) = (self.0.len(), self.at(50), self.at(99), self.at(100));
        write!(f, "{count} answers, p50 {median:?}, p99 {p99:?}, longest {most:?}")
    }
}
