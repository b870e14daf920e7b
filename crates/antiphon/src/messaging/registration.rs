//! Handlers come and go: with the server's knowledge, or for this session alone.

use std::sync::Arc;

use antiphon_wire::codec::Encode;
use antiphon_wire::ids::ConversationId;
use antiphon_wire::path::Path;
use antiphon_wire::service::Service;
use antiphon_wire::service::messaging::DeregisterHandler;
use antiphon_wire::service::messaging::Receiver;
use antiphon_wire::service::messaging::RegisterHandler;
use tokio::time::Instant;

use crate::core::HandlerId;
use crate::core::Registered;
use crate::error::Error;
use crate::messaging::Addressing;
use crate::messaging::Messaging;
use crate::messaging::handler::AnyHandler;
use crate::session::Handle;
use crate::shared::Shared;

/// A handler that is in place. Dropping it removes the handler: at once if it is this session's alone, and when the
/// server has confirmed it if the server knows of it. Until then requests that were on their way are still handled, so
/// another session can take over without a gap.
#[must_use = "the handler is removed when its registration is dropped"]
pub struct Registration {
    handle: Handle,
    path: Arc<str>,
    place: Option<Place>,
}

/// Where a handler is.
struct Place {
    path: Arc<str>,
    handler: HandlerId,
    addressing: Addressing,
    /// The registration with the server, if there is one.
    registration: Option<ConversationId>,
}

impl Registration {
    fn new(handle: Handle, place: Place) -> Self {
        Self { handle, path: Arc::clone(&place.path), place: Some(place) }
    }

    /// The path for which the handler is in place, without leading and trailing slashes.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Keeps the handler for as long as the session lives.
    pub fn keep(mut self) {
        self.place = None;
    }

    /// Removes the handler and waits until the server has confirmed it: no request comes after that.
    ///
    /// # Errors
    /// As the server refuses it, or if the session is over. The handler is removed in any case.
    ///
    /// # Cancel safety
    /// Dropping the future removes the handler too, without waiting for the server.
    pub async fn close(mut self) -> Result<(), Error> {
        let deadline = self.handle.deadline();
        match self.place.take() {
            Some(place) => place.withdraw(Arc::clone(self.handle.shared()), deadline).await,
            None => Ok(()),
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let Some(place) = self.place.take() else { return };
        let shared = self.handle.shared();
        if place.registration.is_none() {
            place.remove(shared);
            return;
        }
        let withdrawal = place.withdraw(Arc::clone(shared), self.handle.deadline());
        shared.runtime().spawn(async {
            // A server that refuses it, or is gone, has no registration either.
            let _ = withdrawal.await;
        });
    }
}

impl Place {
    /// Takes the registration back, then removes the handler. It does not keep the session open.
    async fn withdraw(self, shared: Arc<Shared>, deadline: Instant) -> Result<(), Error> {
        let registered = self
            .registration
            .and_then(|registration| shared.look(|core| core.handlers.registered(registration)));
        let place = Removed { place: self, shared };
        let Some(registered) = registered else { return Ok(()) };
        let service = Service::MessagingReceiverControlDeregistration;
        let body = |out: &mut Vec<u8>| deregister_body(&registered, out);
        place.shared.call(service, deadline, body).await.map(drop)
    }

    fn remove(&self, shared: &Shared) {
        shared.look(|core| {
            if let Some(registration) = self.registration {
                core.handlers.deregister(registration);
            }
            core.handlers.remove(&self.path, self.handler, self.addressing);
        });
    }
}

/// Removes a handler when it is dropped, however its withdrawal ends.
struct Removed {
    place: Place,
    shared: Arc<Shared>,
}

impl Drop for Removed {
    fn drop(&mut self) {
        self.place.remove(&self.shared);
    }
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
        let handler = self.handle.shared().look(|core| {
            core.check_open()?;
            Ok::<_, Error>(core.handlers.add(Arc::clone(&path), handler, addressing))
        })?;
        let place = Place { path, handler, addressing, registration: None };
        Ok(Registration::new(self.handle.clone(), place))
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
        let addressing = Addressing::Unaddressed;
        let (id, handler) = shared.look(|core| {
            core.check_open()?;
            let id = core.register(registered.clone())?;
            Ok::<_, Error>((id, core.handlers.add(Arc::clone(&path), handler, addressing)))
        })?;
        let place = Place { path, handler, addressing, registration: Some(id) };
        // From here on the registration undoes itself if nobody waits any more.
        let mut registration = Registration::new(self.handle.clone(), place);
        let outcome = register(shared, id, &registered, self.deadline()).await;
        if let Err(error) = outcome {
            // What the server refused, or what never got there, need not be taken back.
            if error.code().is_some() || !error.may_have_executed() {
                registration.place.take().inspect(|place| place.remove(shared));
            }
            return Err(error);
        }
        Ok(registration)
    }
}

/// The control group, which means nothing to a server that is known; the JavaScript SDK sends this one.
const GROUP: &str = "default";
