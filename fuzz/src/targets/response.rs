//! The connection response as a client reads it.

use antiphon_wire::connect::ConnectionResponse;
use antiphon_wire::connect::ProtocolVersion;

/// The second byte of a response is its version, and the client's own is taken to be the same.
pub fn run(bytes: &[u8]) {
    let version = bytes.get(1).and_then(|number| ProtocolVersion::supported(*number));
    if let Some(version) = version.or(ProtocolVersion::supported(29)) {
        let _ = ConnectionResponse::decode(bytes, version);
    }
}
