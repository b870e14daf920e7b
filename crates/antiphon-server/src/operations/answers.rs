//! Which request for operations gets which answer.
//!
//! Reading is `GET` and needs nothing. Whatever changes something is `POST`, and must not be possible for a web page that
//! a browser on this host shows: such a request needs a header that pages cannot send to another origin without being
//! asked for permission, which is never given, and must have none of those by which a browser gives itself away.

use std::sync::Arc;

use http::HeaderMap;
use http::Method;
use http::Request;
use http::Response;
use http::StatusCode;
use http::header;
use http::header::HeaderValue;
use tokio::task::spawn_blocking;
use tracing::error;

use crate::operations::metrics;
use crate::operations::nodes::Cluster;
use crate::readiness::Readiness;
use crate::shared::Shared;

pub(super) async fn answer<B>(request: &Request<B>, shared: Arc<Shared>) -> Response<String> {
    let mut response = match *request.method() {
        Method::GET | Method::HEAD => read(request.uri().path(), shared).await,
        Method::POST if !is_deliberate(request.headers()) => {
            text(StatusCode::FORBIDDEN, NOT_DELIBERATE)
        }
        Method::POST => command(request.uri().path(), &shared),
        _ => neither(request.uri().path()),
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn read(path: &str, shared: Arc<Shared>) -> Response<String> {
    match path {
        "/livez" => text(StatusCode::OK, "alive\n"),
        "/readyz" | "/healthz" => readiness(shared.readiness.get()),
        "/version" => typed(JSON, VERSION.to_owned()),
        "/cluster" => match spawn_blocking(move || Cluster::look(&shared).json()).await {
            Ok(text) => typed(JSON, text),
            Err(problem) => {
                error!(%problem, "the cluster cannot be told");
                text(StatusCode::INTERNAL_SERVER_ERROR, "The cluster cannot be told.\n")
            }
        },
        "/metrics" => {
            // Elsewhere than on the threads that serve sockets: it visits every session.
            match spawn_blocking(move || metrics::text(&shared)).await {
                Ok(text) => typed(metrics::CONTENT_TYPE, text),
                Err(problem) => {
                    error!(%problem, "the metrics cannot be told");
                    text(StatusCode::INTERNAL_SERVER_ERROR, "The metrics cannot be told.\n")
                }
            }
        }
        _ => neither(path),
    }
}

/// What changes something.
fn command(path: &str, shared: &Shared) -> Response<String> {
    match path {
        "/drain" => {
            shared.readiness.advance_to(Readiness::Draining);
            text(StatusCode::ACCEPTED, "draining\n")
        }
        _ => neither(path),
    }
}

/// To a request that is not the one that this path is for.
fn neither(path: &str) -> Response<String> {
    match path {
        "/drain" => not_allowed("This changes something, so it is a POST.\n", "POST"),
        _ if READABLE.contains(&path) => {
            not_allowed("This can only be read, with GET.\n", "GET, HEAD")
        }
        _ => text(StatusCode::NOT_FOUND, NOTHING_HERE),
    }
}

/// Whether a request that changes something was made by somebody who meant it, and not by a web page.
fn is_deliberate(headers: &HeaderMap) -> bool {
    let by_browser = ["origin", "sec-fetch-site", "sec-fetch-mode"];
    headers.contains_key(DELIBERATE) && !by_browser.iter().any(|name| headers.contains_key(*name))
}

fn readiness(state: Readiness) -> Response<String> {
    let status = match state {
        Readiness::Ready => StatusCode::OK,
        Readiness::Starting | Readiness::Draining => StatusCode::SERVICE_UNAVAILABLE,
    };
    text(status, format!("{}\n", state.name()))
}

fn not_allowed(why: &'static str, allowed: &'static str) -> Response<String> {
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, why);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    response
}

fn typed(content_type: &'static str, text: String) -> Response<String> {
    let mut response = Response::new(text);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn text(status: StatusCode, text: impl Into<String>) -> Response<String> {
    let mut response = typed("text/plain; charset=utf-8", text.into());
    *response.status_mut() = status;
    response
}

/// On every answer: nothing here is for a browser to keep, to interpret or to put into a page.
const HEADERS: [(&str, &str); 5] = [
    ("cache-control", "no-store"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ("cross-origin-resource-policy", "same-origin"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
];

/// The header without which nothing is changed, whatever its value.
const DELIBERATE: &str = "antiphon-operation";

const READABLE: [&str; 6] = ["/livez", "/readyz", "/healthz", "/version", "/metrics", "/cluster"];

const JSON: &str = "application/json";

const VERSION: &str =
    concat!("{\"name\":\"antiphon\",\"version\":\"", env!("CARGO_PKG_VERSION"), "\"}\n");

const NOTHING_HERE: &str = "\
There is nothing here. Ask for /livez, /readyz, /metrics, /cluster or /version.
";

const NOT_DELIBERATE: &str = "\
A request that changes something needs the header Antiphon-Operation, with any value, and must not come from a browser.
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_in_a_browser_cannot_change_anything() {
        let headers = |names: &[&'static str]| -> HeaderMap {
            names
                .iter()
                .map(|name| ((*name).parse().unwrap(), HeaderValue::from_static("x")))
                .collect()
        };
        assert!(is_deliberate(&headers(&["antiphon-operation", "user-agent"])));
        for page in [
            &["user-agent"][..],
            &["antiphon-operation", "origin"],
            &["antiphon-operation", "sec-fetch-site"],
            &["antiphon-operation", "sec-fetch-mode"],
        ] {
            assert!(!is_deliberate(&headers(page)), "{page:?}");
        }
    }
}
