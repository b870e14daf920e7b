//! Where a server is: `ws://HOST:PORT/PATH`, with the rules of the published SDKs for what may be left out.

use http::Uri;

use crate::error::Error;
use crate::error::ErrorKind;

/// A server's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) secure: bool,
    /// Without the brackets of an IPv6 address.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) path: String,
}

impl Endpoint {
    pub(crate) fn parse(url: &str) -> Result<Self, Error> {
        let invalid = |problem: &str| {
            let text = format!("{url:?} {problem}; write it as ws://HOST:PORT or wss://HOST:PORT");
            Error::new(ErrorKind::InvalidUrl, text)
        };
        let uri: Uri = url.parse().map_err(|_| invalid("is not a URL"))?;
        let secure = match uri.scheme_str() {
            Some("ws") => false,
            Some("wss") => true,
            _ => return Err(invalid("does not begin with ws:// or wss://")),
        };
        let authority = uri.authority().ok_or_else(|| invalid("names no host"))?;
        if authority.as_str().contains('@') {
            return Err(invalid("holds credentials, which are set apart from the URL"));
        }
        if uri.query().is_some() {
            return Err(invalid("has a query string"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(invalid("names no host"));
        }
        let port = match authority.as_str().strip_prefix(authority.host()) {
            None | Some("") => Some(if secure { 443 } else { 80 }),
            Some(_) => authority.port_u16(),
        };
        let port = port.ok_or_else(|| invalid("has no port that exists"))?;
        Ok(Self { secure, host: host.to_owned(), port, path: endpoint_path(uri.path()) })
    }

    /// Host and port, as they stand in a URL.
    pub(crate) fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// Servers are found at a path that ends in `/diffusion`.
fn endpoint_path(path: &str) -> String {
    let path = path.trim_end_matches('/');
    if path.ends_with(ENDPOINT) { path.to_owned() } else { format!("{path}{ENDPOINT}") }
}

const ENDPOINT: &str = "/diffusion";

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, secure: bool, authority: &str, path: &str) {
        let endpoint = Endpoint::parse(url).unwrap();
        let found = (endpoint.secure, endpoint.authority(), endpoint.path);
        assert_eq!(found, (secure, authority.to_owned(), path.to_owned()));
    }

    #[test]
    fn what_is_left_out_is_filled_in() {
        check("ws://localhost:8080", false, "localhost:8080", "/diffusion");
        check("ws://localhost:8080/", false, "localhost:8080", "/diffusion");
        check("wss://example.com", true, "example.com:443", "/diffusion");
        check("ws://example.com/diffusion", false, "example.com:80", "/diffusion");
        check("wss://example.com/ctx/app", true, "example.com:443", "/ctx/app/diffusion");
        check("ws://[::1]:8080", false, "[::1]:8080", "/diffusion");
    }

    #[test]
    fn a_wrong_url_is_refused_with_the_right_form() {
        for url in [
            "",
            "localhost",
            "localhost:8080",
            "http://localhost",
            "ws://",
            "ws://:80",
            "ws://admin:password@localhost",
            "ws://localhost/diffusion?v=29",
            "ws://localhost:99999",
        ] {
            let error = Endpoint::parse(url).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidUrl, "{url}");
            assert!(error.to_string().contains("ws://HOST:PORT"), "{error}");
        }
    }
}
