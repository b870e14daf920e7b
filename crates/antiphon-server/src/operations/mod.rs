//! What operators and their machines ask: is it alive, is it ready, what has it done, who did what.
//!
//! The listener has an address of its own, the loopback interface by default, and speaks plain HTTP/1.1, one request a
//! connection. It is bounded in connections, bytes and time, and holds no lock of the data path for long, so nothing that
//! is asked here can slow down a session.
//!
//! | module | holds |
//! |---|---|
//! | `answers` | which path gets which answer |
//! | `metrics` | figures as OpenMetrics text |
//! | `figures` | what the server itself counts; the broker counts requests and sessions |
//! | `waits` | how long requests wait to be written |
//! | `process` | memory and files of the process, from the system |
//! | `audit` | the log of who did what |

mod answers;
pub(crate) mod audit;
pub(crate) mod figures;
mod metrics;
mod process;
pub(crate) mod waits;

use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::debug;
use tracing::error;

use crate::listener::Arrival;
use crate::listener::Bound;
use crate::listener::Listeners;
use crate::operations::answers::answer;
use crate::shared::Shared;

/// Answers whoever connects, for as long as it is polled.
pub(crate) async fn serve(listener: std::net::TcpListener, shared: Arc<Shared>) {
    let mut listener = match Listeners::new(vec![Bound { socket: listener, tls: None }]) {
        Ok(listener) => listener,
        Err(problem) => return error!(%problem, "the operations listener cannot be used"),
    };
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = poll_fn(|cx| listener.poll_accept(cx)), if connections.len() < MOST_CONNECTIONS => match accepted {
                Ok(Arrival { stream, .. }) => {
                    connections.spawn(timeout(MOST_TIME, converse(stream, Arc::clone(&shared))));
                }
                Err(problem) => return error!(%problem, "the operations listener has failed"),
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// One request and its answer.
async fn converse(stream: TcpStream, shared: Arc<Shared>) {
    let service = service_fn(|request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(answer(&request, shared).await) }
    });
    let http = http1::Builder::new()
        .keep_alive(false)
        .header_read_timeout(None)
        .max_buf_size(MOST_HEAD)
        .max_header_size(MOST_HEAD)
        .max_headers(MOST_HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(problem) = http.await {
        debug!(%problem, "no HTTP request for operations");
    }
}

/// Enough for a few scrapers and health checks; further ones wait until one of these is done.
const MOST_CONNECTIONS: usize = 64;

/// For one connection, from its first byte to its last.
const MOST_TIME: Duration = Duration::from_secs(10);

/// In bytes.
const MOST_HEAD: usize = 16 << 10;

const MOST_HEADERS: usize = 64;
