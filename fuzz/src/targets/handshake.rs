//! The parameters of a connection: what is read can be written as a client does, and is read again as the same.

use std::collections::BTreeMap;

use antiphon_wire::connect::ClientFamily;
use antiphon_wire::connect::ConnectionParameters;
use antiphon_wire::connect::ConnectionRequest;

/// The first line is the query string, each other one a header `name=value`.
///
/// # Panics
/// If what a client writes is not read as it was.
pub fn run(bytes: &[u8]) {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let query = String::from_utf8_lossy(lines.next().unwrap_or_default());
    let headers: Vec<(&[u8], &[u8])> = lines.filter_map(header).collect();
    let header = |name: &str| {
        headers.iter().find(|(key, _)| *key == name.as_bytes()).map(|(_, value)| *value)
    };
    let Ok(request) = ConnectionRequest::parse(&query, header) else { return };
    let parameters = ConnectionParameters {
        client_type: client_type(request.family),
        version: request.version,
        capabilities: 0,
        reconnect_timeout: request.reconnect_timeout,
        reconnection: request.reconnection,
        properties: &request.properties,
        principal: Some(&request.principal),
        credentials: request.credentials(),
    };
    let again = ConnectionRequest::parse(&parameters.to_query(), |_| None);
    let again = again.expect("a client's own parameters are legal");
    assert_eq!(again.credentials(), request.credentials());
    assert_eq!(
        (again.family, again.version, again.reconnect_timeout, again.reconnection),
        (request.family, request.version, request.reconnect_timeout, request.reconnection)
    );
    assert_eq!(again.principal, request.principal);
    assert_eq!(by_key(again.properties), by_key(request.properties));
}

/// What properties mean: their order nothing, and of equal keys the last counts.
fn by_key(properties: Vec<(String, String)>) -> BTreeMap<String, String> {
    properties.into_iter().collect()
}

fn header(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let equals = line.iter().position(|byte| *byte == b'=')?;
    Some((&line[..equals], &line[equals + 1..]))
}

fn client_type(family: ClientFamily) -> &'static str {
    match family {
        ClientFamily::JavaScript => "WB",
        ClientFamily::Python => "PY",
        ClientFamily::Java => "WJ",
        ClientFamily::DotNet => "WD",
        ClientFamily::C => "WC",
        ClientFamily::Apple => "WI",
        ClientFamily::Android => "WA",
        ClientFamily::Rest => "RE",
        ClientFamily::Other => "ZZ",
    }
}
