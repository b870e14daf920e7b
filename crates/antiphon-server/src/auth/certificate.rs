//! Certificates of clients. TLS has checked them already; here a certificate becomes a principal with roles.

use std::sync::Arc;

use antiphon_broker::Roles;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use crate::auth::applicant::Admitted;
use crate::auth::applicant::Answer;
use crate::auth::applicant::Applicant;
use crate::config::CertificateConfig;
use crate::config::NameIn;

pub(super) struct Certificate {
    config: CertificateConfig,
}

impl Certificate {
    pub(super) fn new(config: &CertificateConfig) -> Self {
        Self { config: config.clone() }
    }

    /// A certificate proves its own name and no other: who wants to be somebody else is left to the others.
    pub(super) fn ask(&self, applicant: &Applicant) -> Answer {
        let Some(certificate) = &applicant.certificate else { return Answer::Abstain };
        let Some(principal) = name(certificate, self.config.principal) else {
            return Answer::Abstain;
        };
        if !applicant.principal.is_empty() && applicant.principal != principal {
            return Answer::Abstain;
        }
        Answer::Allow(Admitted { roles: self.roles(&principal), principal, ..Admitted::default() })
    }

    fn roles(&self, principal: &str) -> Roles {
        let own = self.config.principals.get(principal);
        let roles = self.config.roles.iter().chain(own.into_iter().flatten());
        roles.map(|role| Arc::from(role.as_str())).collect()
    }
}

/// The name at this place; none if it is not there or empty.
fn name(der: &[u8], place: NameIn) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let found = match place {
        NameIn::CommonName => certificate.subject().iter_common_name().next()?.as_str().ok()?,
        NameIn::Dns => alternative(&certificate, |name| match name {
            GeneralName::DNSName(name) => Some(name),
            _ => None,
        })?,
        NameIn::Email => alternative(&certificate, |name| match name {
            GeneralName::RFC822Name(name) => Some(name),
            _ => None,
        })?,
        NameIn::Uri => alternative(&certificate, |name| match name {
            GeneralName::URI(name) => Some(name),
            _ => None,
        })?,
    };
    (!found.is_empty()).then(|| found.to_owned())
}

fn alternative<'a>(
    certificate: &'a X509Certificate<'_>,
    of_kind: impl Fn(&'a GeneralName<'_>) -> Option<&'a str>,
) -> Option<&'a str> {
    let names = certificate.subject_alternative_name().ok()??;
    names.value.general_names.iter().find_map(of_kind)
}
