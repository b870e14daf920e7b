//! The one lock of a session around its [`Core`], and what may only be done when it is let go: waking and spawning.

use std::convert::Infallible;
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;

use antiphon_wire::ids::ConversationId;
use antiphon_wire::service::Service;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::sync::Semaphore;
use tokio::sync::SemaphorePermit;
use tokio::time::Instant;
use tokio::time::sleep_until;
use tokio::time::timeout_at;

use crate::core::Answer;
use crate::core::Core;
use crate::core::Effects;
use crate::core::Identity;
use crate::core::Numbers;
use crate::error::Error;
use crate::error::ErrorKind;
use crate::events::CloseReason;
use crate::events::SessionState;
use crate::limits::Limits;
use crate::messaging::Responder;

/// A session, as its handles, its driver and its handlers share it.
pub(crate) struct Shared {
    core: Mutex<Core>,
    /// The state has changed, or there is room again for what waits to be written.
    changed: Notify,
    permits: Semaphore,
    outbound_limit: usize,
    runtime: Handle,
}

impl Shared {
    /// A session that has just been opened. Must be called on a runtime.
    pub(crate) fn new(identity: Identity, recoverable: bool, limits: &Limits) -> Arc<Self> {
        let most = limits.requests_in_flight.clamp(1, Numbers::MOST_ENTRIES);
        Arc::new(Self {
            core: Mutex::new(Core::new(identity, recoverable, limits)),
            changed: Notify::new(),
            permits: Semaphore::new(most),
            outbound_limit: limits.outbound.max(1),
            runtime: Handle::current(),
        })
    }

    /// Changes the core, then carries out what follows.
    pub(crate) fn change<R>(
        self: &Arc<Self>,
        change: impl FnOnce(&mut Core, &mut Effects) -> R,
    ) -> R {
        let mut effects = Effects::default();
        let (result, driver) = {
            let mut core = self.core.lock();
            let result = change(&mut core, &mut effects);
            let driver = if core.outbound.waiting() > 0 { core.driver.take() } else { None };
            (result, driver)
        };
        if let Some(driver) = driver {
            driver.wake();
        }
        effects.wakers.into_iter().for_each(std::task::Waker::wake);
        for invocation in effects.invocations {
            let responder = Responder::new(Arc::clone(self), invocation.ticket);
            let (value, context) = (invocation.value, invocation.context);
            invocation.handler.spawn(&self.runtime, value, context, responder);
        }
        result
    }

    /// Looks at the core, or changes what nobody waits for. What belongs to a user is not dropped in it but returned:
    /// it may hold the last handle of this very session, whose end needs the lock.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&mut Core) -> R) -> R {
        look(&mut self.core.lock())
    }

    pub(crate) fn outbound_limit(&self) -> usize {
        self.outbound_limit
    }

    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Wakes all that wait for a change of the state or for room.
    pub(crate) fn announce(&self) {
        self.changed.notify_waiters();
    }

    /// The user wants no more of the session.
    pub(crate) fn close(self: &Arc<Self>) {
        self.change(|core, effects| core.close(effects));
        self.announce();
    }

    /// Waits until the session is over.
    pub(crate) async fn closed(&self) -> CloseReason {
        loop {
            let changed = self.changed.notified();
            if let SessionState::Closed(reason) = self.look(|core| core.state) {
                return reason;
            }
            changed.await;
        }
    }

    /// Ends the calls whose time is over, for as long as it is polled. A connection's driver does the same.
    pub(crate) async fn keep_time(self: &Arc<Self>) -> Infallible {
        while let Some(deadline) = self.look(Core::next_deadline) {
            sleep_until(deadline).await;
            self.change(|core, effects| core.expire(Instant::now(), effects));
        }
        // Calls that are made without a connection keep their own time.
        std::future::pending().await
    }

    /// Waits until the user closes the session.
    pub(crate) async fn closing(&self) {
        loop {
            let changed = self.changed.notified();
            if self.look(|core| core.is_closing()) {
                return;
            }
            changed.await;
        }
    }

    /// Asks the server for a service and waits for the body of its response.
    ///
    /// Dropping the future drops the wait. The request is sent as soon as the session is connected and has room;
    /// after that it is never sent anew by this crate's choice.
    pub(crate) async fn call(
        self: &Arc<Self>,
        service: Service,
        deadline: Instant,
        body: impl Fn(&mut Vec<u8>),
    ) -> Answer {
        let _permit = self.permit(deadline).await?;
        let id = self.when_ready(deadline, |core| core.call(service, deadline, &body)).await?;
        Call { shared: &**self, id }.await
    }

    /// Asks at once if the session is connected; the answer can be waited for. It is not counted among the calls that
    /// are under way.
    pub(crate) fn call_now(
        self: &Arc<Self>,
        service: Service,
        deadline: Instant,
        body: impl Fn(&mut Vec<u8>),
    ) -> Option<Call<Arc<Self>>> {
        let id = self.change(|core, _| {
            let ready = matches!(core.is_ready(), Ok(true));
            ready.then(|| core.call(service, deadline, &body).ok()).flatten()
        })?;
        Some(Call { shared: Arc::clone(self), id })
    }

    async fn permit(&self, deadline: Instant) -> Result<SemaphorePermit<'_>, Error> {
        if let Ok(permit) = self.permits.try_acquire() {
            return Ok(permit);
        }
        match timeout_at(deadline, self.permits.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(too_late("other calls of this session were not answered")),
        }
    }

    /// Tries once the session is connected and has room to send.
    async fn when_ready<R>(
        self: &Arc<Self>,
        deadline: Instant,
        attempt: impl Fn(&mut Core) -> Result<R, Error>,
    ) -> Result<R, Error> {
        loop {
            let changed = self.changed.notified();
            let outcome = self.change(|core, _| {
                let ready = core.is_ready().map_err(Error::unsent)?;
                if ready && core.outbound.waiting() < self.outbound_limit {
                    attempt(core).map(Some)
                } else {
                    Ok(None)
                }
            })?;
            if let Some(result) = outcome {
                return Ok(result);
            }
            if timeout_at(deadline, changed).await.is_err() {
                return Err(too_late("the session had no connection, or a full one"));
            }
        }
    }
}

/// The wait for an answer.
pub(crate) struct Call<S: Deref<Target = Shared>> {
    shared: S,
    id: ConversationId,
}

impl<S: Deref<Target = Shared>> Future for Call<S> {
    type Output = Answer;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        let (answer, _old_waker) = self.shared.look(|core| core.calls.poll(self.id, cx));
        answer
    }
}

impl<S: Deref<Target = Shared>> Drop for Call<S> {
    fn drop(&mut self) {
        self.shared.look(|core| core.calls.cancel(self.id));
    }
}

fn too_late(why: &str) -> Error {
    Error::new(
        ErrorKind::RequestTimeOut,
        format!("the request was not sent within the time allowed: {why}"),
    )
    .unsent()
}
