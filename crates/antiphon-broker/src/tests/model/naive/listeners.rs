//! Session listeners.

use antiphon_wire::service::ErrorReport;
use antiphon_wire::service::events::CloseReason;
use antiphon_wire::service::events::PropertyChange;
use antiphon_wire::service::events::SessionChange;
use antiphon_wire::service::events::SessionEvent;
use antiphon_wire::service::events::UpdateKind;

use super::Caller;
use super::Naive;
use super::Outcome;
use super::Person;
use super::control::borrowed;
use super::messaging::overloaded;
use crate::access::GlobalPermission;
use crate::filter::Filter;
use crate::messaging::report;
use crate::tests::model::got::Got;
use crate::tests::model::op::Keys;
use crate::tests::model::query::Query;

#[derive(Debug, Clone)]
pub(super) struct Listener {
    owner: usize,
    name: u64,
    filter: Option<Query>,
    keys: Keys,
}

impl Naive {
    pub(super) fn listen(
        &mut self,
        caller: Caller,
        filter: Option<&Query>,
        listener: (Keys, u64),
    ) -> Outcome {
        let (keys, name) = listener;
        self.people[caller.me].demand(GlobalPermission::RegisterHandler)?;
        self.people[caller.me].demand(GlobalPermission::ViewSession)?;
        if let Some(broken) = filter.filter(|filter| filter.is_broken()) {
            let error = Filter::parse(&self.text(broken)).unwrap_err();
            self.answered(caller, &vec![report(&error)]);
            return Ok(());
        }
        let own = self.listeners.iter().filter(|listener| listener.owner == caller.me);
        if own.count() >= LISTENERS {
            return Err(overloaded());
        }
        self.answered(caller, &Vec::<ErrorReport<'_>>::new());
        let filter = filter.map(|filter| self.resolve(filter));
        let listener = Listener { owner: caller.me, name, filter, keys };
        for who in 0..self.people.len() {
            if self.people[who].open {
                self.tell_opened_to(&listener, who);
            }
        }
        self.listeners.push(listener);
        Ok(())
    }

    pub(super) fn unlisten(&mut self, caller: Caller, name: u64) {
        let own = |listener: &Listener| listener.owner == caller.me && listener.name == name;
        self.listeners.retain(|listener| !own(listener));
        self.done(caller);
    }

    pub(super) fn tell_opened(&mut self, who: usize) {
        for listener in self.listeners.clone() {
            self.tell_opened_to(&listener, who);
        }
    }

    fn tell_opened_to(&mut self, listener: &Listener, who: usize) {
        if listener.wants(&self.people[who]) {
            let properties = self.people[who].select(listener.keys);
            self.tell(listener, who, SessionChange::Opened(borrowed(&properties)));
        }
    }

    pub(super) fn tell_changed(&mut self, who: usize, before: &Person) {
        for listener in self.listeners.clone() {
            let after = &self.people[who];
            if !listener.wants(before) && !listener.wants(after) {
                continue;
            }
            let (old, new) = (before.select(listener.keys), after.select(listener.keys));
            let properties = changes(&old, &new);
            if !properties.is_empty() {
                let kind = UpdateKind::Updated;
                self.tell(&listener, who, SessionChange::Updated { kind, properties });
            }
        }
    }

    pub(super) fn tell_closed(&mut self, who: usize, reason: CloseReason) {
        self.listeners.retain(|listener| listener.owner != who);
        for listener in self.listeners.clone() {
            if listener.wants(&self.people[who]) {
                let properties = self.people[who].select(listener.keys);
                let properties = borrowed(&properties);
                self.tell(&listener, who, SessionChange::Closed { reason, properties });
            }
        }
    }

    fn tell(&mut self, listener: &Listener, who: usize, change: SessionChange<'_>) {
        let event = SessionEvent { session: self.people[who].id, change };
        let event = format!("{event:?}");
        self.want(listener.owner, Got::Event { listener: listener.name, event });
    }
}

impl Listener {
    fn wants(&self, person: &Person) -> bool {
        self.filter.as_ref().is_none_or(|filter| filter.matches(person))
    }
}

/// First what is new or changed, then what is gone.
fn changes<'p>(
    old: &'p [(String, String)],
    new: &'p [(String, String)],
) -> Vec<(&'p str, PropertyChange<'p>)> {
    let mut changes = Vec::new();
    for (key, value) in new {
        match old.iter().find(|(other, _)| other == key) {
            None => changes.push((&**key, PropertyChange::New(value))),
            Some((_, old)) if old != value => {
                changes.push((key, PropertyChange::Changed { old, new: value }));
            }
            Some(_) => {}
        }
    }
    let is_gone = |key: &str| new.iter().all(|(other, _)| other != key);
    for (key, value) in old.iter().filter(|(key, _)| is_gone(key)) {
        changes.push((key, PropertyChange::Removed(value)));
    }
    changes
}

pub(crate) const LISTENERS: usize = 2;
