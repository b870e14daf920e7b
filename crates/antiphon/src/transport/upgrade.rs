//! The upgrade from HTTP to WebSocket, as a client asks for it. HTTP itself is a library's.

use std::error::Error as StdError;
use std::io;
use std::pin::pin;

use bytes::Bytes;
use http::Request;
use http::Response;
use http::StatusCode;
use http::header;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tungstenite::handshake::client::generate_key;
use tungstenite::handshake::derive_accept_key;

use crate::error::Error;
use crate::error::ErrorKind;
use crate::transport::Connected;
use crate::transport::Io;
use crate::transport::url::Endpoint;

/// Asks for WebSocket with these connection parameters.
pub(crate) async fn upgrade(
    io: Box<dyn Io>,
    endpoint: &Endpoint,
    query: &str,
) -> Result<Connected, Error> {
    let key = generate_key();
    let request = request(endpoint, query, &key)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(io)).await.map_err(failed)?;
    let mut response = pin!(sender.send_request(request));
    let mut connection = pin!(connection.with_upgrades());
    // The connection ends with the upgrade, before or after the response is seen.
    let (response, ended) = tokio::select! {
        biased;
        response = &mut response => (response, false),
        ended = &mut connection => {
            ended.map_err(failed)?;
            (response.await, true)
        }
    };
    let response = response.map_err(failed)?;
    check(&response, &key)?;
    if !ended {
        connection.await.map_err(failed)?;
    }
    let upgraded = hyper::upgrade::on(response).await.map_err(failed)?;
    let parts = upgraded
        .downcast::<TokioIo<Box<dyn Io>>>()
        .map_err(|_| no_websocket("the connection was exchanged for another"))?;
    Ok((parts.io.into_inner(), parts.read_buf.into()))
}

fn request(endpoint: &Endpoint, query: &str, key: &str) -> Result<Request<Empty<Bytes>>, Error> {
    Request::get(format!("{}?{query}", endpoint.path))
        .header(header::HOST, endpoint.authority())
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_VERSION, "13")
        .header(header::SEC_WEBSOCKET_KEY, key)
        .body(Empty::new())
        .map_err(|error| {
            let text = "principal, credentials and properties are too long for a URL";
            Error::caused(ErrorKind::Connect, text, error)
        })
}

fn check(response: &Response<Incoming>, key: &str) -> Result<(), Error> {
    let status = response.status();
    if status != StatusCode::SWITCHING_PROTOCOLS {
        return Err(no_websocket(&format!(
            "the server answered {status}; is the URL that of an Antiphon server?"
        )));
    }
    let accepted = response.headers().get(header::SEC_WEBSOCKET_ACCEPT);
    if accepted
        .is_none_or(|accepted| accepted.as_bytes() != derive_accept_key(key.as_bytes()).as_bytes())
    {
        return Err(no_websocket("the server's answer was made for another request"));
    }
    Ok(())
}

/// A server that refuses the client's certificate says so only after the handshake.
fn failed(error: hyper::Error) -> Error {
    let mut text = format!("no WebSocket connection: {error}");
    let (mut kind, mut cause) = (ErrorKind::Connect, error.source());
    while let Some(inner) = cause {
        text.push_str(&format!(": {inner}"));
        if is_tls(inner) {
            kind = ErrorKind::Tls;
        }
        cause = inner.source();
    }
    Error::caused(kind, text, error)
}

fn is_tls(error: &(dyn StdError + 'static)) -> bool {
    let carried = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    carried.is_some_and(|carried| carried.is::<tokio_rustls::rustls::Error>())
}

fn no_websocket(why: &str) -> Error {
    Error::new(ErrorKind::Connect, format!("no WebSocket connection: {why}"))
}
