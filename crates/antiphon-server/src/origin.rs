//! Which web pages may connect. Browsers name the page's site in the header `Origin`; other clients have no such header
//! and are not asked.

use http::HeaderMap;
use http::header;

use crate::config::Origins;

/// Whether a request with these headers may become a connection.
pub(crate) fn may_connect(origins: &Origins, headers: &HeaderMap) -> bool {
    let mut all = headers.get_all(header::ORIGIN).iter();
    let (Some(origin), another) = (all.next(), all.next()) else { return true };
    if *origins == Origins::Any {
        return true;
    }
    let Ok(origin) = origin.to_str() else { return false };
    let permitted = match origins {
        Origins::Any => true,
        Origins::Same => is_same(origin, headers),
        Origins::Listed(origins) => origins.iter().any(|known| known.eq_ignore_ascii_case(origin)),
    };
    permitted && another.is_none()
}

/// Whether a page comes from the host and port that it connects to. The scheme is not looked at: behind a proxy that ends
/// TLS it is another.
fn is_same(origin: &str, headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let (Some((scheme, site)), Some(host)) = (origin.split_once("://"), host) else { return false };
    let default_port = match scheme {
        "https" => ":443",
        _ => ":80",
    };
    let without_port = |text: &str| text.strip_suffix(default_port).unwrap_or(text).to_owned();
    without_port(site).eq_ignore_ascii_case(&without_port(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may(origins: &Origins, host: &str, origin: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        for origin in origin {
            headers.append(header::ORIGIN, origin.parse().unwrap());
        }
        may_connect(origins, &headers)
    }

    #[test]
    fn whoever_is_no_browser_is_not_asked() {
        for origins in [Origins::Any, Origins::Same, Origins::Listed(Vec::new())] {
            assert!(may(&origins, "example.org", &[]));
        }
    }

    #[test]
    fn a_list_permits_what_it_names_and_nothing_near_it() {
        let origins = Origins::Listed(vec!["https://app.example".to_owned(), "null".to_owned()]);
        for (origin, expected) in [
            (&["https://app.example"][..], true),
            (&["https://APP.example"], true),
            (&["null"], true),
            (&["http://app.example"], false),
            (&["https://app.example:8443"], false),
            (&["https://app.example.evil"], false),
            (&["https://evil-app.example"], false),
            (&[""], false),
            (&["https://app.example", "https://evil"], false),
            (&["https://evil", "https://app.example"], false),
        ] {
            assert_eq!(may(&origins, "server", origin), expected, "{origin:?}");
            assert!(may(&Origins::Any, "server", origin), "{origin:?}");
        }
    }

    #[test]
    fn the_same_site_is_the_same_host_and_port() {
        for (host, origin, expected) in [
            ("app.example", "https://app.example", true),
            ("App.Example:443", "https://app.example", true),
            ("app.example", "http://app.example", true),
            ("app.example:8080", "http://app.example:8080", true),
            ("[::1]:8080", "http://[::1]:8080", true),
            ("app.example:8080", "http://app.example", false),
            ("app.example", "https://app.example:8443", false),
            ("app.example", "https://other.example", false),
            ("app.example", "null", false),
        ] {
            assert_eq!(may(&Origins::Same, host, &[origin]), expected, "{host} {origin}");
        }
    }
}
