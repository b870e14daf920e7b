//! Whole sets of parameters, where they are looked for and how they are encoded.

use antiphon_wire::connect::ClientFamily;
use antiphon_wire::connect::Credentials;

use crate::from_headers;
use crate::from_query;
use crate::malformed;
use crate::parse;
use crate::properties;
use crate::version;

#[test]
fn the_query_of_a_javascript_client_is_read() {
    let request = from_query(
        "ty=WB&v=29&ca=10&r=60000&sp=%7B%22Foo%22%3A%22bar%22%2C%22N%22%3A%225%22%2C%22%24Environment%22%3A%22\
         NODE_linux_20.20.2%22%7D&username=joe%20bloggs&password=AQtww6Qgc3Mmd29yZA%3D%3D",
    );
    assert_eq!(request.family, ClientFamily::JavaScript);
    assert_eq!(request.version, version(29));
    assert_eq!(request.reconnect_timeout, 60_000);
    assert_eq!(request.principal, "joe bloggs");
    assert_eq!(request.credentials(), Credentials::Password("pä ss&word"));
    let mut proposed = request.properties;
    proposed.sort();
    assert_eq!(
        proposed,
        properties(&[("$Environment", "NODE_linux_20.20.2"), ("Foo", "bar"), ("N", "5")])
    );
    assert_eq!(request.reconnection, None);
}

#[test]
fn the_headers_of_a_python_client_are_read() {
    let request = from_headers(&[
        ("v", b"25"),
        ("ca", b"10"),
        ("username", b"Zo\xc3\xab"),
        ("r", b"60000"),
        ("password", b"AQhwYXNzd29yZA=="),
        ("ty", b"PY"),
        ("sp", br#""a","b","$Environment","PYTHON_cpython_3.11.7""#),
    ]);
    assert_eq!(request.family, ClientFamily::Python);
    assert_eq!(request.version, version(25));
    assert_eq!(request.reconnect_timeout, 60_000);
    assert_eq!(request.principal, "Zoë");
    assert_eq!(request.credentials(), Credentials::Password("password"));
    assert_eq!(
        request.properties,
        properties(&[("a", "b"), ("$Environment", "PYTHON_cpython_3.11.7")])
    );
    assert_eq!(request.reconnection, None);
}

#[test]
fn only_the_version_is_needed() {
    let request = from_query("v=25");
    assert_eq!(request.family, ClientFamily::Other);
    assert_eq!(request.reconnect_timeout, 0);
    assert_eq!(request.principal, "");
    assert_eq!(request.credentials(), Credentials::None);
    assert_eq!(request.properties, vec![]);
    assert_eq!(request.reconnection, None);
}

#[test]
fn empty_headers_mean_what_absent_ones_do() {
    let empty = from_headers(&[
        ("v", b"25"),
        ("ty", b""),
        ("r", b""),
        ("username", b""),
        ("password", b""),
        ("sp", b""),
    ]);
    assert_eq!(empty, from_headers(&[("v", b"25")]));
}

#[test]
fn the_query_goes_before_the_headers() {
    let headers: &[(&str, &[u8])] = &[("v", b"25"), ("username", b"header"), ("r", b"7")];
    let request = parse("v=29&username=query", headers).expect("usable parameters");
    assert_eq!(request.version, version(29));
    assert_eq!(request.principal, "query");
    assert_eq!(request.reconnect_timeout, 7);

    let empty = parse("v=29&username=", headers).expect("usable parameters");
    assert_eq!(empty.principal, "");
}

#[test]
fn unknown_parameters_and_stray_text_are_ignored() {
    let request = from_query("&&svn=x&v=25&v&=&xv=29&V=29&username=a=b&");
    assert_eq!(request.version, version(25));
    assert_eq!(request.principal, "a=b");
}

#[test]
fn the_first_of_two_equal_parameters_counts() {
    assert_eq!(from_query("v=25&username=a&username=b").principal, "a");
}

#[test]
fn a_query_is_percent_decoded_and_a_header_is_not() {
    assert_eq!(from_query("v=25&username=%5a%6F%C3%AB+%2B").principal, "Zoë++");
    let headers: &[(&str, &[u8])] = &[("v", b"25"), ("username", b"a%20b+c")];
    assert_eq!(from_headers(headers).principal, "a%20b+c");
}

#[test]
fn a_percent_sign_without_two_digits_is_itself() {
    assert_eq!(from_query("v=25&username=100%&ty=PY").principal, "100%");
    assert_eq!(from_query("v=25&username=%4").principal, "%4");
    assert_eq!(from_query("v=25&username=%xy").principal, "%xy");
}

#[test]
fn text_that_is_not_utf8_is_malformed() {
    assert_eq!(parse("v=25&username=%FF", &[]), Err(malformed("username")));
    for name in ["username", "password", "sp", "ty", "r", "c"] {
        let headers: &[(&str, &[u8])] = &[("v", b"25"), (name, b"Zo\xeb")];
        assert_eq!(parse("", headers), Err(malformed(name)));
    }
}

#[test]
fn the_reconnect_timeout_is_a_number_of_milliseconds() {
    assert_eq!(from_query("v=25&r=18446744073709551615").reconnect_timeout, u64::MAX);
    for timeout in ["-1", "1.5", "x", "18446744073709551616", "%201"] {
        let query = format!("v=25&r={timeout}");
        assert_eq!(parse(&query, &[]), Err(malformed("r")), "{query}");
    }
}

#[test]
fn the_client_type_names_a_family() {
    let rows = [
        ("WB", ClientFamily::JavaScript),
        ("B", ClientFamily::JavaScript),
        ("PY", ClientFamily::Python),
        ("WJ", ClientFamily::Java),
        ("J", ClientFamily::Java),
        ("WD", ClientFamily::DotNet),
        ("DN", ClientFamily::DotNet),
        ("D", ClientFamily::DotNet),
        ("WC", ClientFamily::C),
        ("C", ClientFamily::C),
        ("WI", ClientFamily::Apple),
        ("I", ClientFamily::Apple),
        ("WA", ClientFamily::Android),
        ("A", ClientFamily::Android),
        ("RE", ClientFamily::Rest),
        ("", ClientFamily::Other),
        ("wb", ClientFamily::Other),
        ("XX", ClientFamily::Other),
    ];
    for (ty, family) in rows {
        assert_eq!(from_query(&format!("v=25&ty={ty}")).family, family, "{ty}");
    }
}
