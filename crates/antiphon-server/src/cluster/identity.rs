//! Who this node is: an id that stays, in a file if one is named, and an incarnation that is another one at each start.

use std::fs;
use std::io;
use std::io::Write;
use std::path::Path;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use antiphon_wire::ids::NodeId;

use crate::cluster::fabric::Peer;
use crate::random;

/// The node of this file, which is written if it does not exist; a new one without a file.
///
/// # Errors
/// The file cannot be read or written, or holds something else; or the system gives no random numbers.
pub(crate) fn node(file: Option<&Path>) -> io::Result<NodeId> {
    let Some(file) = file else { return random::node() };
    match fs::read_to_string(file) {
        Ok(text) => parse(&text).ok_or_else(|| {
            let problem = "holds no node id; delete it, and a new one is drawn";
            io::Error::new(io::ErrorKind::InvalidData, problem)
        }),
        Err(problem) if problem.kind() == io::ErrorKind::NotFound => {
            let node = random::node()?;
            // Two servers that start with the same file at the same time do not get an id each.
            let mut file = fs::OpenOptions::new().write(true).create_new(true).open(file)?;
            writeln!(file, "{:016x}", node.0)?;
            file.sync_all()?;
            Ok(node)
        }
        Err(problem) => Err(problem),
    }
}

/// What would keep a server from using this file, and what is to be done about it. Writes nothing.
pub(crate) fn problem(file: &Path) -> Option<(String, &'static str)> {
    let problem = match fs::read_to_string(file) {
        Ok(text) if parse(&text).is_some() => return None,
        Ok(_) => return Some(("holds no node id".to_owned(), "delete it, and a new one is drawn")),
        Err(problem) => problem,
    };
    if problem.kind() != io::ErrorKind::NotFound {
        return Some((problem.to_string(), "let the server read it"));
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    match fs::metadata(folder.unwrap_or(Path::new("."))) {
        Ok(folder) if folder.is_dir() && !folder.permissions().readonly() => None,
        Ok(_) => {
            Some(("cannot be written there".to_owned(), "name a file that the server may write"))
        }
        Err(problem) => Some((format!("has no folder: {problem}"), "make the folder first")),
    }
}

/// This run of a node.
pub(crate) fn run_of(node: NodeId) -> Peer {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Peer { node, incarnation: since.as_micros() as u64 }
}

/// 16 digits of a number below 2^63.
fn parse(text: &str) -> Option<NodeId> {
    let digits = text.trim();
    let number = u64::from_str_radix(digits, 16).ok().filter(|_| digits.len() == 16)?;
    (number < 1 << 63).then_some(NodeId(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_the_same_as_long_as_its_file_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("node.id");
        let first = node(Some(&file)).unwrap();
        assert_eq!(node(Some(&file)).unwrap(), first);
        fs::remove_file(&file).unwrap();
        assert_ne!(node(Some(&file)).unwrap(), first);
        assert_ne!(node(None).unwrap(), node(None).unwrap());
    }

    #[test]
    fn what_would_go_wrong_is_told_beforehand() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("node.id");
        assert_eq!(problem(&file), None);
        assert!(!file.exists(), "nothing is written");
        node(Some(&file)).unwrap();
        assert_eq!(problem(&file), None);
        fs::write(&file, "zzz").unwrap();
        let told = |file: &Path| problem(file).unwrap().0;
        assert_eq!(told(&file), "holds no node id");
        assert!(told(&folder.path().join("no/node.id")).starts_with("has no folder"));
        assert!(!told(&file.join("node.id")).is_empty());
    }

    #[test]
    fn a_file_of_something_else_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("node.id");
        for text in ["", "zzz", "8000000000000000", "1", "0123456789abcdef0"] {
            fs::write(&file, text).unwrap();
            assert_eq!(node(Some(&file)).unwrap_err().kind(), io::ErrorKind::InvalidData);
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
        }
        assert!(node(Some(folder.path())).is_err());
    }
}
