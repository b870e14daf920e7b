//! Secrets and names that nobody can guess, from the system's generator.

use std::io;

use antiphon_wire::ids::NodeId;
use antiphon_wire::ids::SessionToken;

/// A token of 144 random bits, in characters that survive a URL and a header.
pub(crate) fn session_token() -> io::Result<SessionToken> {
    let mut token = [0; 24];
    getrandom::fill(&mut token)?;
    Ok(SessionToken(token.map(|byte| ALPHABET[usize::from(byte & 63)])))
}

/// A node's part of session ids: 63 bits, because one client cannot address a larger one.
pub(crate) fn node() -> io::Result<NodeId> {
    Ok(NodeId(getrandom::u64()? >> 1))
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_differ_and_need_no_escaping() {
        let (a, b) = (session_token().unwrap(), session_token().unwrap());
        assert_ne!(a.0, b.0);
        assert!(a.0.iter().all(|byte| ALPHABET.contains(byte)));
    }

    #[test]
    fn a_node_fits_into_63_bits() {
        assert!((0..100).all(|_| node().unwrap().0 < 1 << 63));
    }
}
