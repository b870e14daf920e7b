//! Short texts over HTTP, for people and for clients that took a wrong turn: with the headers that every such answer has.

use http::HeaderName;
use http::Response;
use http::StatusCode;
use http::header;
use http::header::HeaderValue;

/// A text that no browser takes for anything else, keeps, or shows in another page. The address that was asked for may
/// hold credentials, so it is not passed on to other sites.
const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
    (header::CONNECTION, "close"),
    (header::CACHE_CONTROL, "no-store"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
];

/// As an answer to a request that was read.
pub(crate) fn response(status: StatusCode, text: impl Into<String>) -> Response<String> {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// As bytes, for a connection whose request nobody reads. `more` are further headers, each with its line end.
pub(crate) fn bytes(status: StatusCode, more: &str, text: &str) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status}\r\n{more}");
    for (name, value) in HEADERS {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    format!("{head}\r\n{text}").into_bytes()
}
