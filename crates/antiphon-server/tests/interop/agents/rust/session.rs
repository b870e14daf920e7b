//! The commands that open, end and probe the session.

use std::collections::BTreeMap;
use std::mem;

use antiphon::Error;
use serde::Deserialize;
use serde_json::Value;
use serde_json::json;

use super::Agent;

#[derive(Deserialize)]
pub(super) struct Connect {
    host: String,
    port: u16,
    principal: Option<String>,
    password: Option<String>,
    #[serde(default)]
    properties: BTreeMap<String, String>,
}

impl Agent {
    pub(super) async fn connect(&self, connect: Connect) -> Result<Value, Error> {
        let Connect { host, port, principal, password, properties } = connect;
        let mut builder = antiphon::Session::builder(&format!("ws://{host}:{port}"));
        if let Some(principal) = principal {
            builder = builder.principal(principal);
        }
        if let Some(password) = password {
            builder = builder.password(password);
        }
        for (key, value) in properties {
            builder = builder.property(key, value);
        }
        let session = builder.connect().await?;
        let id = session.id().to_string();
        self.state().session = Some(session);
        Ok(json!({"session_id": id}))
    }

    pub(super) async fn close(&self) -> Result<Value, Error> {
        let session = self.state().session.take().expect("a session to close");
        session.close().await;
        let mut state = self.state();
        state.registrations.clear();
        state.streams.clear();
        state.callbacks.clear();
        Ok(Value::Null)
    }

    /// Back to a fresh agent; `own` is the one command that goes on.
    pub(super) async fn reset(&self, own: u64) -> Result<Value, Error> {
        let old = mem::take(&mut *self.state());
        for (_, command) in old.running.into_iter().filter(|(id, _)| *id != own) {
            command.abort();
        }
        if let Some(session) = &old.session {
            session.close().await;
        }
        Ok(Value::Null)
    }

    /// Waits for the end of the session.
    pub(super) async fn closed(&self) -> Result<Value, Error> {
        let reason = self.session().closed().await;
        Ok(json!({"state": format!("{reason:?}")}))
    }

    pub(super) async fn ping(&self) -> Result<Value, Error> {
        self.session().ping().await?;
        Ok(Value::Null)
    }

    pub(super) fn cancel(&self, target: u64) -> Result<Value, Error> {
        self.state().running.get(&target).expect("a command that runs").abort();
        Ok(Value::Null)
    }

    pub(super) fn session(&self) -> antiphon::Session {
        self.state().session.clone().expect("a session")
    }
}
