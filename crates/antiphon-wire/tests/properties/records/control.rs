//! Services 14, 67, 105, 106, 123, 124, 162, 168 and 202.

use antiphon_wire::service::CountOrErrors;
use antiphon_wire::service::control::ChangeRoles;
use antiphon_wire::service::control::ChangeRolesFilter;
use antiphon_wire::service::control::CloseClient;
use antiphon_wire::service::control::CloseClientFilter;
use antiphon_wire::service::control::Fetched;
use antiphon_wire::service::control::FetchedSession;
use antiphon_wire::service::control::GetSessionProperties;
use antiphon_wire::service::control::PropertiesChanged;
use antiphon_wire::service::control::SessionFetch;
use antiphon_wire::service::control::SetSessionProperties;
use antiphon_wire::service::control::SetSessionPropertiesFilter;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::fields::keys;
use crate::fields::narrow;
use crate::fields::number;
use crate::fields::properties;
use crate::fields::report;
use crate::fields::reports;
use crate::fields::session;
use crate::fields::text;
use crate::round_trip::travels;

#[test]
fn reports_of_filters_travel() {
    travels(report());
    travels(reports());
    travels((narrow(), reports()).prop_map(|(count, errors)| CountOrErrors { count, errors }));
}

#[test]
fn ends_of_sessions_travel() {
    travels(session().prop_map(|session| CloseClient { session }));
    travels(text().prop_map(|filter| CloseClientFilter { filter }));
}

#[test]
fn properties_travel() {
    travels(properties());
    travels(option::of(properties()));
    travels((session(), keys()).prop_map(|(session, keys)| GetSessionProperties { session, keys }));
    travels(
        (option::of(properties()), option::of(keys()))
            .prop_map(|(previous, created)| PropertiesChanged { previous, created }),
    );
}

#[test]
fn changes_of_properties_travel() {
    let change = || (option::of(properties()), option::of(keys()));
    travels((session(), change()).prop_map(|(session, (set, remove))| SetSessionProperties {
        session,
        set,
        remove,
    }));
    travels((text(), change()).prop_map(|(filter, (set, remove))| SetSessionPropertiesFilter {
        filter,
        set,
        remove,
    }));
}

#[test]
fn changes_of_roles_travel() {
    travels((session(), keys(), keys()).prop_map(|(session, remove, add)| ChangeRoles {
        session,
        remove,
        add,
    }));
    travels((text(), keys(), keys()).prop_map(|(filter, remove, add)| ChangeRolesFilter {
        filter,
        remove,
        add,
    }));
}

#[test]
fn fetches_of_sessions_travel() {
    let bounds = (option::of(number()), option::of(number()), option::of(narrow()), narrow());
    travels((text(), option::of(keys()), bounds, any::<bool>()).prop_map(
        |(filter, keys, (from, to, limit, maximum_size), with_start_time)| SessionFetch {
            filter,
            keys,
            from,
            to,
            limit,
            maximum_size,
            with_start_time,
        },
    ));
    travels(prop_oneof![
        (vec(fetched(), 0..4), narrow())
            .prop_map(|(sessions, total)| Fetched::Sessions { sessions, total }),
        reports().prop_map(Fetched::Refused),
    ]);
}

fn fetched() -> impl Strategy<Value = FetchedSession<'static>> {
    (option::of(number()), properties())
        .prop_map(|(start_time, properties)| FetchedSession { start_time, properties })
}
