//! From an accepted socket to an open session, or to a refusal. The whole way has one time limit.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;

use antiphon_broker::Connection as Number;
use antiphon_broker::Opening;
use antiphon_wire::connect::ConnectionRequest;
use antiphon_wire::connect::Refusal;
use antiphon_wire::connect::put_refused;
use antiphon_wire::websocket::put_close;
use antiphon_wire::websocket::put_message;
use tokio::time::Instant;
use tokio::time::timeout;
use tokio::time::timeout_at;
use tracing::debug;

use crate::auth::Applicant;
use crate::auth::Granted;
use crate::auth::Proof;
use crate::clock;
use crate::connection::Connection;
use crate::connection::LINGER;
use crate::connection::Place;
use crate::door;
use crate::door::Admission;
use crate::flush;
use crate::inbound::Inbound;
use crate::line::Line;
use crate::listener::Arrival;
use crate::operations::audit;
use crate::operations::audit::Event;
use crate::operations::figures::snake;
use crate::random;
use crate::shared::Shared;
use crate::socket::Socket;
use crate::tls::Channel;
use crate::upgrade::Parameters;
use crate::upgrade::Refused;
use crate::upgrade::Upgraded;
use crate::upgrade::upgrade;

/// A session that is open, on a socket that wants to be served; `None` if the socket did not get that far.
pub(crate) async fn handshake(
    shared: Arc<Shared>,
    arrival: Arrival,
    mut admission: Admission,
) -> Option<Connection> {
    let client = arrival.client;
    let deadline = Instant::now() + shared.config.load().limits.handshake_timeout;
    let agreed = timeout_at(deadline, agree(&shared, arrival)).await;
    let (mut inbound, socket, request) = match agreed.unwrap_or(Err(door::Refused::Timeout)) {
        Ok(agreed) => agreed,
        Err(why) => {
            shared.door.refused(client.ip(), shared.clock.now(), why);
            return None;
        }
    };
    let principal = request.as_ref().map_or_else(|_| String::new(), principal);
    let opened = match request {
        Ok(request) => admit(&shared, &request, &socket, (client, deadline)).await,
        Err(refused) => Err(refused),
    };
    match opened {
        Ok(place) => {
            admission.opened();
            Some(Connection::new(shared, place, socket, inbound, admission))
        }
        Err(refused) => {
            debug!(%client, ?refused, "connection refused");
            let reason = snake(refused.refusal);
            shared.figures.failed.count([&reason]);
            let address = client.to_string();
            shared.audit.write(|| Event::Refused { principal: &principal, address, reason });
            refuse(&mut inbound, &socket, &refused).await;
            None
        }
    }
}

/// Establishes TLS where the listener has it, then WebSocket.
async fn agree(
    shared: &Shared,
    arrival: Arrival,
) -> Result<(Inbound, Arc<Socket>, Parameters), door::Refused> {
    let (stream, channel, leftover, request) = match arrival.tls {
        None => {
            let upgraded = upgrade(&shared.rules.load(), arrival.stream, false).await?;
            (upgraded.stream, None, upgraded.leftover, upgraded.request)
        }
        Some(acceptor) => {
            let stream = acceptor.accept(arrival.stream).await.map_err(|error| {
                debug!(client = %arrival.client, %error, "no TLS session");
                door::Refused::Tls
            })?;
            let Upgraded { stream, leftover, request } =
                upgrade(&shared.rules.load(), stream, true).await?;
            let (stream, session) = stream.into_inner();
            (stream, Some(Arc::new(Channel::new(session))), leftover, request)
        }
    };
    let (reader, writer) = stream.into_split();
    let inbound = Inbound::new(reader, channel.clone(), leftover);
    Ok((inbound, Arc::new(Socket::new(writer, channel)), request))
}

async fn admit(
    shared: &Shared,
    request: &ConnectionRequest,
    socket: &Arc<Socket>,
    (client, deadline): (SocketAddr, Instant),
) -> Result<Place, Refused> {
    let refused = |refusal| Refused { version: request.version.number(), refusal };
    if request.reconnection.is_some() {
        return take_up(shared, request, socket, client).map_err(refused);
    }
    let applicant = applicant(shared, request, socket, client);
    let granted = shared.authenticators.authenticate(shared, &applicant, deadline).await;
    let granted = granted.ok_or_else(|| refused(Refusal::AuthenticationFailed))?;
    open(shared, request, socket, (client, granted)).map_err(refused)
}

fn applicant(
    shared: &Shared,
    request: &ConnectionRequest,
    socket: &Socket,
    client: SocketAddr,
) -> Applicant {
    let address = client.ip().to_string();
    Applicant {
        principal: request.principal.clone(),
        proof: Proof::from(request.credentials()),
        proposed: request.properties.clone(),
        properties: shared.broker.foreseen(request.family, &address, CONNECTOR),
        client: client.ip(),
        certificate: socket.client_certificates().into_iter().next(),
        session: None,
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
    let mut outbox = flush::delivery();
    let taken_up = shared.broker.reconnect(request, now, attach, &mut outbox);
    shared.audit.take(&mut outbox.notes, None);
    let (session, number) = taken_up?;
    shared.audit.write(|| Event::Reconnection {
        session: session.id().to_string(),
        address: client.to_string(),
    });
    debug!(session = %session.id(), %client, "session taken up again");
    Ok(Place::new(session, number, client.ip(), request.family))
}

fn open(
    shared: &Shared,
    request: &ConnectionRequest,
    socket: &Arc<Socket>,
    (client, granted): (SocketAddr, Granted),
) -> Result<Place, Refusal> {
    let token = random::session_token().map_err(|_| Refusal::ServerInitialising)?;
    let Granted { grant, authenticator } = granted;
    let principal = grant.principal.clone();
    let opening = Opening {
        request,
        grant,
        client_address: client.ip().to_string(),
        connector: CONNECTOR,
        start_time: clock::wall_time(),
        token,
        now: shared.clock.now(),
    };
    let line = Line::new(Arc::clone(socket), Arc::clone(&shared.waits));
    let mut outbox = flush::delivery();
    let opened = shared.broker.open(opening, line, &mut outbox);
    shared.audit.take(&mut outbox.notes, None);
    let session = opened?;
    shared.audit.write(|| Event::Login {
        session: session.id().to_string(),
        principal: audit::shown(&principal),
        address: client.to_string(),
        authenticator: &authenticator,
    });
    let family = request.family;
    debug!(session = %session.id(), %client, principal, ?family, "session opened");
    Ok(Place::new(session, Number::FIRST, client.ip(), request.family))
}

fn principal(request: &ConnectionRequest) -> String {
    audit::shown(&request.principal).to_owned()
}

/// Tells the client why, and closes the socket.
async fn refuse(inbound: &mut Inbound, socket: &Socket, refused: &Refused) {
    let mut farewell = Vec::new();
    put_message(&mut farewell, 3, |out| {
        put_refused(out, refused.version, refused.refusal);
    });
    put_close(&mut farewell, 1000);
    // So few bytes always fit into a socket to which little was written yet, unless it is gone.
    let _ = socket.try_write(&farewell);
    let leave = async {
        poll_fn(|cx| socket.poll_end(cx)).await;
        poll_fn(|cx| inbound.poll_discard(cx)).await;
    };
    let _ = timeout(LINGER, leave).await;
}

/// What sessions see as property `$Connector`.
const CONNECTOR: &str = "WebSocket";
