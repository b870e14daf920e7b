//! Why a service call fails, as its caller is told.

use antiphon_wire::error::Malformed;
use antiphon_wire::error::Reason;
use antiphon_wire::path::InvalidPath;
use antiphon_wire::path::Path;
use antiphon_wire::value::InvalidValue;

use crate::access::GlobalPermission;
use crate::properties::PropertiesError;
use crate::stats::Limit;

/// The reason code and text of a SERVICE_ERROR.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServiceError {
    pub(crate) reason: Reason,
    pub(crate) text: String,
    /// The bound that was met, if that is the reason.
    pub(crate) limit: Option<Limit>,
}

impl ServiceError {
    pub(crate) fn new(reason: Reason, text: impl Into<String>) -> Self {
        Self { reason, text: text.into(), limit: None }
    }

    pub(crate) fn invalid(text: impl Into<String>) -> Self {
        Self::new(Reason::INVALID_DATA, text)
    }

    pub(crate) fn overloaded(limit: Limit, text: &str) -> Self {
        let error = Self::new(Reason::REJECTED_REQUEST, format!("overloaded: {text}"));
        Self { limit: Some(limit), ..error }
    }

    pub(crate) fn lacks(permission: GlobalPermission) -> Self {
        Self::new(Reason::ACCESS_DENIED, format!("access denied: {} is needed", permission.name()))
    }

    /// For what is asked for at a path, `permission` being the name of a global or a path permission.
    pub(crate) fn lacks_at(permission: &str, path: Path<'_>) -> Self {
        let path = path.as_str();
        Self::new(
            Reason::ACCESS_DENIED,
            format!("access denied: {permission} is needed at path {path}"),
        )
    }
}

impl From<Malformed> for ServiceError {
    fn from(malformed: Malformed) -> Self {
        Self::invalid(malformed.to_string())
    }
}

impl From<InvalidValue> for ServiceError {
    fn from(invalid: InvalidValue) -> Self {
        Self::invalid(invalid.to_string())
    }
}

impl From<PropertiesError> for ServiceError {
    fn from(error: PropertiesError) -> Self {
        Self { limit: error.limit(), ..Self::invalid(error.to_string()) }
    }
}

/// Reads a message path that a service call names.
pub(crate) fn parse_path(text: &str) -> Result<Path<'_>, ServiceError> {
    Path::parse(text).map_err(|rule| invalid_path(text, rule))
}

pub(crate) fn invalid_path(text: &str, rule: InvalidPath) -> ServiceError {
    let shown: String = text.chars().take(SHOWN_PATH).collect();
    ServiceError::new(Reason::INVALID_PATH, format!("invalid path {shown:?}: {rule}"))
}

/// How many characters of a refused path are repeated to its sender.
const SHOWN_PATH: usize = 200;
