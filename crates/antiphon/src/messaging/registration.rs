//! Handlers come and go: with the server's knowledge, or for this session alone.

use std::sync::Arc;

use antiphon_wire::codec::Encode;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::message::put_request;
use antiphon_wire::path::Path;
use antiphon_wire::service::Service;
use antiphon_wire::service::messaging::DeregisterHandler;
use antiphon_wire::service::messaging::Receiver;
use antiphon_wire::service::messaging::RegisterHandler;
use tokio::time::Instant;

use crate::core::Core;
use crate::core::HandlerId;
use crate::core::Registered;
use crate::error::Error;
use crate::messaging::Addressing;
use crate::messaging::Messaging;
use crate::messaging::handler::AnyHandler;
use crate::session::Handle;
use crate::shared::Shared;

/// A handler that is in place. Dropping it removes the handler, and tells the server so if it knows of it; requests
/// that are being handled are still answered.
#[must_use = "the handler is removed when its registration is dropped"]
pub struct Registration {
    handle: Handle,
    path: Arc<str>,
    handler: HandlerId,
    addressing: Addressing,
    /// The registration with the server, if there is one.
    registration: Option<ConversationId>,
    kept: bool,
}

impl Registration {
    /// The path for which the handler is in place, without leading and trailing slashes.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Keeps the handler for as long as the session lives.
    pub fn keep(mut self) {
        self.kept = true;
    }

    /// Removes the handler and waits until the server has confirmed it: no request comes after that.
    ///
    /// # Errors
    /// As the server refuses it, or if the session is over. The handler is removed in any case.
    ///
    /// # Cancel safety
    /// Dropping the future removes the handler too, without waiting for the server.
    pub async fn close(mut self) -> Result<(), Error> {
        let shared = Arc::clone(self.handle.shared());
        let Some(registered) = self.forget() else { return Ok(()) };
        let deadline = Instant::now() + self.handle.request_timeout();
        let deregistered = shared
            .call(Service::MessagingReceiverControlDeregistration, deadline, |out| {
                deregister_body(&registered, out);
            })
            .await;
        // Until then requests may come that were on their way.
        self.remove_handler();
        deregistered.map(drop)
    }

    /// Takes back the registration with the server; what has to be told to it.
    fn forget(&mut self) -> Option<Registered> {
        let registration = self.registration.take()?;
        self.handle.shared().look(|core| core.handlers.deregister(registration))
    }

    fn remove_handler(&mut self) {
        let Self { handle, path, handler, addressing, .. } = self;
        handle.shared().look(|core| core.handlers.remove(path, *handler, *addressing));
        self.kept = true;
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        if let Some(registered) = self.forget() {
            let deadline = Instant::now() + self.handle.request_timeout();
            self.handle.shared().change(|core, _| deregister(core, &registered, deadline));
        }
        self.remove_handler();
    }
}

/// Tells the server, and takes no interest in its answer.
fn deregister(core: &mut Core, registered: &Registered, deadline: Instant) {
    if !matches!(core.is_ready(), Ok(true)) {
        return;
    }
    let Some(id) = core.calls.enter(&mut core.numbers, deadline) else { return };
    core.outbound.put(|out| {
        put_request(out, Service::MessagingReceiverControlDeregistration, id);
        deregister_body(registered, out);
    });
    core.calls.cancel(id);
}

fn deregister_body(registered: &Registered, out: &mut Vec<u8>) {
    DeregisterHandler {
        receiver: Receiver,
        group: GROUP,
        path: &registered.path,
        keys: registered.keys.iter().map(String::as_str).collect(),
    }
    .encode(out);
}

/// Registers with the server, for the first time or again.
pub(crate) async fn register(
    shared: &Arc<Shared>,
    registration: ConversationId,
    registered: &Registered,
    deadline: Instant,
) -> Result<(), Error> {
    let body = |out: &mut Vec<u8>| {
        RegisterHandler {
            receiver: Receiver,
            group: GROUP,
            path: &registered.path,
            keys: registered.keys.iter().map(String::as_str).collect(),
            conversation: registration,
        }
        .encode(out);
    };
    let service = Service::MessagingReceiverControlRegistration;
    shared.call(service, deadline, body).await.map(drop)
}

impl Messaging {
    pub(crate) fn add(
        &self,
        path: &str,
        handler: Arc<dyn AnyHandler>,
        addressing: Addressing,
    ) -> Result<Registration, Error> {
        let path: Arc<str> = Path::parse(path)?.as_str().into();
        let shared = self.handle.shared();
        shared.look(Core::check_open)?;
        let id = shared.look(|core| core.handlers.add(Arc::clone(&path), handler, addressing));
        Ok(Registration {
            handle: self.handle.clone(),
            path,
            handler: id,
            addressing,
            registration: None,
            kept: false,
        })
    }

    pub(crate) async fn register(
        &self,
        path: &str,
        handler: Arc<dyn AnyHandler>,
        keys: &[&str],
    ) -> Result<Registration, Error> {
        let path: Arc<str> = Path::parse(path)?.as_str().into();
        let keys = keys.iter().map(ToString::to_string).collect();
        let registered = Registered { path: Arc::clone(&path), keys };
        let shared = self.handle.shared();
        let id = shared.look(|core| {
            core.check_open()?;
            core.register(registered.clone())
        })?;
        // From here on the registration undoes itself if the server refuses, or if nobody waits any more.
        let handler = shared
            .look(|core| core.handlers.add(Arc::clone(&path), handler, Addressing::Unaddressed));
        let registration = Registration {
            handle: self.handle.clone(),
            path,
            handler,
            addressing: Addressing::Unaddressed,
            registration: Some(id),
            kept: false,
        };
        match register(shared, id, &registered, self.deadline()).await {
            Ok(()) => Ok(registration),
            Err(error) => {
                let mut registration = registration;
                if error.code().is_some() {
                    // The server does not have it, so there is nothing to take back.
                    registration.forget();
                }
                Err(error)
            }
        }
    }
}

/// The control group, which means nothing to a server that is known; the JavaScript SDK sends this one.
const GROUP: &str = "default";
