//! What a peer merely declares takes no memory.
#![cfg(target_os = "linux")]

use antiphon_wire::codec::Decode;
use antiphon_wire::codec::put_varint;
use antiphon_wire::error::Fault;
use antiphon_wire::service::Properties;
use antiphon_wire::service::events::SessionEvents;

/// How many bytes of address space the process ever had.
fn peak_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line =
        status.lines().find_map(|line| line.strip_prefix("VmPeak:")).expect("Linux tells the peak");
    let kilobytes = line.trim().trim_end_matches(" kB");
    kilobytes.parse::<usize>().expect("a number of kB") * 1024
}

/// As many bytes as the count says follow, but the first item ends nowhere.
#[test]
fn a_count_of_items_that_are_not_there_reserves_nothing() {
    const CLAIMED: usize = 32 << 20;
    let mut list = Vec::with_capacity(CLAIMED + 16);
    put_varint(&mut list, CLAIMED as u64);
    list.resize(list.len() + CLAIMED, 0xff);
    let mut events = Vec::with_capacity(CLAIMED + 16);
    events.push(1);
    events.extend_from_slice(&list);

    let before = peak_bytes();
    let fault = Properties::decode_all(&list).map_err(|malformed| malformed.fault);
    assert_eq!(fault, Err(Fault::Overlong));
    let fault = SessionEvents::decode_all(&events).map_err(|malformed| malformed.fault);
    assert_eq!(fault, Err(Fault::Overlong));
    let grown = peak_bytes() - before;
    assert!(grown < CLAIMED, "{grown} bytes for nothing");
}
