//! Acting on other sessions, and becoming somebody else.

use std::collections::BTreeSet;

use antiphon_wire::error::Reason;
use antiphon_wire::service::CountOrErrors;
use antiphon_wire::service::control::PropertiesChanged;
use antiphon_wire::service::events::CloseReason;

use super::Caller;
use super::Naive;
use super::Outcome;
use super::Person;
use super::people::with_default_role;
use crate::access::GlobalPermission;
use crate::filter::Filter;
use crate::messaging::report;
use crate::tests::model::got::Failure;
use crate::tests::model::op::Keys;
use crate::tests::model::query::Query;

/// Roles to take away and roles to give.
type RolesChange<'a> = (&'a [&'static str], &'a [&'static str]);
/// A key and its new value, or none.
type Setting<'a> = (&'a str, Option<&'a str>);

impl Naive {
    pub(super) fn kick(&mut self, caller: Caller, who: u8) -> Outcome {
        self.people[caller.me].demand(GlobalPermission::ModifySession)?;
        let who = self.live(who)?;
        self.done(caller);
        self.doomed.push((who, CloseReason::ClosedByController));
        Ok(())
    }

    pub(super) fn kick_all(&mut self, caller: Caller, filter: &Query) -> Outcome {
        self.people[caller.me].demand(GlobalPermission::ModifySession)?;
        let Some(matching) = self.counted_matches(caller, filter) else { return Ok(()) };
        let doomed = matching.into_iter().map(|who| (who, CloseReason::ClosedByController));
        self.doomed.extend(doomed);
        Ok(())
    }

    pub(super) fn set(&mut self, caller: Caller, who: u8, setting: Setting<'_>) -> Outcome {
        self.people[caller.me].demand(GlobalPermission::ViewSession)?;
        self.people[caller.me].demand(GlobalPermission::ModifySession)?;
        let who = self.live(who)?;
        let before = self.set_one(who, setting);
        let (key, value) = setting;
        let answer = match &before {
            before if before.as_deref() == value => {
                PropertiesChanged { previous: None, created: None }
            }
            Some(before) => {
                PropertiesChanged { previous: Some(vec![(key, before)]), created: None }
            }
            None => PropertiesChanged { previous: None, created: Some(vec![key]) },
        };
        self.answered(caller, &answer);
        Ok(())
    }

    pub(super) fn set_all(
        &mut self,
        caller: Caller,
        filter: &Query,
        setting: Setting<'_>,
    ) -> Outcome {
        self.people[caller.me].demand(GlobalPermission::ViewSession)?;
        self.people[caller.me].demand(GlobalPermission::ModifySession)?;
        for who in self.counted_matches(caller, filter).unwrap_or_default() {
            self.set_one(who, setting);
        }
        Ok(())
    }

    fn set_one(&mut self, who: usize, setting: Setting<'_>) -> Option<String> {
        let (key, value) = setting;
        let before = self.people[who].user.get(key).cloned();
        self.change(who, |person| {
            match value {
                Some(value) => person.user.insert(key.to_owned(), value.to_owned()),
                None => person.user.remove(key),
            };
        });
        before
    }

    pub(super) fn roles(&mut self, caller: Caller, who: u8, change: RolesChange<'_>) -> Outcome {
        self.people[caller.me].demand(GlobalPermission::ModifySession)?;
        check(change)?;
        let who = self.live(who)?;
        self.change_roles(who, change);
        self.done(caller);
        Ok(())
    }

    pub(super) fn roles_all(
        &mut self,
        caller: Caller,
        filter: &Query,
        change: RolesChange<'_>,
    ) -> Outcome {
        self.people[caller.me].demand(GlobalPermission::ModifySession)?;
        check(change)?;
        for who in self.counted_matches(caller, filter).unwrap_or_default() {
            self.change_roles(who, change);
        }
        Ok(())
    }

    fn change_roles(&mut self, who: usize, change: RolesChange<'_>) {
        let (out, into) = change;
        self.change(who, |person| {
            person.roles.retain(|role| !out.contains(&&**role));
            person.roles.extend(into.iter().map(|role| (*role).to_owned()));
        });
    }

    pub(super) fn properties(&mut self, caller: Caller, who: u8, keys: Keys) -> Outcome {
        self.people[caller.me].demand(GlobalPermission::ViewSession)?;
        let person = &self.people[self.person(who)];
        let selected = person.open.then(|| person.select(keys));
        self.answered(caller, &selected.as_ref().map(|selected| borrowed(selected)));
        Ok(())
    }

    pub(super) fn become_(&mut self, caller: Caller, principal: &str, roles: Option<&[&str]>) {
        if let Some(roles) = roles {
            self.change(caller.me, |person| {
                person.principal = principal.to_owned();
                person.roles = with_default_role(roles);
            });
        }
        self.answered(caller, &roles.is_some());
    }

    /// Changes a session and tells the listeners.
    fn change(&mut self, who: usize, change: impl FnOnce(&mut Person)) {
        let before = self.people[who].clone();
        change(&mut self.people[who]);
        self.tell_changed(who, &before);
    }

    fn live(&self, who: u8) -> Result<usize, Failure> {
        let who = self.person(who);
        if self.people[who].open {
            Ok(who)
        } else {
            Err((Reason::NO_SUCH_SESSION, self.people[who].id.to_string()))
        }
    }

    /// The sessions that match, after telling the caller how many; or none, after telling it why.
    fn counted_matches(&mut self, caller: Caller, filter: &Query) -> Option<Vec<usize>> {
        if filter.is_broken() {
            let error = Filter::parse(&self.text(filter)).unwrap_err();
            let refusal = CountOrErrors { count: 0, errors: vec![report(&error)] };
            self.answered(caller, &refusal);
            return None;
        }
        let matching = self.matching(filter);
        let count = matching.len() as u32;
        self.answered(caller, &CountOrErrors { count, errors: vec![] });
        Some(matching)
    }

    pub(super) fn matching(&self, filter: &Query) -> Vec<usize> {
        let filter = self.resolve(filter);
        let matches = |who: &usize| filter.matches(&self.people[*who]);
        self.order.iter().copied().filter(matches).collect()
    }

    pub(super) fn resolve(&self, filter: &Query) -> Query {
        filter.resolve(&|number| self.people[self.person(number)].id)
    }

    pub(crate) fn text(&self, filter: &Query) -> String {
        self.resolve(filter).text()
    }
}

fn check(change: RolesChange<'_>) -> Outcome {
    let (out, into) = change;
    let both: BTreeSet<_> = out.iter().filter(|role| into.contains(role)).collect();
    match both.first() {
        Some(role) => Err((Reason::INVALID_DATA, format!("role {role}"))),
        None if out.is_empty() && into.is_empty() => Err((Reason::INVALID_DATA, "no role".into())),
        None => Ok(()),
    }
}

pub(super) fn borrowed(pairs: &[(String, String)]) -> Vec<(&str, &str)> {
    pairs.iter().map(|(key, value)| (&**key, &**value)).collect()
}
