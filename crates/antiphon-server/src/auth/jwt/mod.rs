//! JSON Web Tokens. A token comes as the password or as custom credentials; what is no token is left to others.
//!
//! The key decides which algorithm a token must be signed with, never the token. Keys are read when the server starts and at a
//! reload.

mod claims;
mod crypto;
mod keys;
#[cfg(test)]
mod tests;

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Validation;
use jsonwebtoken::decode;
use jsonwebtoken::errors::ErrorKind;
use serde::Deserialize;

use crate::auth::applicant::Answer;
use crate::auth::applicant::Applicant;
use crate::auth::applicant::Proof;
use crate::auth::jwt::claims::Claims;
use crate::auth::jwt::keys::Key;
use crate::config::ConfigError;
use crate::config::JwtConfig;

pub(super) struct Jwt {
    keys: Vec<Key>,
    config: JwtConfig,
    validation: Validation,
}

/// What a token says of itself before anything is believed. Everything else in it is ignored.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
}

impl Jwt {
    /// Reads the keys.
    ///
    /// # Errors
    /// Which file cannot be used.
    pub(super) fn new(config: &JwtConfig) -> Result<Self, ConfigError> {
        crypto::install();
        let keys = keys::load(config)?;
        Ok(Self { keys, config: config.clone(), validation: validation(config) })
    }

    pub(super) fn ask(&self, applicant: &Applicant) -> Answer {
        let Some(token) = text(&applicant.proof) else { return Answer::Abstain };
        let Some(header) = header(token) else { return Answer::Abstain };
        if token.len() > LONGEST_TOKEN {
            return Answer::Deny(format!("the token has more than {LONGEST_TOKEN} bytes"));
        }
        match self.claims(token, &header) {
            Ok(claims) => self.admit(applicant, &claims),
            Err(why) => Answer::Deny(why.to_owned()),
        }
    }

    /// What the token claims, if it is signed by one of the keys and is for now and for here.
    fn claims(&self, token: &str, header: &Header) -> Result<Claims, &'static str> {
        let mut fits = false;
        let same_id = |key: &&Key| match (&header.kid, &key.id) {
            (Some(asked), Some(id)) => asked == id,
            _ => true,
        };
        let same_algorithm = |key: &&Key| key.algorithm_name() == header.alg;
        for key in self.keys.iter().filter(same_algorithm).filter(same_id) {
            fits = true;
            let mut validation = self.validation.clone();
            validation.algorithms = vec![key.algorithm];
            match decode::<serde_json::Map<_, _>>(token, &key.decoding, &validation) {
                Ok(token) => return Ok(Claims(token.claims)),
                Err(error) => match error.kind() {
                    ErrorKind::InvalidSignature => {}
                    kind => return Err(reason(kind)),
                },
            }
        }
        Err(if fits { "the signature is wrong" } else { "no key fits its algorithm and key id" })
    }

    fn admit(&self, applicant: &Applicant, claims: &Claims) -> Answer {
        let Some(subject) = claims.subject() else {
            return Answer::Deny("the token has no subject".to_owned());
        };
        if !applicant.principal.is_empty() && applicant.principal != subject {
            return Answer::Deny("the token is another principal's".to_owned());
        }
        let mut admitted = claims.admitted(&self.config);
        admitted.principal = subject.to_owned();
        Answer::Allow(admitted)
    }
}

fn validation(config: &JwtConfig) -> Validation {
    let required = [
        ("exp", config.require_expiry),
        // A token without them would pass otherwise.
        ("aud", !config.audiences.is_empty()),
        ("iss", !config.issuers.is_empty()),
    ];
    let some = |names: &[String]| (!names.is_empty()).then(|| names.iter().cloned().collect());
    Validation {
        leeway: config.leeway.as_secs(),
        validate_nbf: true,
        required_spec_claims: required
            .into_iter()
            .filter(|(_, is_required)| *is_required)
            .map(|(claim, _)| claim.to_owned())
            .collect(),
        aud: some(&config.audiences),
        iss: some(&config.issuers),
        ..Validation::default()
    }
}

fn text(proof: &Proof) -> Option<&str> {
    match proof {
        Proof::None => None,
        Proof::Password(text) => Some(text),
        Proof::Custom(bytes) => std::str::from_utf8(bytes).ok(),
    }
}

/// The header, if this is a token at all: three parts, of which the first is a JSON object that names an algorithm.
fn header(token: &str) -> Option<Header> {
    let mut parts = token.split('.');
    let first = parts.next().filter(|first| first.len() <= LONGEST_HEADER)?;
    if parts.count() != 2 {
        return None;
    }
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(first).ok()?).ok()
}

/// Without anything of the token's.
fn reason(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::ExpiredSignature => "the token has expired",
        ErrorKind::ImmatureSignature => "the token is not valid yet",
        ErrorKind::InvalidIssuer => "the token is of another issuer",
        ErrorKind::InvalidAudience => "the token is for another audience",
        ErrorKind::MissingRequiredClaim(_) => "the token lacks exp, aud or iss",
        ErrorKind::InvalidClaimFormat(_) => "exp, nbf, aud or iss of the token cannot be read",
        ErrorKind::InvalidAlgorithm => "the token is signed with another algorithm",
        _ => "the token is malformed",
    }
}

/// So long after `exp` a token is still believed, and the session goes on.
fn leeway(config: &JwtConfig) -> Duration {
    Duration::from_secs(config.leeway.as_secs())
}

/// Those of the large identity providers stay below 8 KiB.
const LONGEST_TOKEN: usize = 16 << 10;
const LONGEST_HEADER: usize = 4 << 10;
