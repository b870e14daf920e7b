//! What is asked of the HTTP request with which a connection begins.

use crate::config::ConfigError;

/// Table `[http]` of the file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HttpConfig {
    /// Which web pages may connect. Default: all.
    pub origins: Origins,
}

/// The web pages that may connect, by the header `Origin`, which browsers set and other clients do not have.
///
/// Credentials are sent by the page, never added by the browser, so a page of somebody else has no more rights than any
/// other client: all may connect, unless the network itself is a right.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Origins {
    /// All of them; `"any"` in the file.
    #[default]
    Any,
    /// Those of the host and port that they connect to; `"same"` in the file.
    Same,
    /// Those of these sites, such as `https://app.example`.
    Listed(Vec<String>),
}

impl HttpConfig {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let Origins::Listed(origins) = &self.origins else { return Ok(()) };
        match origins.iter().find(|origin| !is_origin(origin)) {
            None => Ok(()),
            Some(wrong) => Err(ConfigError::Invalid {
                key: "http.origins".to_owned(),
                problem: format!("has {wrong:?}, which no browser sends"),
                fix: "write scheme and host, and the port if it is a special one, such as \
                      \"https://app.example\" or \"http://localhost:3000\""
                    .to_owned(),
            }),
        }
    }
}

/// A browser's `null` stands for pages without a site of their own.
fn is_origin(text: &str) -> bool {
    let is_authority =
        |rest: &str| !rest.is_empty() && !rest.contains(['/', '?', '#', '@', '*', ' ']);
    text == "null"
        || text
            .split_once("://")
            .is_some_and(|(scheme, rest)| !scheme.is_empty() && is_authority(rest))
}
