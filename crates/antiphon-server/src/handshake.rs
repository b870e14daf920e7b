//! From an accepted socket to an open session, or to a refusal. The whole way has one time limit.

use std::future::poll_fn;
use std::net::Shutdown;
use std::net::SocketAddr;
use std::sync::Arc;

use antiphon_broker::Connection as Number;
use antiphon_broker::Opening;
use antiphon_wire::connect::ConnectionRequest;
use antiphon_wire::connect::Refusal;
use antiphon_wire::connect::put_refused;
use antiphon_wire::websocket::put_close;
use antiphon_wire::websocket::put_message;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tracing::debug;

use crate::clock;
use crate::connection::Connection;
use crate::connection::LINGER;
use crate::connection::Place;
use crate::flush;
use crate::inbound::Inbound;
use crate::line::Line;
use crate::random;
use crate::server::Shared;
use crate::socket;
use crate::socket::Socket;
use crate::upgrade::Refused;
use crate::upgrade::Upgraded;
use crate::upgrade::upgrade;

/// A session that is open, on a socket that wants to be served; `None` if the socket did not get that far.
pub(crate) async fn handshake(
    shared: Arc<Shared>,
    stream: TcpStream,
    client: SocketAddr,
) -> Option<Connection> {
    let limit = shared.config.load().limits.handshake_timeout;
    let Ok(upgraded) = timeout(limit, upgrade(stream)).await else {
        debug!(%client, "took too long to ask for a session");
        return None;
    };
    let Upgraded { stream, leftover, request } = upgraded?;
    let (reader, writer) = stream.into_split();
    let (inbound, socket) = (Inbound::new(reader, leftover), Arc::new(Socket::new(writer)));
    let opened = request.and_then(|request| {
        let opened = if request.reconnection.is_some() {
            take_up(&shared, &request, &socket, client)
        } else {
            open(&shared, &request, &socket, client)
        };
        opened.map_err(|refusal| Refused { version: request.version.number(), refusal })
    });
    match opened {
        Ok(place) => Some(Connection::new(shared, place, socket, inbound)),
        Err(refused) => {
            debug!(%client, ?refused, "connection refused");
            refuse(inbound, &refused).await;
            None
        }
    }
}

/// Gives a session that has lost its connection this one. Its token is the proof.
fn take_up(
    shared: &Shared,
    request: &ConnectionRequest,
    socket: &Arc<Socket>,
    client: SocketAddr,
) -> Result<Place, Refusal> {
    let attach = |line: &Line, connection| line.replace(connection, Arc::clone(socket));
    let now = shared.clock.now();
    let (session, number) =
        shared.broker.reconnect(request, now, attach, &mut flush::delivery())?;
    debug!(session = %session.id(), %client, "session taken up again");
    Ok(Place::new(session, number, request.family))
}

fn open(
    shared: &Shared,
    request: &ConnectionRequest,
    socket: &Arc<Socket>,
    client: SocketAddr,
) -> Result<Place, Refusal> {
    let grant = shared
        .authenticator
        .authenticate(&request.principal, request.credentials(), &request.properties)
        .ok_or(Refusal::AuthenticationFailed)?;
    let token = random::session_token().map_err(|_| Refusal::ServerInitialising)?;
    let opening = Opening {
        request,
        grant,
        client_address: client.ip().to_string(),
        connector: CONNECTOR,
        start_time: clock::wall_time(),
        token,
        now: shared.clock.now(),
    };
    let line = Line::new(Arc::clone(socket));
    let session = shared.broker.open(opening, line, &mut flush::delivery())?;
    let (principal, family) = (&request.principal, request.family);
    debug!(session = %session.id(), %client, principal, ?family, "session opened");
    Ok(Place::new(session, Number::FIRST, request.family))
}

/// Tells the client why, and closes the socket.
async fn refuse(mut inbound: Inbound, refused: &Refused) {
    let mut farewell = Vec::new();
    put_message(&mut farewell, 3, |out| {
        put_refused(out, refused.version, refused.refusal);
    });
    put_close(&mut farewell, 1000);
    // So few bytes always fit into a socket to which nothing was written yet, unless it is gone.
    let _ = inbound.stream().try_write(&farewell);
    socket::shut_down(inbound.stream(), Shutdown::Write);
    let _ = timeout(LINGER, poll_fn(|cx| inbound.poll_discard(cx))).await;
}

/// What sessions see as property `$Connector`.
const CONNECTOR: &str = "WebSocket";
