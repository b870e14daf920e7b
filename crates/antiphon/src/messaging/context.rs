//! What a handler is told of a request besides its value.

use antiphon_wire::ids::SessionId;
use tokio::time::Instant;

/// The circumstances of a request.
#[derive(Debug, Clone)]
pub struct RequestContext {
    path: Box<str>,
    sender: Option<SessionId>,
    properties: Vec<(String, String)>,
    deadline: Instant,
}

impl RequestContext {
    pub(crate) fn new(path: &str, deadline: Instant) -> Self {
        Self { path: path.into(), sender: None, properties: Vec::new(), deadline }
    }

    pub(crate) fn sent_by(self, sender: SessionId, properties: &[(&str, &str)]) -> Self {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        Self { sender: Some(sender), properties: properties.iter().map(owned).collect(), ..self }
    }

    /// The path as the sender wrote it: the handler's own, or one below.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Who asks. The server does not tell it of requests that are addressed to the session.
    #[must_use]
    pub fn sender(&self) -> Option<SessionId> {
        self.sender
    }

    /// A session property of the sender, if the handler was registered for it and the sender has it.
    #[must_use]
    pub fn property(&self, key: &str) -> Option<&str> {
        self.properties().find(|property| property.0 == key).map(|property| property.1)
    }

    /// The session properties of the sender that the handler was registered for.
    pub fn properties(&self) -> impl Iterator<Item = (&str, &str)> {
        self.properties.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// When the handler is given up here: [`handler_timeout`](crate::Limits::handler_timeout) after the request came.
    /// The server has a time limit of its own, which it does not tell.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }
}
