//! One store and several who change it; what becomes of it when something is wrong.

use std::fs;
use std::thread;

use tempfile::TempDir;

use super::*;

struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("security.toml")
    }

    fn store(&self) -> Store {
        Store::create(&self.path(), Contents::default()).unwrap()
    }
}

/// A hash that takes no time.
fn cheap(password: &str) -> String {
    use argon2::PasswordHasher;
    let params = argon2::Params::new(8, 1, 1, None).unwrap();
    let hash =
        argon2::Argon2::from(params).hash_password_with_salt(password.as_bytes(), b"saltsalt");
    hash.unwrap().to_string()
}

fn add(store: &Store, name: &str) -> Result<(), StoreError> {
    let principal = Principal::new(&cheap(name)).holding(&["R"]);
    store.change(|contents| {
        contents.put_principal(name, principal);
        Ok(())
    })
}

fn names(store: &Store) -> Vec<String> {
    store.current().principals.iter().map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn a_password_is_verified() {
    let files = Files::new();
    let store = files.store();
    add(&store, "alice").unwrap();
    let roles = BTreeSet::from(["R".into()]);
    assert_eq!(store.verify("alice", "alice"), Verdict::Known { roles });
    assert_eq!(store.verify("alice", "bob"), Verdict::Wrong);
    assert_eq!(store.verify("bob", "alice"), Verdict::Unknown);
    assert_eq!(store.verify("", ""), Verdict::Unknown);
}

#[test]
fn a_change_by_others_is_not_overwritten() {
    let files = Files::new();
    let server = files.store();
    let command = Store::open(&files.path()).unwrap();
    add(&command, "alice").unwrap();
    assert!(names(&server).is_empty());
    add(&server, "bob").unwrap();
    assert_eq!(names(&server), ["alice", "bob"]);
    assert_eq!(names(&command), ["alice"]);
    assert!(command.reload().unwrap());
    assert_eq!(names(&command), ["alice", "bob"]);
    assert!(!command.reload().unwrap(), "nothing has changed since");
}

#[test]
fn many_who_change_it_at_once_lose_nothing() {
    let files = Files::new();
    let server = files.store();
    thread::scope(|scope| {
        for writer in 0..4 {
            let (server, path) = (&server, files.path());
            scope.spawn(move || {
                let own = Store::open(&path).unwrap();
                let store = if writer % 2 == 0 { server } else { &own };
                for n in 0..10 {
                    add(store, &format!("{writer}-{n}")).unwrap();
                }
            });
        }
    });
    assert_eq!(names(&Store::open(&files.path()).unwrap()).len(), 40);
    server.reload().unwrap();
    assert_eq!(names(&server).len(), 40);
}

#[test]
fn a_change_that_fails_changes_nothing() {
    let files = Files::new();
    let store = files.store();
    add(&store, "alice").unwrap();
    let before = fs::read_to_string(files.path()).unwrap();
    let said: Result<(), StoreError> = store.change(|contents| {
        contents.principals.remove("alice");
        Err(StoreError::Missing { path: "x".into() })
    });
    assert!(matches!(said, Err(StoreError::Missing { .. })));
    let circle = store.change(|contents| {
        contents.put_role("A", Role::default().including(&["A"]));
        Ok::<_, StoreError>(())
    });
    let circle = circle.unwrap_err().to_string();
    assert!(
        circle.starts_with("the security store cannot be changed so: roles include"),
        "{circle}"
    );
    assert_eq!(fs::read_to_string(files.path()).unwrap(), before);
    assert_eq!(names(&store), ["alice"]);
}

#[test]
fn a_change_of_nothing_leaves_the_file_alone() {
    let files = Files::new();
    fs::write(files.path(), "# by hand\n").unwrap();
    let store = Store::open(&files.path()).unwrap();
    store.change(|_| Ok::<_, StoreError>(())).unwrap();
    assert_eq!(fs::read_to_string(files.path()).unwrap(), "# by hand\n");
}

#[test]
fn a_broken_file_leaves_what_was_current_and_is_not_overwritten() {
    let files = Files::new();
    let store = files.store();
    add(&store, "alice").unwrap();
    fs::write(files.path(), "[roles.A]\npermissions = ['X']").unwrap();
    let name = files.path().display().to_string();
    for error in [store.reload().map(|_| ()).unwrap_err(), add(&store, "bob").unwrap_err()] {
        let error = error.to_string();
        let expected =
            format!("the security store {name} is not valid: line 2: unknown permission");
        assert!(error.starts_with(&expected), "{error}");
    }
    assert_eq!(names(&store), ["alice"]);
    assert!(fs::read_to_string(files.path()).unwrap().starts_with("[roles.A]"));
    fs::remove_file(files.path()).unwrap();
    assert!(matches!(store.reload(), Err(StoreError::Missing { .. })));
    assert!(matches!(add(&store, "bob"), Err(StoreError::Missing { .. })));
    assert_eq!(names(&store), ["alice"]);
}

#[test]
fn what_cannot_be_written_does_not_count() {
    let files = Files::new();
    let store = files.store();
    add(&store, "alice").unwrap();
    fs::create_dir(files.0.path().join(".security.toml.new")).unwrap();
    let error = add(&store, "bob").unwrap_err().to_string();
    assert!(error.starts_with("the security store: cannot write "), "{error}");
    assert_eq!(names(&store), ["alice"]);
    assert_eq!(names(&Store::open(&files.path()).unwrap()), ["alice"]);
}

/// Whoever measures how long a refusal takes learns nothing about which names there are.
#[test]
fn known_and_unknown_names_cost_the_same_hash() {
    let hash = password::hash("the password").unwrap();
    let mut contents = Contents::default();
    contents.put_principal("bob", Principal::new(&hash));
    let cost_of = |name: &str, text: &str| {
        password::HASHED.take();
        let verdict = contents.verify(name, text);
        (verdict, password::HASHED.take())
    };
    let (verdict, right) = cost_of("bob", "the password");
    assert!(matches!(verdict, Verdict::Known { .. }));
    let (verdict, wrong) = cost_of("bob", "another one");
    assert_eq!(verdict, Verdict::Wrong);
    let (verdict, unknown) = cost_of("nobody", "another one");
    assert_eq!(verdict, Verdict::Unknown);
    assert_eq!(right.len(), 1, "{right:?}");
    assert_eq!((&wrong, &unknown), (&right, &right));
    // Too long for either, so that neither is hashed.
    let long = "x".repeat(password::MAXIMUM_BYTES + 1);
    assert_eq!((cost_of("bob", &long).1, cost_of("nobody", &long).1), (Vec::new(), Vec::new()));
}
