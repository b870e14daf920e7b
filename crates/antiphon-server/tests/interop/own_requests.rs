//! A session that talks to itself: by path, by session id and by filter.

use crate::commands::Handler;
use crate::sdk::Sdk;
use crate::sdk::for_every_sdk;
use crate::stage::Stage;
use crate::values::echo;
use crate::values::string;

for_every_sdk!(a_session_handles_its_own_path_request, super::own_path);

fn own_path(sdk: Sdk) {
    let Some(stage) = Stage::open(&[sdk]) else {
        return;
    };
    let mut session = stage.join(sdk, "control");
    session.register(Handler::of("string", "mirror", echo()));
    assert_eq!(session.request_path("mirror", &string("me")), Ok(string("me")));
    assert_eq!(session.event("request")["sender"], session.id());
}

for_every_sdk!(a_session_answers_a_request_to_its_own_id, super::own_id);

fn own_id(sdk: Sdk) {
    let Some(stage) = Stage::open(&[sdk]) else {
        return;
    };
    let mut session = stage.join(sdk, "control");
    session.stream(Handler::of("string", "mirror", echo()));
    let id = session.id();
    assert_eq!(session.request_session(&id, "mirror", &string("me")), Ok(string("me")));
}

for_every_sdk!(a_session_is_among_those_that_its_filter_matches, super::own_filter);

fn own_filter(sdk: Sdk) {
    let Some(stage) = Stage::open(&[sdk]) else {
        return;
    };
    let mut session = stage.join(sdk, "control");
    session.stream(Handler::of("string", "mirror", echo()));
    assert_eq!(session.request_filter("$Principal is 'control'", "mirror", &string("me")), Ok(1));
    let response = session.event("filter_response");
    assert_eq!(response["value"], string("me"));
    assert_eq!(response["session_id"], session.id());
}
