//! The HTTP side of the port: short answers for people and for clients that took a wrong turn, and the upgrade to
//! WebSocket. Gives the socket back as it was, so that nothing of HTTP lives on with a session.

use std::convert::Infallible;
use std::future::ready;

use antiphon_wire::connect::BadParameters;
use antiphon_wire::connect::ConnectionRequest;
use antiphon_wire::connect::Refusal;
use http::Method;
use http::Request;
use http::Response;
use http::StatusCode;
use http::header;
use http::header::HeaderValue;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tracing::debug;
use tungstenite::handshake::server::create_response_with_body;

/// A socket on which both sides have agreed to speak WebSocket.
pub(crate) struct Upgraded {
    pub(crate) stream: TcpStream,
    /// Bytes that came behind the request.
    pub(crate) leftover: Vec<u8>,
    pub(crate) request: Result<ConnectionRequest, Refused>,
}

/// A connection whose parameters are unusable.
#[derive(Debug)]
pub(crate) struct Refused {
    /// What the client asked for, and in which it must be answered.
    pub(crate) version: u8,
    pub(crate) refusal: Refusal,
}

/// Answers the one request that a connection may make. `None` if it was not a WebSocket request, or none at all.
pub(crate) async fn upgrade(stream: TcpStream) -> Option<Upgraded> {
    let agreed = Mutex::new(None);
    let service = service_fn(|mut request| {
        let (response, parameters) = answer(&request);
        *agreed.lock() =
            parameters.map(|parameters| (hyper::upgrade::on(&mut request), parameters));
        ready(Ok::<_, Infallible>(response))
    });
    let http = http1::Builder::new()
        .header_read_timeout(None)
        .max_buf_size(MAXIMUM_HEAD)
        .max_header_size(MAXIMUM_HEAD)
        .max_headers(MAXIMUM_HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = http.with_upgrades().await {
        debug!(%error, "no HTTP request");
        return None;
    }
    let (upgraded, request): (OnUpgrade, _) = agreed.into_inner()?;
    let parts = upgraded.await.ok()?.downcast::<TokioIo<TcpStream>>().ok()?;
    Some(Upgraded { stream: parts.io.into_inner(), leftover: parts.read_buf.into(), request })
}

type Parameters = Result<ConnectionRequest, Refused>;

/// The response, and the parameters of the connection if the response is an upgrade.
fn answer(request: &Request<Incoming>) -> (Response<String>, Option<Parameters>) {
    let path = request.uri().path();
    if path == "/" && request.method() == Method::GET {
        return (text(StatusCode::OK, WELCOME), None);
    }
    if !path.ends_with(ENDPOINT) {
        return (text(StatusCode::NOT_FOUND, WRONG_PATH), None);
    }
    if !request.headers().contains_key(header::UPGRADE) {
        let mut response = text(StatusCode::UPGRADE_REQUIRED, WELCOME);
        response.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        return (response, None);
    }
    match create_response_with_body(request, String::new) {
        Ok(response) => match parameters(request) {
            Ok(parameters) => (response, Some(parameters)),
            Err(bad) => (bad_request(&bad), None),
        },
        Err(bad) => (bad_request(&bad), None),
    }
}

/// The parameters of the connection. An error only if the client does not say in which version to answer it.
fn parameters(request: &Request<Incoming>) -> Result<Parameters, BadParameters> {
    let query = request.uri().query().unwrap_or_default();
    let header = |name: &str| request.headers().get(name).map(HeaderValue::as_bytes);
    let bad = match ConnectionRequest::parse(query, header) {
        Ok(request) => return Ok(Ok(request)),
        Err(bad) => bad,
    };
    debug!(%bad, "connection refused");
    let version = match bad {
        BadParameters::NoVersion(_) => return Err(bad),
        BadParameters::UnsupportedVersion(version) => version,
        BadParameters::Malformed { version, .. } => version.number(),
    };
    Ok(Err(Refused { version, refusal: Refusal::ConnectionProtocolError }))
}

fn bad_request(problem: &dyn std::fmt::Display) -> Response<String> {
    let problem = format!("This is not a connection request: {problem}.\n");
    text(StatusCode::BAD_REQUEST, problem)
}

fn text(status: StatusCode, text: impl Into<String>) -> Response<String> {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// How every path ends that a client connects to; what stands before it is left to proxies.
const ENDPOINT: &str = "/diffusion";

const WELCOME: &str = "\
This is Antiphon, a request-response messaging server for the Diffusion SDKs.
Connect with an SDK over WebSocket, to path /diffusion of this address: ws://HOST:PORT/diffusion
HTTP polling is not supported.
";

const WRONG_PATH: &str = "\
There is nothing here. SDKs connect over WebSocket to a path that ends in /diffusion, such as ws://HOST:PORT/diffusion
";

/// Request line and headers together, in bytes. Proposed session properties travel there too.
const MAXIMUM_HEAD: usize = 64 << 10;

const MAXIMUM_HEADERS: usize = 100;
