//! Message paths.

use antiphon_wire::codec::put_bytes;
use antiphon_wire::path::InvalidPath;
use antiphon_wire::path::LastPath;
use antiphon_wire::path::MAX_PATH;
use antiphon_wire::path::MAX_SEGMENTS;
use antiphon_wire::path::Path;
use proptest::prelude::*;

fn parse(text: &str) -> Result<&str, InvalidPath> {
    Path::parse(text).map(Path::as_str)
}

#[test]
fn slashes_around_a_path_are_dropped() {
    for text in ["a/b", "/a/b", "a/b/", "/a/b/", "///a/b//"] {
        assert_eq!(parse(text), Ok("a/b"), "{text}");
    }
}

#[test]
fn a_segment_is_any_text_without_a_slash() {
    for text in ["a", " ", ".", "..", "a b/é/水", "\\", "%2F", "\u{0}", "Diffusion"] {
        assert_eq!(parse(text), Ok(text), "{text}");
    }
}

#[test]
fn a_path_has_a_segment() {
    for text in ["", "/", "//", "//////"] {
        assert_eq!(parse(text), Err(InvalidPath::Empty), "{text}");
    }
}

#[test]
fn a_segment_is_not_empty() {
    for text in ["a//b", "/a//b/", "a/b//c", "a///b"] {
        assert_eq!(parse(text), Err(InvalidPath::EmptySegment), "{text}");
    }
}

#[test]
fn a_path_is_bounded_in_bytes() {
    let longest = "é".repeat(MAX_PATH / 2);
    assert_eq!(parse(&longest), Ok(&*longest));
    let longer = format!("{longest}/");
    assert_eq!(parse(&longer), Err(InvalidPath::TooLong(MAX_PATH + 1)));
}

#[test]
fn a_path_is_bounded_in_segments() {
    let deepest = vec!["a"; MAX_SEGMENTS].join("/");
    assert_eq!(parse(&format!("/{deepest}/")), Ok(&*deepest));
    let deeper = format!("{deepest}/a");
    assert_eq!(parse(&deeper), Err(InvalidPath::TooDeep(MAX_SEGMENTS + 1)));
}

#[test]
fn the_way_up_ends_at_the_first_segment() {
    let path = Path::parse("/a/b/c/").expect("a legal path");
    assert_eq!(path.upwards().collect::<Vec<_>>(), ["a/b/c", "a/b", "a"]);
    assert_eq!(Path::parse("a").unwrap().upwards().collect::<Vec<_>>(), ["a"]);
}

#[test]
fn before_the_first_path_nothing_equals_it() {
    assert_eq!(LastPath::default().strip(&[0, 7]), None);
    let mut last = LastPath::default();
    assert_eq!(last.set("//"), Err(InvalidPath::Empty));
    assert_eq!(last.strip(&[2, b'/', b'/']), None);
}

#[test]
fn faults_name_the_rule() {
    let texts = [
        (InvalidPath::Empty, "a path has at least one segment"),
        (InvalidPath::EmptySegment, "a path has no empty segment"),
        (InvalidPath::TooLong(2000), "a path has at most 1024 bytes, not 2000"),
        (InvalidPath::TooDeep(65), "a path has at most 64 segments, not 65"),
    ];
    for (fault, text) in texts {
        assert_eq!(fault.to_string(), text);
    }
}

proptest! {
    #[test]
    fn segments_joined_by_slashes_are_a_path(segments in prop::collection::vec("[^/]{1,8}", 1..10)) {
        let text = segments.join("/");
        prop_assert_eq!(parse(&text), Ok(&*text));
        let path = Path::parse(&text).expect("a legal path");
        let way: Vec<&str> = path.upwards().collect();
        for (above, upper) in way.iter().enumerate() {
            prop_assert_eq!(*upper, segments[..segments.len() - above].join("/"));
        }
        prop_assert_eq!(way.len(), segments.len());
    }

    #[test]
    fn a_path_that_was_accepted_stays_as_it_is(text in "[ab/é]{0,20}") {
        let legal = text.trim_matches('/').split('/').all(|segment| !segment.is_empty());
        prop_assert_eq!(parse(&text).is_ok(), legal);
        if let Ok(path) = parse(&text) {
            prop_assert_eq!(parse(path), Ok(path));
        }
    }

    #[test]
    fn the_last_path_is_the_last_legal_one_and_no_other(
        written in prop::collection::vec("/{0,2}[ab/é]{0,4}/{0,2}", 1..10),
        rest in prop::collection::vec(any::<u8>(), 0..10),
    ) {
        let (mut last, mut legal) = (LastPath::default(), None);
        for text in &written {
            let mut bytes = Vec::new();
            put_bytes(&mut bytes, text.as_bytes());
            bytes.extend_from_slice(&rest);
            let is_same = legal == Some(text);
            prop_assert_eq!(last.strip(&bytes), is_same.then_some(&*rest), "{}", text);
            prop_assert_eq!(last.set(text).err(), parse(text).err());
            if let Ok(path) = parse(text) {
                legal = Some(text);
                prop_assert_eq!((last.written(), last.path().as_str()), (text.as_str(), path));
                prop_assert_eq!(last.strip(&bytes), Some(&*rest));
                prop_assert_eq!(last.strip(&bytes[..text.len()]), None);
            }
        }
    }
}
