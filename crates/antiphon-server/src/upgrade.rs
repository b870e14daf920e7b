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
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tracing::debug;
use tungstenite::handshake::server::create_response_with_body;

use crate::config::Config;
use crate::config::Origins;
use crate::door;
use crate::notice;
use crate::origin;

/// A stream on which both sides have agreed to speak WebSocket.
pub(crate) struct Upgraded<S> {
    pub(crate) stream: S,
    /// Bytes that came behind the request.
    pub(crate) leftover: Vec<u8>,
    pub(crate) request: Parameters,
}

/// What a client asks for with its upgrade.
pub(crate) type Parameters = Result<ConnectionRequest, Refused>;

/// What HTTP requests may look like.
pub(crate) struct Rules {
    origins: Origins,
    head: usize,
    target: usize,
    headers: usize,
}

/// A connection whose parameters are unusable.
#[derive(Debug)]
pub(crate) struct Refused {
    /// What the client asked for, and in which it must be answered.
    pub(crate) version: u8,
    pub(crate) refusal: Refusal,
}

impl Rules {
    pub(crate) fn new(config: &Config) -> Self {
        let limits = &config.limits;
        Self {
            origins: config.http.origins.clone(),
            head: limits.request_head,
            target: limits.request_target,
            headers: limits.request_headers,
        }
    }
}

/// Answers the one request that a connection may make.
///
/// # Errors
/// It was not a WebSocket request that may be made, or none at all.
pub(crate) async fn upgrade<S>(
    rules: &Rules,
    stream: S,
    secure: bool,
) -> Result<Upgraded<S>, door::Refused>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let agreed = Mutex::new(Err(door::Refused::Http));
    let service = service_fn(|mut request| {
        let (response, verdict) = answer(rules, &request, secure);
        *agreed.lock() = verdict.map(|parameters| (hyper::upgrade::on(&mut request), parameters));
        ready(Ok::<_, Infallible>(response))
    });
    let http = http1::Builder::new()
        .header_read_timeout(None)
        .max_buf_size(rules.head)
        .max_header_size(rules.head)
        .max_headers(rules.headers)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = http.with_upgrades().await {
        debug!(%error, "no HTTP request");
        let is_large = error.is_parse_too_large();
        return Err(if is_large { door::Refused::RequestHead } else { door::Refused::Http });
    }
    let (upgraded, request): (OnUpgrade, _) = agreed.into_inner()?;
    let upgraded = upgraded.await.map_err(|_| door::Refused::Http)?;
    let parts = upgraded.downcast::<TokioIo<S>>().map_err(|_| door::Refused::Http)?;
    Ok(Upgraded { stream: parts.io.into_inner(), leftover: parts.read_buf.into(), request })
}

/// The response, with the parameters of the connection if the response is an upgrade, else with the reason for which it
/// is none.
fn answer(
    rules: &Rules,
    request: &Request<Incoming>,
    secure: bool,
) -> (Response<String>, Result<Parameters, door::Refused>) {
    let refuse = |response| (response, Err(door::Refused::Http));
    let path = request.uri().path();
    if request.uri().path_and_query().is_some_and(|target| target.as_str().len() > rules.target) {
        let response =
            notice::response(StatusCode::URI_TOO_LONG, "This path with its query is too long.\n");
        return (response, Err(door::Refused::RequestTarget));
    }
    if path == "/" && request.method() == Method::GET {
        return refuse(notice::response(StatusCode::OK, welcome(secure)));
    }
    if !path.ends_with(ENDPOINT) {
        return refuse(notice::response(StatusCode::NOT_FOUND, wrong_path(secure)));
    }
    if !request.headers().contains_key(header::UPGRADE) {
        let mut response = notice::response(StatusCode::UPGRADE_REQUIRED, welcome(secure));
        response.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        return refuse(response);
    }
    if !origin::may_connect(&rules.origins, request.headers()) {
        return (notice::response(StatusCode::FORBIDDEN, WRONG_ORIGIN), Err(door::Refused::Origin));
    }
    match create_response_with_body(request, String::new) {
        Ok(response) => match parameters(request) {
            Ok(parameters) => (response, Ok(parameters)),
            Err(bad) => refuse(bad_request(&bad)),
        },
        Err(bad) => refuse(bad_request(&bad)),
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
    notice::response(StatusCode::BAD_REQUEST, problem)
}

/// How every path ends that a client connects to; what stands before it is left to proxies.
const ENDPOINT: &str = "/diffusion";

fn welcome(secure: bool) -> String {
    format!(
        "This is Antiphon, a request-response messaging server for the Diffusion SDKs.\n\
        Connect with an SDK over WebSocket, to path /diffusion of this address: {}://HOST:PORT/diffusion\n\
        HTTP polling is not supported.\n",
        scheme(secure)
    )
}

fn wrong_path(secure: bool) -> String {
    format!(
        "There is nothing here. SDKs connect over WebSocket to a path that ends in /diffusion, such as \
        {}://HOST:PORT/diffusion\n",
        scheme(secure)
    )
}

/// What the URL of a listener begins with.
pub(crate) const fn scheme(secure: bool) -> &'static str {
    if secure { "wss" } else { "ws" }
}

const WRONG_ORIGIN: &str = "\
Web pages of this site may not connect: see the key `origins` in the table [http] of the server's configuration.
";
