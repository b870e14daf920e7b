//! The permissions by name and wire number, and sets of them as bits. Says nothing about who holds them.

use std::fmt;

/// Writes a permission enum and its set from one table of variants, wire numbers and names.
macro_rules! permissions {
    (
        $(#[$permission_doc:meta])* enum $permission:ident;
        $(#[$set_doc:meta])* set $set:ident;
        $($(#[$doc:meta])* $variant:ident = $number:literal, $name:literal;)+
    ) => {
        $(#[$permission_doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u8)]
        pub enum $permission {
            $($(#[$doc])* $variant = $number,)+
        }

        impl $permission {
            /// Every permission of this kind, by wire number.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The number that stands for this permission on the wire.
            pub const fn number(self) -> u8 {
                self as u8
            }

            /// The name in scripts, configurations and error texts, in upper case.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// The permission with exactly this name.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|permission| permission.name() == name)
            }
        }

        $(#[$set_doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
        pub struct $set(u16);

        impl $set {
            /// No permission at all.
            pub const EMPTY: Self = Self(0);

            /// The set of the given permissions.
            pub const fn of(permissions: &[$permission]) -> Self {
                let mut bits = 0;
                let mut next = 0;
                while next < permissions.len() {
                    bits |= 1 << permissions[next].number();
                    next += 1;
                }
                Self(bits)
            }

            /// Whether `permission` is in the set.
            pub const fn contains(self, permission: $permission) -> bool {
                self.0 & (1 << permission.number()) != 0
            }

            /// What is in either set.
            #[must_use]
            pub const fn union(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }

            /// The permissions in the set, by wire number.
            pub fn iter(self) -> impl Iterator<Item = $permission> + Clone {
                $permission::ALL.iter().copied().filter(move |permission| self.contains(*permission))
            }
        }

        impl fmt::Debug for $set {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_set().entries(self.iter()).finish()
            }
        }
    };
}

permissions! {
    /// A permission that holds for the whole server.
    enum GlobalPermission;
    /// A set of [`GlobalPermission`]s.
    set GlobalPermissions;
    /// Decide about the sessions that want to connect.
    Authenticate = 0, "AUTHENTICATE";
    /// See other sessions and their properties.
    ViewSession = 1, "VIEW_SESSION";
    /// Change or close other sessions.
    ModifySession = 2, "MODIFY_SESSION";
    /// Register a handler.
    RegisterHandler = 3, "REGISTER_HANDLER";
    /// Look at the server's state.
    ViewServer = 4, "VIEW_SERVER";
    /// Change the server's state, or stop it.
    ControlServer = 5, "CONTROL_SERVER";
    /// Read the security configuration.
    ViewSecurity = 6, "VIEW_SECURITY";
    /// Change the security configuration.
    ModifySecurity = 7, "MODIFY_SECURITY";
    /// List topic views.
    ReadTopicViews = 9, "READ_TOPIC_VIEWS";
    /// Create and remove topic views.
    ModifyTopicViews = 10, "MODIFY_TOPIC_VIEWS";
}

permissions! {
    /// A permission that holds for a path and, unless said otherwise further down, for all paths below it.
    enum PathPermission;
    /// A set of [`PathPermission`]s.
    set PathPermissions;
    /// Read the topic's values.
    ReadTopic = 0, "READ_TOPIC";
    /// Update the topic.
    UpdateTopic = 1, "UPDATE_TOPIC";
    /// Create and remove topics.
    ModifyTopic = 2, "MODIFY_TOPIC";
    /// Send a request to whoever handles the path.
    SendToMessageHandler = 3, "SEND_TO_MESSAGE_HANDLER";
    /// Send a request on the path to a session, or to all sessions that match a filter.
    SendToSession = 4, "SEND_TO_SESSION";
    /// Select topics with a selector.
    SelectTopic = 5, "SELECT_TOPIC";
    /// See time series events that have been edited since.
    QueryObsoleteTimeSeriesEvents = 6, "QUERY_OBSOLETE_TIME_SERIES_EVENTS";
    /// Edit all events of a time series.
    EditTimeSeriesEvents = 7, "EDIT_TIME_SERIES_EVENTS";
    /// Edit the time series events of the same principal.
    EditOwnTimeSeriesEvents = 8, "EDIT_OWN_TIME_SERIES_EVENTS";
    /// Acquire the session lock whose name is the path.
    AcquireLock = 9, "ACQUIRE_LOCK";
    /// Make the branch visible as another session tree.
    ExposeBranch = 11, "EXPOSE_BRANCH";
}
