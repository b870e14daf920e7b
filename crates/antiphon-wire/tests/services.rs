//! The registry of services.

use std::collections::BTreeSet;

use antiphon_wire::node::NodeService;
use antiphon_wire::service::Service;

/// The services that Antiphon promises to speak.
const PROMISED: [u32; 39] = [
    5, 14, 55, 56, 57, 58, 59, 60, 67, 81, 82, 85, 86, 88, 97, 98, 102, 103, 105, 106, 114, 115,
    116, 119, 120, 121, 123, 124, 143, 144, 162, 168, 189, 190, 196, 197, 202, 203, 204,
];

#[test]
fn exactly_the_promised_services_are_spoken() {
    let numbers: Vec<u32> = Service::ALL.iter().map(|service| service.number()).collect();
    assert_eq!(numbers, PROMISED);
}

#[test]
fn no_two_services_share_a_number() {
    let numbers: BTreeSet<u32> = Service::ALL.iter().map(|service| service.number()).collect();
    assert_eq!(numbers.len(), Service::ALL.len());
}

#[test]
fn a_number_leads_back_to_its_service() {
    for &service in Service::ALL {
        assert_eq!(Service::from_number(service.number()), Some(service));
    }
}

#[test]
fn other_numbers_name_no_service() {
    for number in (0..1000).chain([u32::MAX, 256 + 85]) {
        let spoken = PROMISED.contains(&number);
        assert_eq!(Service::from_number(number).is_some(), spoken, "{number}");
    }
}

/// The services of nodes, which clients must not reach by their numbers.
const OF_NODES: std::ops::RangeInclusive<u32> = 1001..=1017;

#[test]
fn nodes_have_numbers_of_their_own() {
    let numbers: Vec<u32> = NodeService::ALL.iter().map(|service| service.number()).collect();
    assert_eq!(numbers, OF_NODES.collect::<Vec<_>>());
    for &service in NodeService::ALL {
        assert_eq!(NodeService::from_number(service.number()), Some(service));
        assert_eq!(Service::from_number(service.number()), None);
    }
    for &service in Service::ALL {
        assert_eq!(NodeService::from_number(service.number()), None);
    }
}
