//! The parameters of a connection: from the query string as JavaScript sends them, from headers as Python does, and as
//! a client writes them. Then the response as a client reads it.

mod credentials;
mod parameters;
mod properties;
mod query;
mod reconnection;
mod response;
mod version;

use antiphon_wire::connect::BadParameters;
use antiphon_wire::connect::ConnectionRequest;
use antiphon_wire::connect::ProtocolVersion;

/// Reads the parameters of a connection whose headers have these names and bytes.
fn parse(
    query: &str,
    headers: &[(&str, &'static [u8])],
) -> Result<ConnectionRequest, BadParameters> {
    ConnectionRequest::parse(query, |name| {
        headers.iter().find_map(|&(header, value)| (header == name).then_some(value))
    })
}

/// Reads a query that must be in order.
#[track_caller]
fn from_query(query: &str) -> ConnectionRequest {
    parse(query, &[]).expect("usable parameters")
}

/// Reads headers that must be in order.
#[track_caller]
fn from_headers(headers: &[(&str, &'static [u8])]) -> ConnectionRequest {
    parse("", headers).expect("usable parameters")
}

/// The fault of a parameter of a client that speaks version 25.
fn malformed(parameter: &'static str) -> BadParameters {
    BadParameters::Malformed { parameter, version: version(25) }
}

fn version(number: u8) -> ProtocolVersion {
    ProtocolVersion::supported(number).expect("a supported version")
}

/// Properties as they are told.
fn properties(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
}
