//! Parameters `c`, `cs` and `ss`: the wish for an old session.

use antiphon_wire::connect::Reconnection;
use antiphon_wire::ids::SessionToken;

use crate::from_headers;
use crate::from_query;
use crate::malformed;
use crate::parse;

#[test]
fn a_token_asks_for_an_old_session() {
    let request =
        from_query("ty=WB&v=29&ca=10&r=60000&c=AB%2BD%2FFGHIJKLMNOPQRSTUVW%3D&cs=12&ss=34");
    let expected = Reconnection {
        token: SessionToken(*b"AB+D/FGHIJKLMNOPQRSTUVW="),
        client_sequence: 12,
        server_sequence: 34,
    };
    assert_eq!(request.reconnection, Some(expected));

    let request = from_headers(&[
        ("v", b"25"),
        ("c", b"AB+D/FGHIJKLMNOPQRSTUVW="),
        ("cs", b"0"),
        ("ss", b"34"),
    ]);
    let expected = Reconnection { client_sequence: 0, ..expected };
    assert_eq!(request.reconnection, Some(expected));
}

#[test]
fn absent_sequences_are_zero() {
    let request = from_query("v=25&c=TOKEN_0123456789ABCDEFGH");
    let expected = Reconnection {
        token: SessionToken(*b"TOKEN_0123456789ABCDEFGH"),
        client_sequence: 0,
        server_sequence: 0,
    };
    assert_eq!(request.reconnection, Some(expected));
}

#[test]
fn sequences_without_a_token_ask_for_nothing() {
    assert_eq!(from_query("v=25&cs=1&ss=2").reconnection, None);
    assert_eq!(from_query("v=25&cs=x&ss=-2").reconnection, None);
}

#[test]
fn a_token_has_24_bytes() {
    for token in ["", "undefined", "TOKEN_0123456789ABCDEFG", "TOKEN_0123456789ABCDEFGHI"] {
        assert_eq!(parse(&format!("v=25&c={token}"), &[]), Err(malformed("c")), "{token}");
    }
}

#[test]
fn sequences_are_numbers() {
    for (name, query) in [("cs", "cs=x&ss=1"), ("ss", "cs=1&ss=-1"), ("ss", "ss=1e3")] {
        let query = format!("v=25&c=TOKEN_0123456789ABCDEFGH&{query}");
        assert_eq!(parse(&query, &[]), Err(malformed(name)), "{query}");
    }
}
