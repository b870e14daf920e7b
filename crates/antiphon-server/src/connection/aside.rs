//! A message that takes long is served by a thread of its own, so that the threads of the runtime are there for others. There
//! is one at a time in the whole server, and nothing else of its session is read meanwhile.

use std::sync::Arc;

use antiphon_wire::service::events::CloseReason;
use tokio::task::JoinHandle;
use tokio::task::spawn_blocking;

use crate::connection::event::End;
use crate::connection::event::Place;
use crate::connection::event::take_message;
use crate::flush;
use crate::shared::Shared;

/// Serves the message as soon as it can be, even if its connection is lost meanwhile.
pub(super) fn begin(
    shared: &Arc<Shared>,
    place: &Place,
    message: Vec<u8>,
) -> JoinHandle<Option<End>> {
    let (shared, place) = (Arc::clone(shared), place.clone());
    tokio::spawn(async move {
        // Nobody closes the semaphore.
        let _turn = shared.aside.clone().acquire_owned().await;
        let served = spawn_blocking(move || serve(&shared, &place, &message)).await;
        // A panic was told where it was caught.
        served.unwrap_or(Some(End::Close(CloseReason::InternalError)))
    })
}

fn serve(shared: &Shared, place: &Place, message: &[u8]) -> Option<End> {
    let mut outbox = flush::delivery();
    let mut batch = shared.broker.batch(&place.session, shared.clock.now());
    let end = match batch.connection() == place.number {
        true => take_message(shared, &mut batch, message, &mut outbox),
        false => Some(End::GivenUp),
    };
    drop(batch);
    shared.audit.take(&mut outbox.notes, Some(place.session.id()));
    drop(outbox);
    // This thread does not park as those of the runtime do.
    flush::write_own_list();
    end
}
