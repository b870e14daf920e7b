//! Who a client is: credentials to a principal with roles. What a role may do is the broker's business.
//!
//! There is one source of principals, development mode. Without it nobody is let in.

use std::hint::black_box;
use std::sync::Arc;

use antiphon_broker::Grant;
use antiphon_broker::properties;
use antiphon_broker::properties::Trust;
use antiphon_wire::connect::Credentials;

/// Decides who is let in, and which of the proposed session properties are believed.
pub(crate) struct Authenticator {
    dev: bool,
    trust: Trust,
}

impl Authenticator {
    /// Development mode trusts every proposed property.
    pub(crate) fn new(dev: bool) -> Self {
        Self { dev, trust: if dev { Trust::all() } else { Trust::default() } }
    }

    /// What the client gets; `None` if it is not let in.
    pub(crate) fn authenticate(
        &self,
        principal: &str,
        credentials: Credentials<'_>,
        proposed: &[(String, String)],
    ) -> Option<Grant> {
        if !self.dev {
            return None;
        }
        let roles = dev_roles(principal, credentials)?;
        let offered = proposed.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        Some(Grant {
            principal: principal.to_owned(),
            roles: roles.iter().map(|role| Arc::from(*role)).collect(),
            properties: properties::proposed(offered, &self.trust),
        })
    }
}

/// The roles of a principal of development mode, if the credentials are right.
fn dev_roles(principal: &str, credentials: Credentials<'_>) -> Option<&'static [&'static str]> {
    let password = match credentials {
        Credentials::None => "",
        Credentials::Password(password) => password,
        Credentials::Custom(_) => return None,
    };
    let stock = STOCK.iter().find(|stock| stock.principal == principal)?;
    same(password.as_bytes(), stock.password.as_bytes()).then_some(stock.roles)
}

/// Whether two secrets are equal, in a time that depends on their lengths alone.
fn same(a: &[u8], b: &[u8]) -> bool {
    let different = a.iter().zip(b).fold(0, |bits, (a, b)| black_box(bits | (a ^ b)));
    a.len() == b.len() && different == 0
}

struct Stock {
    principal: &'static str,
    password: &'static str,
    roles: &'static [&'static str],
}

/// The principals that an original server is delivered with; examples and tests of the SDKs use them. An anonymous
/// JavaScript client may send an empty password.
const STOCK: &[Stock] = &[
    Stock { principal: "", password: "", roles: &["CLIENT"] },
    Stock { principal: "client", password: "password", roles: &["CLIENT"] },
    Stock {
        principal: "control",
        password: "password",
        roles: &["CLIENT_CONTROL", "TOPIC_CONTROL", "AUTHENTICATION_HANDLER"],
    },
    Stock { principal: "admin", password: "password", roles: &["ADMINISTRATOR"] },
    Stock { principal: "operator", password: "password", roles: &["OPERATOR"] },
];

#[cfg(test)]
mod tests {
    use super::*;

    fn roles(principal: &str, credentials: Credentials<'_>) -> Option<String> {
        let grant = Authenticator::new(true).authenticate(principal, credentials, &[])?;
        let roles: Vec<&str> = grant.roles.iter().map(AsRef::as_ref).collect();
        Some(roles.join(" "))
    }

    #[test]
    fn development_mode_knows_the_stock_principals() {
        let password = Credentials::Password("password");
        for (principal, credentials, expected) in [
            ("admin", password, "ADMINISTRATOR"),
            ("client", password, "CLIENT"),
            ("operator", password, "OPERATOR"),
            ("control", password, "AUTHENTICATION_HANDLER CLIENT_CONTROL TOPIC_CONTROL"),
            ("", Credentials::None, "CLIENT"),
            ("", Credentials::Password(""), "CLIENT"),
        ] {
            assert_eq!(roles(principal, credentials).as_deref(), Some(expected), "{principal}");
        }
    }

    #[test]
    fn wrong_credentials_are_refused() {
        for (principal, credentials) in [
            ("admin", Credentials::None),
            ("admin", Credentials::Password("")),
            ("admin", Credentials::Password("passwore")),
            ("admin", Credentials::Password("password1")),
            ("admin", Credentials::Custom(b"password")),
            ("Admin", Credentials::Password("password")),
            ("nobody", Credentials::Password("password")),
            ("", Credentials::Password("password")),
        ] {
            assert_eq!(roles(principal, credentials), None, "{principal}");
        }
    }

    #[test]
    fn without_development_mode_nobody_is_let_in() {
        let authenticator = Authenticator::new(false);
        let admin = authenticator.authenticate("admin", Credentials::Password("password"), &[]);
        assert_eq!(admin, None);
        assert_eq!(authenticator.authenticate("", Credentials::None, &[]), None);
    }
}
