//! What handlers do.

use std::future;
use std::marker::PhantomData;
use std::mem;
use std::sync::Arc;

use antiphon::Rejection;
use antiphon::RequestContext;
use antiphon::RequestHandler;
use antiphon::Value as Dynamic;
use serde::Deserialize;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use tokio::sync::oneshot;

use super::Agent;
use super::forms;
use super::forms::Declared;
use super::forms::Form;

#[derive(Deserialize, Clone)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Behaviour {
    Echo,
    Reply(Form),
    Reject { text: String },
    Throw { text: String },
    Silent,
    Hold,
}

/// Reports every request of type `Q`, and does with it as told.
pub(super) struct Answerer<Q> {
    agent: Arc<Agent>,
    behaviour: Behaviour,
    request: PhantomData<fn(Q)>,
}

impl<Q: Declared> RequestHandler for Answerer<Q> {
    type Request = Q;
    type Response = Dynamic;

    async fn handle(&self, request: Q, context: RequestContext) -> Result<Dynamic, Rejection> {
        let request = request.dynamic();
        // The report may be followed by a release at once.
        let released = matches!(self.behaviour, Behaviour::Hold).then(|| self.agent.hold());
        self.agent.report(&request, &context);
        match &self.behaviour {
            Behaviour::Echo => Ok(request),
            Behaviour::Reply(form) => Ok(form.decode()),
            Behaviour::Reject { text } => Err(Rejection::new(text)),
            Behaviour::Throw { text } => panic!("{text}"),
            Behaviour::Silent => future::pending().await,
            Behaviour::Hold => {
                if let Some(released) = released {
                    released.await?;
                }
                Ok(request)
            }
        }
    }
}

impl<Q> Answerer<Q> {
    pub(super) fn new(agent: &Arc<Agent>, behaviour: Behaviour) -> Self {
        Self { agent: Arc::clone(agent), behaviour, request: PhantomData }
    }
}

impl Agent {
    fn report(&self, request: &Dynamic, context: &RequestContext) {
        let properties: Map<String, Value> =
            context.properties().map(|(key, value)| (key.to_owned(), json!(value))).collect();
        self.emit(&json!({
            "event": "request",
            "path": context.path(),
            "value": forms::encode(request),
            "sender": context.sender().map(|sender| sender.to_string()),
            "properties": properties,
        }));
    }

    /// Waits for `release`.
    fn hold(&self) -> oneshot::Receiver<()> {
        let (release, released) = oneshot::channel();
        self.state().held.push(release);
        released
    }

    /// Ends the waits of held requests, the latest first, so that answers come out of order.
    pub(super) fn release(&self) -> usize {
        let held = mem::take(&mut self.state().held);
        held.into_iter().rev().filter_map(|release| release.send(()).ok()).count()
    }
}
