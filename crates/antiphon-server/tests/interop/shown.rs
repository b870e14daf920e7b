//! What an SDK lets its application see of an error.
//!
//! JavaScript shows code and text. Python 6.12.2 has an exception class for some codes and one
//! for the rest, and the text. Python 6.6rc1 never reads the code: one class, and the text. Rust has
//! a kind for each code, the code of what came from the server, the text, and whether the request
//! may have been executed.

use crate::agent::Failure;
use crate::sdk::Sdk;

pub(crate) const SESSION_CLOSED: u64 = 101;
pub(crate) const REQUEST_TIME_OUT: u64 = 102;
pub(crate) const ACCESS_DENIED: u64 = 103;
pub(crate) const UNSUPPORTED: u64 = 104;
pub(crate) const CALLBACK_EXCEPTION: u64 = 105;
pub(crate) const INVALID_DATA: u64 = 106;
pub(crate) const NO_SUCH_SESSION: u64 = 107;
pub(crate) const INCOMPATIBLE_DATATYPE: u64 = 108;
pub(crate) const UNHANDLED_MESSAGE: u64 = 109;
pub(crate) const HANDLER_CONFLICT: u64 = 201;
pub(crate) const INVALID_PATH: u64 = 202;
pub(crate) const REJECTED_REQUEST: u64 = 9003;

/// What is said when a request was delivered and its outcome is not known.
pub(crate) const MAY_HAVE_RUN: &str = "may have been executed";

/// How the server begins to refuse a request for want of room.
pub(crate) const OVERLOADED: &str = "overloaded";

/// Asserts that `failure` is how `sdk` shows the error `code` with `text` in its description.
#[track_caller]
pub(crate) fn assert_failure(sdk: Sdk, failure: &Failure, code: u64, text: &str) {
    assert_eq!(failure.class(), class_of(sdk, code, text), "{sdk} shows {failure:?}");
    if sdk == Sdk::Js || sdk == Sdk::Rust {
        assert_eq!(failure.code(), Some(code), "{sdk} shows {failure:?}");
    }
    if sdk == Sdk::Rust {
        let expected = may_have_executed(code, text);
        assert_eq!(failure.may_have_executed(), Some(expected), "{sdk} shows {failure:?}");
    }
    assert!(failure.message().contains(text), "{sdk} shows {failure:?}, which lacks {text:?}");
}

fn class_of(sdk: Sdk, code: u64, text: &str) -> &'static str {
    match (sdk, code) {
        (Sdk::Js, _) => "ErrorReason",
        (Sdk::Py612, REQUEST_TIME_OUT) => "CancellationError",
        (Sdk::Py612, NO_SUCH_SESSION) => "NoSuchSessionError",
        (Sdk::Py612, INCOMPATIBLE_DATATYPE) => "IncompatibleDatatypeError",
        (Sdk::Py612, UNHANDLED_MESSAGE) => "UnhandledMessageError",
        (Sdk::Py612, HANDLER_CONFLICT) => "HandlerConflictError",
        (Sdk::Py612, REJECTED_REQUEST) => "RejectedRequestError",
        (Sdk::Py612 | Sdk::Py66, _) => "ServiceMessageError",
        (Sdk::Rust, _) => kind_of(code, text),
    }
}

/// The `ErrorKind` of the Rust SDK.
fn kind_of(code: u64, text: &str) -> &'static str {
    match code {
        SESSION_CLOSED => "SessionClosed",
        REQUEST_TIME_OUT => "RequestTimeOut",
        ACCESS_DENIED => "AccessDenied",
        CALLBACK_EXCEPTION => "CallbackException",
        INVALID_DATA => "InvalidData",
        NO_SUCH_SESSION => "NoSuchSession",
        INCOMPATIBLE_DATATYPE => "IncompatibleDataType",
        UNHANDLED_MESSAGE => "UnhandledMessage",
        INVALID_PATH => "InvalidPath",
        REJECTED_REQUEST if text == OVERLOADED => "Overloaded",
        REJECTED_REQUEST => "Rejected",
        _ => panic!("no test expects code {code} of Rust yet"),
    }
}

/// What the Rust SDK is to say: false only of errors that come before delivery.
fn may_have_executed(code: u64, text: &str) -> bool {
    match code {
        ACCESS_DENIED | UNHANDLED_MESSAGE | INVALID_PATH => false,
        NO_SUCH_SESSION => text == MAY_HAVE_RUN,
        REJECTED_REQUEST => text != OVERLOADED,
        _ => true,
    }
}
