//! The tables of the file and their keys, and how they become contents.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use antiphon_broker::access;
use antiphon_broker::access::GlobalPermission;
use antiphon_broker::access::PathPermission;
use antiphon_broker::access::PathPermissions;
use antiphon_broker::access::Principals;
use antiphon_broker::access::Security;
use antiphon_broker::properties;
use antiphon_broker::properties::Believed;
use antiphon_broker::properties::Pattern;
use serde::Deserialize;
use serde::Serialize;

use crate::security::Contents;
use crate::security::layout::LayoutError;
use crate::security::layout::names::Names;
use crate::security::layout::names::names;
use crate::security::layout::names::permissions;
use crate::security::password;

/// The whole file, in the order in which it is written.
#[derive(Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct File {
    isolated_paths: BTreeSet<String>,
    anonymous: Anonymous,
    sessions: Sessions,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    trusted_properties: BTreeMap<String, Trusted>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    principals: BTreeMap<String, Principal>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    roles: BTreeMap<String, Role>,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Anonymous {
    policy: Policy,
    #[serde(skip_serializing_if = "Option::is_none")]
    roles: Option<RoleNames>,
}

#[derive(Serialize, Deserialize, Default, PartialEq, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Policy {
    Allow,
    Deny,
    #[default]
    Abstain,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Sessions {
    named: RoleNames,
    anonymous: RoleNames,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Trusted {
    #[serde(skip_serializing_if = "Option::is_none")]
    values: Option<BTreeSet<Arc<str>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    matches: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Principal {
    password: String,
    #[serde(default)]
    roles: RoleNames,
    #[serde(skip_serializing_if = "Option::is_none")]
    locked_by: Option<String>,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Role {
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    includes: RoleNames,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    permissions: Names<GlobalPermission>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    default_path_permissions: Names<PathPermission>,
    #[serde(skip_serializing_if = "Option::is_none")]
    locked_by: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    path_permissions: BTreeMap<String, Names<PathPermission>>,
}

type RoleNames = BTreeSet<Arc<str>>;

impl File {
    pub(super) fn of(contents: &Contents) -> Self {
        let Contents { security, principals } = contents;
        let trusted = principals.trust().rules().iter();
        Self {
            isolated_paths: security.isolated().clone(),
            anonymous: Anonymous::of(principals.for_anonymous()),
            sessions: Sessions {
                named: security.roles_for("anybody").clone(),
                anonymous: security.roles_for("").clone(),
            },
            trusted_properties: trusted
                .map(|(key, rule)| (key.to_string(), Trusted::of(rule)))
                .collect(),
            principals: principals
                .iter()
                .map(|(name, it)| (name.to_owned(), Principal::of(it)))
                .collect(),
            roles: security.roles().map(|(name, role)| (name.to_owned(), Role::of(role))).collect(),
        }
    }

    pub(super) fn contents(self) -> Result<Contents, LayoutError> {
        let mut security = Security::default()
            .named_sessions(&texts(&self.sessions.named))
            .anonymous_sessions(&texts(&self.sessions.anonymous));
        for path in &self.isolated_paths {
            security = security.isolate(path);
        }
        for (name, role) in &self.roles {
            security = security.role(name, role.model(name)?);
        }
        let security = security.checked().map_err(|cycle| LayoutError::new(cycle.to_string()))?;
        let mut trust = properties::Trust::default();
        for (key, rule) in self.trusted_properties {
            trust = trust.rule(&key, rule.model(&key)?);
        }
        let mut principals =
            Principals::default().anonymous(self.anonymous.model()?).trusting(trust);
        for (name, principal) in &self.principals {
            principals = principals.principal(name, principal.model(name)?);
        }
        Ok(Contents { security, principals })
    }
}

impl Anonymous {
    fn of(anonymous: &access::Anonymous) -> Self {
        match anonymous {
            access::Anonymous::Allow(roles) => {
                Self { policy: Policy::Allow, roles: Some(roles.clone()) }
            }
            access::Anonymous::Deny => Self { policy: Policy::Deny, roles: None },
            access::Anonymous::Abstain => Self { policy: Policy::Abstain, roles: None },
        }
    }

    fn model(self) -> Result<access::Anonymous, LayoutError> {
        match (self.policy, self.roles) {
            (Policy::Allow, roles) => Ok(access::Anonymous::Allow(roles.unwrap_or_default())),
            (_, Some(roles)) if !roles.is_empty() => Err(LayoutError::new(
                "[anonymous] has roles, but its policy does not let anybody in; \
                 write policy = \"allow\", or leave the roles out",
            )),
            (Policy::Deny, _) => Ok(access::Anonymous::Deny),
            (Policy::Abstain, _) => Ok(access::Anonymous::Abstain),
        }
    }
}

impl Trusted {
    fn of(believed: &Believed) -> Self {
        match believed {
            Believed::OneOf(values) => Self { values: Some(values.clone()), matches: None },
            Believed::Matches(pattern) => {
                Self { values: None, matches: Some(pattern.as_str().to_owned()) }
            }
        }
    }

    fn model(self, key: &str) -> Result<Believed, LayoutError> {
        let refuse = |problem: &dyn std::fmt::Display| {
            LayoutError::new(format!("the trusted property {key:?} {problem}"))
        };
        match (self.values, self.matches) {
            (Some(values), None) => Ok(Believed::OneOf(values)),
            (None, Some(pattern)) => Pattern::new(&pattern)
                .map(Believed::Matches)
                .map_err(|error| refuse(&format_args!("matches nothing: {error}"))),
            _ => Err(refuse(&"needs either values or matches")),
        }
    }
}

impl Principal {
    fn of(principal: &access::Principal) -> Self {
        Self {
            password: principal.password().to_owned(),
            roles: principal.roles().clone(),
            locked_by: principal.locked_by().map(str::to_owned),
        }
    }

    fn model(&self, name: &str) -> Result<access::Principal, LayoutError> {
        if name.is_empty() {
            let problem = "a principal needs a name; [anonymous] is for those without one";
            return Err(LayoutError::new(problem));
        }
        password::check(&self.password).map_err(|error| {
            LayoutError::new(format!("the password of the principal {name:?} {error}"))
        })?;
        let principal = access::Principal::new(&self.password).holding(&texts(&self.roles));
        Ok(match &self.locked_by {
            Some(owner) => principal.locked_to(owner),
            None => principal,
        })
    }
}

impl Role {
    fn of(role: &access::Role) -> Self {
        let at =
            |(path, granted): (&String, &PathPermissions)| (path.clone(), names(granted.iter()));
        Self {
            includes: role.includes().clone(),
            permissions: names(role.globals().iter()),
            default_path_permissions: names(role.default_path().iter()),
            locked_by: role.locked_by().map(str::to_owned),
            path_permissions: role.paths().iter().map(at).collect(),
        }
    }

    fn model(&self, name: &str) -> Result<access::Role, LayoutError> {
        let mut role = access::Role::default()
            .including(&texts(&self.includes))
            .granting(&permissions(&self.permissions))
            .granting_by_default(&permissions(&self.default_path_permissions));
        for (path, granted) in &self.path_permissions {
            let paths = role.paths().len();
            role = role.granting_at(path, &permissions(granted));
            if role.paths().len() == paths {
                return Err(LayoutError::new(format!(
                    "the role {name:?} has the path {path:?} twice, with other slashes; make it one"
                )));
            }
        }
        Ok(match &self.locked_by {
            Some(owner) => role.locked_to(owner),
            None => role,
        })
    }
}

fn texts(names: &RoleNames) -> Vec<&str> {
    names.iter().map(AsRef::as_ref).collect()
}
