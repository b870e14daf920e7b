//! One connection of a session: its opening, and the task that moves its bytes.

mod driver;
mod inbound;

use std::time::Duration;

use antiphon_wire::connect::ConnectionResponse;
use antiphon_wire::connect::Refusal;
use antiphon_wire::websocket::Decoder;
use antiphon_wire::websocket::Event;
use tokio::io::AsyncReadExt;

pub(crate) use crate::link::driver::Driver;
pub(crate) use crate::link::driver::Ended;

use crate::builder::VERSION;
use crate::error::Error;
use crate::error::ErrorKind;
use crate::transport::Connector;
use crate::transport::Io;

/// A connection whose server has answered, and what was read behind the answer.
pub(crate) struct Link {
    io: Box<dyn Io>,
    decoder: Decoder,
    rest: Vec<u8>,
    /// How often the server pings; zero for never.
    pub(crate) ping_period: Duration,
}

impl Link {
    /// Connects with these parameters and reads the connection response.
    ///
    /// # Errors
    /// No connection, or no response that makes sense. A refusal is a response.
    pub(crate) async fn open(
        connector: &dyn Connector,
        query: &str,
        maximum_message: usize,
    ) -> Result<(Self, ConnectionResponse), Error> {
        let (mut io, mut rest) = connector.connect(query).await?;
        let mut decoder = Decoder::new(maximum_message);
        let response = loop {
            if let Some((used, response)) = first_message(&mut decoder, &mut rest)? {
                rest.drain(..used);
                break response;
            }
            let read = io.read_buf(&mut rest).await.map_err(|error| {
                Error::caused(ErrorKind::Connect, format!("no answer: {error}"), error)
            })?;
            if read == 0 {
                return Err(unanswered("the server closed the connection"));
            }
        };
        let ping_period = match response {
            ConnectionResponse::Accepted(accepted) => accepted.ping_period,
            ConnectionResponse::Resumed { ping_period, .. } => ping_period,
            ConnectionResponse::Refused(_) => 0,
        };
        let ping_period = Duration::from_millis(ping_period).min(LONGEST_PING_PERIOD);
        Ok((Self { io, decoder, rest, ping_period }, response))
    }
}

/// A longer one is as good as none, and time is counted in it.
const LONGEST_PING_PERIOD: Duration = Duration::from_secs(24 * 3600);

/// The connection response and how many bytes it took, if it is there.
fn first_message(
    decoder: &mut Decoder,
    bytes: &mut [u8],
) -> Result<Option<(usize, ConnectionResponse)>, Error> {
    let event = decoder.next(bytes).map_err(|violation| unanswered(&violation.to_string()))?;
    match event {
        None => Ok(None),
        Some((used, Event::Message(message))) => {
            let response = ConnectionResponse::decode(message, VERSION)
                .map_err(|bad| unanswered(&bad.to_string()))?;
            Ok(Some((used, response)))
        }
        Some(_) => Err(unanswered("it does not begin with the answer to the connection")),
    }
}

fn unanswered(why: &str) -> Error {
    Error::new(ErrorKind::Connect, format!("the server's answer is missing: {why}"))
}

/// What a refusal means to whoever wanted to connect.
pub(crate) fn refused(refusal: Refusal) -> Error {
    let (kind, text) = match refusal {
        Refusal::AuthenticationFailed => (
            ErrorKind::AuthenticationFailed,
            "the server does not accept the principal and its credentials",
        ),
        Refusal::LicenseExceeded => (ErrorKind::Refused, "the server has too many sessions"),
        Refusal::ReconnectionUnsupported => {
            (ErrorKind::Refused, "the server does not take sessions up again")
        }
        Refusal::ConnectionProtocolError | Refusal::Downgrade => {
            (ErrorKind::Refused, "the server does not speak protocol 29, or not with this client")
        }
        Refusal::UnknownSession => (ErrorKind::Refused, "the server does not know the session"),
        Refusal::ReconnectionFailedMessageLoss => {
            (ErrorKind::Refused, "the server has lost messages of the session")
        }
        Refusal::ServerInitialising => (ErrorKind::Refused, "the server is not ready yet"),
    };
    Error::new(kind, text)
}
