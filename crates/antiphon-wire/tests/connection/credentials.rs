//! Parameter `password`: a credentials record in Base64.

use antiphon_wire::connect::Credentials;

use crate::from_headers;
use crate::from_query;
use crate::malformed;
use crate::parse;

#[test]
fn credentials_are_a_password_or_bytes_or_none() {
    let rows = [
        ("", Credentials::None),
        ("AAA=", Credentials::None),
        ("AQA=", Credentials::Password("")),
        ("AQhwYXNzd29yZA==", Credentials::Password("password")),
        ("AQtww6Qgc3Mmd29yZA==", Credentials::Password("pä ss&word")),
        ("AgA=", Credentials::Custom(&[])),
        ("AgMBAgM=", Credentials::Custom(&[1, 2, 3])),
    ];
    for (base64, credentials) in rows {
        let headers = [("v", &b"25"[..]), ("password", base64.as_bytes())];
        assert_eq!(from_headers(&headers).credentials(), credentials, "{base64}");
    }
}

#[test]
fn padding_may_be_escaped_literal_or_lost() {
    for base64 in
        ["AQhwYXNzd29yZA%3D%3D", "AQhwYXNzd29yZA%3d=", "AQhwYXNzd29yZA==", "AQhwYXNzd29yZA"]
    {
        let request = from_query(&format!("v=25&password={base64}&ty=WB"));
        assert_eq!(request.credentials(), Credentials::Password("password"), "{base64}");
    }
}

#[test]
fn plus_and_slash_are_digits_in_a_query_too() {
    let rows = [
        ("AQQ+Pj4+", ">>>>"),
        ("AQQ%2BPj4%2B", ">>>>"),
        ("AQQ/Pz8/", "????"),
        ("AQQ%2FPz8%2f", "????"),
    ];
    for (base64, password) in rows {
        let request = from_query(&format!("v=25&password={base64}"));
        assert_eq!(request.credentials(), Credentials::Password(password), "{base64}");
    }
}

#[test]
fn what_is_not_a_credentials_record_is_malformed() {
    let rows = [
        ("!", "not Base64"),
        ("AQhw YXNzd29yZA==", "a space"),
        ("AQhwYXNzd29yZA===", "too much padding"),
        ("AQ==", "a type alone"),
        ("AwA=", "an unknown type"),
        ("AQhwYXNz", "fewer bytes than announced"),
        ("AQBw", "more bytes than announced"),
        ("AQH/", "a password that is not UTF-8"),
        ("Af////8P", "a length of 4 GiB"),
    ];
    for (base64, what) in rows {
        let headers = [("v", &b"25"[..]), ("password", base64.as_bytes())];
        assert_eq!(parse("", &headers), Err(malformed("password")), "{what}");
    }
}

#[test]
fn secrets_are_not_shown() {
    let headers: &[(&str, &[u8])] =
        &[("v", b"25"), ("password", b"AQhwYXNzd29yZA=="), ("c", b"TOKEN_0123456789ABCDEFGH")];
    let shown = format!("{:?}", from_headers(headers));
    for secret in ["password\"", "112", "TOKEN", "84", "AQhw"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert_eq!(format!("{:?}", Credentials::Password("secret")), "Password");
    assert_eq!(format!("{:?}", Credentials::Custom(&[1])), "Custom");
}
