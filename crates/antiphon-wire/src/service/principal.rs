//! Changing who a session is: services 5 and 203. Both answer a boolean: whether the credentials were accepted.

use crate::codec::record;
use crate::connect::Credentials;
use crate::service::Properties;

record! {
    /// 5: becomes another principal.
    ChangePrincipal<'a> {
        /// The principal; empty for anonymous.
        principal: &'a str,
        /// What proves it.
        credentials: Credentials<'a>,
    }
}

record! {
    /// 203: authenticates again, perhaps as another principal.
    ReAuthenticate<'a> {
        /// The principal; empty for anonymous.
        principal: &'a str,
        /// What proves it.
        credentials: Credentials<'a>,
        /// Proposed session properties.
        proposed: Properties<'a>,
    }
}
