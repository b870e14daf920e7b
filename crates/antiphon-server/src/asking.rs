//! A session that is being authenticated again. It takes its time, and nothing of the session is read meanwhile; nobody
//! else waits for it.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;

use antiphon_broker::Authentication;
use tokio::time::Instant;

use crate::auth::Applicant;
use crate::auth::Granted;
use crate::auth::Proof;
use crate::flush;
use crate::flush::Session;
use crate::operations::audit;
use crate::operations::audit::Event;
use crate::shared::Shared;
use crate::socket::Socket;

/// What it asked, and the answer when it is there.
pub(crate) struct Asking {
    authentication: Box<Authentication>,
    answer: Pin<Box<dyn Future<Output = Option<Granted>> + Send>>,
}

impl Asking {
    pub(crate) fn new(
        shared: &Arc<Shared>,
        session: &Session,
        (client, socket): (IpAddr, &Socket),
        authentication: Box<Authentication>,
    ) -> Self {
        let applicant = Applicant {
            principal: authentication.principal.clone(),
            proof: Proof::from(authentication.credentials()),
            proposed: authentication.proposed.clone(),
            properties: authentication.properties.clone(),
            client,
            certificate: socket.client_certificates().into_iter().next(),
            session: Some(session.id()),
        };
        let shared = Arc::clone(shared);
        let deadline = Instant::now() + shared.config.load().limits.handshake_timeout;
        let answer = Box::pin(async move {
            shared.authenticators.authenticate(&shared, &applicant, deadline).await
        });
        Self { authentication, answer }
    }

    /// Ready with what the authenticators say.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Granted>> {
        self.answer.as_mut().poll(cx)
    }

    /// Tells the session.
    pub(crate) fn answer(self, shared: &Shared, session: &Arc<Session>, granted: Option<Granted>) {
        shared.audit.write(|| Event::Reauthentication {
            session: session.id().to_string(),
            principal: audit::shown(&self.authentication.principal),
            allowed: granted.is_some(),
        });
        let mut outbox = flush::delivery();
        let mut batch = shared.broker.batch(session, shared.clock.now());
        let grant = granted.map(|granted| granted.grant);
        batch.authenticated(&self.authentication, grant, &mut outbox);
        shared.audit.take(&mut outbox.notes, Some(session.id()));
    }
}
