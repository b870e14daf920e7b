//! The query string that a client writes.

use antiphon_wire::connect::ConnectionParameters;
use antiphon_wire::connect::Credentials;
use antiphon_wire::connect::Reconnection;
use antiphon_wire::ids::SessionToken;

use crate::from_query;
use crate::properties;
use crate::version;

fn anonymous() -> ConnectionParameters<'static> {
    ConnectionParameters {
        client_type: "WB",
        version: version(29),
        capabilities: 8,
        reconnect_timeout: 0,
        reconnection: None,
        properties: &[],
        principal: None,
        credentials: Credentials::None,
    }
}

#[test]
fn the_query_is_the_one_of_a_javascript_client() {
    let parameters = ConnectionParameters {
        capabilities: 10,
        reconnect_timeout: 60_000,
        properties: &properties(&[
            ("Foo", "bar"),
            ("N", "5"),
            ("$Environment", "NODE_linux_20.20.2"),
        ]),
        principal: Some("joe bloggs"),
        credentials: Credentials::Password("pä ss&word"),
        ..anonymous()
    };
    assert_eq!(
        parameters.to_query(),
        "ty=WB&v=29&ca=10&r=60000&sp=%7B%22Foo%22%3A%22bar%22%2C%22N%22%3A%225%22%2C%22%24Environment%22%3A%22\
         NODE_linux_20.20.2%22%7D&username=joe%20bloggs&password=AQtww6Qgc3Mmd29yZA%3D%3D"
    );
}

#[test]
fn an_anonymous_client_sends_neither_principal_nor_credentials() {
    assert_eq!(anonymous().to_query(), "ty=WB&v=29&ca=8&r=0&sp=%7B%7D");
    let parameters =
        ConnectionParameters { credentials: Credentials::Password("secret"), ..anonymous() };
    assert_eq!(parameters.to_query(), anonymous().to_query());
}

#[test]
fn an_empty_principal_is_sent() {
    let rows = [
        (Credentials::None, "AAA%3D"),
        (Credentials::Password(""), "AQA%3D"),
        (Credentials::Custom(&[1, 2, 3]), "AgMBAgM%3D"),
    ];
    for (credentials, base64) in rows {
        let parameters = ConnectionParameters { principal: Some(""), credentials, ..anonymous() };
        let query = format!("ty=WB&v=29&ca=8&r=0&sp=%7B%7D&username=&password={base64}");
        assert_eq!(parameters.to_query(), query);
    }
}

#[test]
fn a_client_that_comes_back_sends_its_token_and_sequences() {
    let reconnection = Reconnection {
        token: SessionToken(*b"AB+D/FGHIJKLMNOPQRSTUVW="),
        client_sequence: 12,
        server_sequence: 34,
    };
    let parameters = ConnectionParameters { reconnection: Some(reconnection), ..anonymous() };
    assert_eq!(
        parameters.to_query(),
        "ty=WB&v=29&ca=8&r=0&c=AB%2BD%2FFGHIJKLMNOPQRSTUVW%3D&cs=12&ss=34&sp=%7B%7D"
    );
}

#[test]
fn only_unreserved_characters_are_themselves() {
    let reserved = "&=+%#?/ !'()*\"\\é\n";
    let parameters = ConnectionParameters {
        client_type: reserved,
        principal: Some("aZ09-._~"),
        properties: &properties(&[(reserved, reserved)]),
        ..anonymous()
    };
    let query = parameters.to_query();
    assert!(query.starts_with("ty=%26%3D%2B%25%23%3F%2F%20%21%27%28%29%2A%22%5C%C3%A9%0A&v=29&"));
    assert!(query.contains("&username=aZ09-._~&"));
    assert_eq!(from_query(&query).properties, parameters.properties);
}

#[test]
fn secrets_of_a_client_are_not_shown() {
    let parameters = ConnectionParameters {
        reconnection: Some(Reconnection {
            token: SessionToken(*b"TOKEN_0123456789ABCDEFGH"),
            client_sequence: 1,
            server_sequence: 2,
        }),
        principal: Some("joe"),
        credentials: Credentials::Password("secret"),
        ..anonymous()
    };
    let shown = format!("{parameters:?}");
    for secret in ["secret", "115", "TOKEN", "84"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
