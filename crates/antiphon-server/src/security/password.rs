//! Passwords and their hashes: argon2id in PHC strings. Knows no principals, limits no attempts, logs nothing.
//!
//! A hash takes tens of milliseconds and [`MEMORY_KIB`] of memory on the calling thread; whoever serves sockets calls
//! these functions elsewhere, and bounds how many run at once.

use argon2::Algorithm;
use argon2::Argon2;
use argon2::Params;
use argon2::PasswordHash;
use argon2::PasswordHasher;
use argon2::PasswordVerifier;
use argon2::Version;
use thiserror::Error;

/// The shortest password that can be set, in characters.
pub const MINIMUM_CHARACTERS: usize = 8;

/// The longest password, in bytes. What is longer is not even hashed.
pub const MAXIMUM_BYTES: usize = 1024;

/// What a hash made here takes, in KiB.
pub const MEMORY_KIB: u32 = 19 * 1024;

/// Why a password cannot be set.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PasswordError {
    /// It would be guessed.
    #[error("a password needs at least {MINIMUM_CHARACTERS} characters")]
    TooShort,
    /// It would never be accepted.
    #[error("a password has at most {MAXIMUM_BYTES} bytes")]
    TooLong,
    /// No salt, or no memory.
    #[error("the system cannot hash a password: {problem}")]
    System {
        /// What it said.
        problem: String,
    },
}

/// Why a stored hash is refused. Never says what stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HashError {
    /// It is something else, perhaps the password itself.
    #[error("is not an argon2id hash of version 19, as `antiphon principal passwd` writes it")]
    NoHash,
    /// To verify it would take the machine's memory or time.
    #[error(
        "takes more memory or time than is allowed (at most m={MAXIMUM_MEMORY_KIB},t={MAXIMUM_PASSES},p={MAXIMUM_LANES})"
    )]
    TooCostly,
    /// Its salt or its output is so short that it can be guessed.
    #[error("has a salt below {MINIMUM_SALT} bytes or an output below {MINIMUM_OUTPUT}")]
    TooShort,
}

/// Makes the hash of a new password, with a salt of its own.
///
/// # Errors
/// The password is too short or too long, or the system gives no salt or memory.
pub fn hash(password: &str) -> Result<String, PasswordError> {
    if password.chars().count() < MINIMUM_CHARACTERS {
        return Err(PasswordError::TooShort);
    }
    if password.len() > MAXIMUM_BYTES {
        return Err(PasswordError::TooLong);
    }
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(|error| system(&error))?;
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|error| system(&error))?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash: PasswordHash = argon2
        .hash_password_with_salt(password.as_bytes(), &salt)
        .map_err(|error| system(&error))?;
    Ok(hash.to_string())
}

/// Checks that a stored hash can be verified, and at what cost, without doing it.
///
/// # Errors
/// What is wrong with it.
pub fn check(hash: &str) -> Result<(), HashError> {
    parse(hash).map(|_| ())
}

/// Whether `password` is the one that was hashed. The time depends on the parameters of the hash alone.
#[must_use]
pub fn verify(password: &str, hash: &str) -> bool {
    if password.len() > MAXIMUM_BYTES {
        return false;
    }
    let Ok(hash) = parse(hash) else { return false };
    #[cfg(test)]
    HASHED.with(|cost| cost.borrow_mut().push(hash.params.to_string()));
    Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()
}

#[cfg(test)]
thread_local! {
    /// The costs of the hashes that this thread has made to verify passwords.
    pub(crate) static HASHED: std::cell::RefCell<Vec<String>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// Takes the time of [`verify`], for a name that has no hash, so that the time does not tell which names exist.
pub fn verify_nothing(password: &str) {
    let _ = std::hint::black_box(verify(password, NOBODY));
}

/// A password for a human to copy: 26 letters and digits, 130 random bits.
///
/// # Errors
/// The system gives no random bytes.
pub fn generate() -> Result<String, PasswordError> {
    let mut random = [0; 26];
    getrandom::fill(&mut random).map_err(|error| system(&error))?;
    Ok(random.iter().map(|byte| char::from(ALPHABET[usize::from(byte & 31)])).collect())
}

fn parse(hash: &str) -> Result<PasswordHash, HashError> {
    let hash = PasswordHash::new(hash).map_err(|_| HashError::NoHash)?;
    let params = Params::try_from(&hash).map_err(|_| HashError::NoHash)?;
    let version = hash.version == Some(Version::V0x13.into());
    if hash.algorithm.as_str() != Algorithm::Argon2id.as_str() || !version {
        return Err(HashError::NoHash);
    }
    if params.m_cost() > MAXIMUM_MEMORY_KIB
        || params.t_cost() > MAXIMUM_PASSES
        || params.p_cost() > MAXIMUM_LANES
    {
        return Err(HashError::TooCostly);
    }
    let (Some(salt), Some(output)) = (&hash.salt, &hash.hash) else {
        return Err(HashError::NoHash);
    };
    if salt.len() < MINIMUM_SALT || output.len() < MINIMUM_OUTPUT {
        return Err(HashError::TooShort);
    }
    Ok(hash)
}

fn system(problem: &dyn std::fmt::Display) -> PasswordError {
    PasswordError::System { problem: problem.to_string() }
}

/// With [`MEMORY_KIB`] and one lane the least that OWASP recommends.
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Far above what anybody uses, far below what a server misses.
const MAXIMUM_MEMORY_KIB: u32 = 256 * 1024;
const MAXIMUM_PASSES: u32 = 16;
const MAXIMUM_LANES: u32 = 16;
const MINIMUM_SALT: usize = 8;
const MINIMUM_OUTPUT: usize = 16;

/// The hash of a password that nobody knows, at the cost of those that are made here.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$0O0N0/VQ3tGHVQ5vQ2zSXw$7S8qBpFyBMBMgO+vBXdVXcw3sp5fExzq9hcDlfXtQdE";

/// 32 characters that are not taken for each other.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

#[cfg(test)]
mod tests {
    use super::*;

    /// `password`, as cheap as the algorithm goes.
    const CHEAP: &str = "$argon2id$v=19$m=8,t=1,p=1$";

    #[test]
    fn a_password_is_known_by_its_hash_and_no_other_is() {
        let hash = hash("correct horse").unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(verify("correct horse", &hash));
        for wrong in ["", "correct hors", "correct horse ", "Correct horse"] {
            assert!(!verify(wrong, &hash), "{wrong}");
        }
        assert_ne!(hash, super::hash("correct horse").unwrap(), "the salt is always the same");
    }

    #[test]
    fn the_length_of_a_password_is_bounded() {
        assert_eq!(hash("1234567"), Err(PasswordError::TooShort));
        assert_eq!(hash("ééééééé"), Err(PasswordError::TooShort));
        assert!(hash("éééééééé").is_ok());
        assert_eq!(hash(&"x".repeat(MAXIMUM_BYTES + 1)), Err(PasswordError::TooLong));
        let longest = "x".repeat(MAXIMUM_BYTES);
        let hash = hash(&longest).unwrap();
        assert!(verify(&longest, &hash));
        assert!(!verify(&format!("{longest}x"), &hash));
    }

    #[track_caller]
    fn refused(hash: &str, expected: HashError) {
        assert_eq!(check(hash), Err(expected));
        assert!(!verify("password", hash));
    }

    #[test]
    fn a_hash_that_costs_too_much_is_refused_without_being_computed() {
        let with = |params: &str| {
            format!(
                "$argon2id$v=19${params}$c29tZXNhbHQ$MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"
            )
        };
        assert_eq!(check(&with("m=262144,t=16,p=16")), Ok(()));
        for params in ["m=262145,t=1,p=1", "m=4294967295,t=1,p=1", "m=8,t=17,p=1", "m=200,t=1,p=17"]
        {
            refused(&with(params), HashError::TooCostly);
        }
        for params in ["m=4294967296,t=1,p=1", "m=1,t=1,p=1", "m=8,t=0,p=1", "m=8,t=1,p=0", "x=1"] {
            refused(&with(params), HashError::NoHash);
        }
    }

    #[test]
    fn what_is_no_whole_argon2id_hash_is_refused() {
        let rest = "$c29tZXNhbHQ$MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY";
        for hash in [
            "",
            "password",
            "$",
            "$argon2id$v=19$m=8,t=1,p=1",
            "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ",
            &format!("$argon2i$v=19$m=8,t=1,p=1{rest}"),
            &format!("$argon2d$v=19$m=8,t=1,p=1{rest}"),
            &format!("$argon2id$v=16$m=8,t=1,p=1{rest}"),
            &format!("$argon2id$m=8,t=1,p=1{rest}"),
            &format!("$pbkdf2-sha256$i=1000{rest}"),
            &format!("$argon2id$v=19$m=8,t=1,p=1{rest}$more"),
        ] {
            refused(hash, HashError::NoHash);
        }
        refused(&format!("{CHEAP}c29tZXNhbHQ$MDEyMzQ1Njc4OWFiY2Q"), HashError::TooShort);
    }

    #[test]
    fn an_unknown_name_costs_what_a_known_one_does() {
        let known = parse(&hash("password").unwrap()).unwrap();
        let unknown = parse(NOBODY).unwrap();
        assert_eq!((known.version, known.params), (unknown.version, unknown.params));
        assert_eq!(known.salt.unwrap().len(), unknown.salt.unwrap().len());
        assert_eq!(known.hash.unwrap().len(), unknown.hash.unwrap().len());
    }

    #[test]
    fn generated_passwords_differ_and_can_be_set() {
        let (a, b) = (generate().unwrap(), generate().unwrap());
        assert_ne!(a, b);
        assert!(a.len() >= MINIMUM_CHARACTERS);
        assert!(a.chars().all(|c| c.is_ascii_alphanumeric()));
    }
}
