//! A session against a server that is only a model of one, over pipes that break where a test says.
//!
//! Sessions against the real server are in `tests/session`.

mod fake_server;
mod kept;
mod life;
mod pipe;
mod random_cuts;
mod recovery;

use std::future::Future;
use std::time::Duration;

use tokio::time::timeout;

use crate::builder::SessionBuilder;
use crate::builder::Settings;
use crate::events::Events;
use crate::events::SessionEvent;
use crate::reconnect::ReconnectPolicy;
use crate::session::Session;
use crate::tests::fake_server::FakeServer;

/// Fails instead of waiting for ever. Time is paused in most tests, so this costs none.
async fn within<F: Future>(future: F) -> F::Output {
    timeout(Duration::from_secs(3600), future).await.expect("it came within an hour")
}

fn settings() -> Settings {
    SessionBuilder::new("ws://model").into_settings()
}

/// A session with the model, with all settings at their defaults.
async fn open(server: &FakeServer) -> Session {
    within(settings().connect(server.connector())).await.unwrap()
}

async fn open_with(server: &FakeServer, policy: ReconnectPolicy) -> Session {
    let mut settings = settings();
    settings.reconnect = policy;
    within(settings.connect(server.connector())).await.unwrap()
}

/// Waits for the event that the session is connected again; whether it was resumed.
async fn reconnected(events: &mut Events) -> bool {
    loop {
        match within(events.next()).await {
            Some(SessionEvent::Reconnected { resumed, .. }) => return resumed,
            Some(_) => {}
            None => panic!("the session ended"),
        }
    }
}
