//! The keys that tokens are checked with: public keys in PEM, JWK sets, and a secret. Each goes with one algorithm.

use std::fs;
use std::path::Path;

use jsonwebtoken::Algorithm;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::AlgorithmParameters;
use jsonwebtoken::jwk::EllipticCurve;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::jwk::KeyAlgorithm;
use jsonwebtoken::jwk::PublicKeyUse;
use tracing::warn;

use crate::config::ConfigError;
use crate::config::JwtConfig;

pub(super) struct Key {
    /// Tokens may say which key they are signed with.
    pub(super) id: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) decoding: DecodingKey,
}

impl Key {
    /// As a token names it.
    pub(super) fn algorithm_name(&self) -> &'static str {
        match self.algorithm {
            Algorithm::HS256 => "HS256",
            Algorithm::RS256 => "RS256",
            Algorithm::ES256 => "ES256",
            Algorithm::EdDSA => "EdDSA",
            // No other is made here.
            _ => "",
        }
    }

    fn new(algorithm: Algorithm, decoding: DecodingKey) -> Self {
        Self { id: None, algorithm, decoding }
    }
}

/// Reads all that the configuration names.
pub(super) fn load(config: &JwtConfig) -> Result<Vec<Key>, ConfigError> {
    let mut keys = Vec::new();
    for path in &config.keys {
        let text = read(path, "keys")?;
        let found =
            if text.trim_start().starts_with('{') { from_jwks(&text) } else { from_pem(&text) };
        keys.extend(found.map_err(|problem| unusable("keys", path, problem))?);
    }
    if let Some(path) = &config.secret {
        let text = read(path, "secret")?;
        keys.push(
            from_secret(text.trim_end().as_bytes()).map_err(|why| unusable("secret", path, why))?,
        );
    }
    if keys.is_empty() || keys.len() > MOST_KEYS {
        return Err(ConfigError::Invalid {
            key: "security.jwt".to_owned(),
            problem: format!("has {} keys", keys.len()),
            fix: format!("name 1 to {MOST_KEYS} keys with `keys` and `secret`"),
        });
    }
    Ok(keys)
}

fn read(path: &Path, key: &str) -> Result<String, ConfigError> {
    fs::read_to_string(path).map_err(|error| unusable(key, path, &error.to_string()))
}

fn unusable(key: &str, path: &Path, problem: &str) -> ConfigError {
    ConfigError::Invalid {
        key: format!("security.jwt.{key}"),
        problem: format!("names {}, which cannot be used: {problem}", path.display()),
        fix: "name a file with a public key in PEM (RSA, EC P-256 or Ed25519), with a JWK set, or \
            with a secret of at least 32 bytes"
            .to_owned(),
    }
}

fn from_secret(secret: &[u8]) -> Result<Key, &'static str> {
    if secret.len() < SHORTEST_SECRET {
        return Err("the secret has less than 32 bytes, so it can be guessed from one token");
    }
    let decoding = DecodingKey::from_secret(secret).map_err(|_| "the secret cannot be used")?;
    Ok(Key::new(Algorithm::HS256, decoding))
}

fn from_pem(text: &str) -> Result<Vec<Key>, &'static str> {
    if text.contains("PRIVATE KEY") {
        return Err("it holds a private key, which must stay with who signs");
    }
    let pem = text.as_bytes();
    let rsa = DecodingKey::from_rsa_pem(pem).map(|key| Key::new(Algorithm::RS256, key));
    let key = rsa
        .or_else(|_| DecodingKey::from_ec_pem(pem).map(|key| Key::new(Algorithm::ES256, key)))
        .or_else(|_| DecodingKey::from_ed_pem(pem).map(|key| Key::new(Algorithm::EdDSA, key)))
        .map_err(|_| "there is no public key in it")?;
    fits(&key).then(|| vec![key]).ok_or("the key is of another curve")
}

/// All keys of the set that can check a token; others are told of and left out.
fn from_jwks(text: &str) -> Result<Vec<Key>, &'static str> {
    let set: JwkSet = serde_json::from_str(text).map_err(|_| "it is not a JWK set")?;
    let mut keys = Vec::new();
    for jwk in &set.keys {
        match from_jwk(jwk) {
            Some(key) => keys.push(key),
            None => warn!(
                kid = jwk.common.key_id,
                "a key of a JWK set is left out: it is for none of HS256, RS256, ES256 and EdDSA"
            ),
        }
    }
    if keys.is_empty() {
        Err("no key of the set is for HS256, RS256, ES256 or EdDSA")
    } else {
        Ok(keys)
    }
}

fn from_jwk(jwk: &Jwk) -> Option<Key> {
    let (algorithm, named) = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
        }
        AlgorithmParameters::OctetKey(_) => (Algorithm::HS256, KeyAlgorithm::HS256),
        _ => return None,
    };
    let signs = matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
    if !signs || jwk.common.key_algorithm.is_some_and(|algorithm| algorithm != named) {
        return None;
    }
    let decoding = DecodingKey::from_jwk(jwk).ok()?;
    let key = Key { id: jwk.common.key_id.clone(), algorithm, decoding };
    fits(&key).then_some(key)
}

/// Whether the length is that of the curve, or enough of a secret.
fn fits(key: &Key) -> bool {
    let length = key.decoding.try_get_as_bytes().map_or(0, <[u8]>::len);
    match key.algorithm {
        Algorithm::ES256 => length == 65,
        Algorithm::EdDSA => length == 32,
        Algorithm::HS256 => length >= SHORTEST_SECRET,
        _ => true,
    }
}

/// As long as the hash: RFC 7518, 3.2.
const SHORTEST_SECRET: usize = 32;

/// Each may have to be tried for a token that names none.
const MOST_KEYS: usize = 32;
