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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rcgen::CertificateParams;
    use rcgen::DnType;
    use rcgen::KeyPair;
    use rcgen::SanType;

    use super::*;
    use crate::auth::applicant::Proof;

    fn asked(config: CertificateConfig, principal: &str, common_name: Option<&str>) -> Answer {
        let mut params = CertificateParams::new(vec!["till-1.example.com".to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        if let Some(name) = common_name {
            params.distinguished_name.push(DnType::CommonName, name);
        }
        let names = ["till@example.com", "urn:till:1"].map(|name| name.try_into().unwrap());
        let [email, uri] = names;
        params.subject_alt_names.extend([SanType::Rfc822Name(email), SanType::URI(uri)]);
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        ask(config, principal, Some(certificate.der().clone()))
    }

    fn ask(
        config: CertificateConfig,
        principal: &str,
        certificate: Option<tokio_rustls::rustls::pki_types::CertificateDer<'static>>,
    ) -> Answer {
        Certificate::new(&config).ask(&Applicant {
            principal: principal.to_owned(),
            proof: Proof::None,
            proposed: Vec::new(),
            properties: Default::default(),
            client: "10.0.0.1".parse().unwrap(),
            certificate,
            session: None,
        })
    }

    #[test]
    fn the_principal_stands_where_the_configuration_says() {
        for (principal, expected) in [
            (NameIn::CommonName, "till-1"),
            (NameIn::Dns, "till-1.example.com"),
            (NameIn::Email, "till@example.com"),
            (NameIn::Uri, "urn:till:1"),
        ] {
            let config = || CertificateConfig { principal, ..CertificateConfig::default() };
            for asked_for in ["", expected] {
                let Answer::Allow(admitted) = asked(config(), asked_for, Some("till-1")) else {
                    panic!("{expected} is not let in");
                };
                assert_eq!(admitted.principal, expected);
            }
            assert!(matches!(asked(config(), "admin", Some("till-1")), Answer::Abstain));
        }
    }

    #[test]
    fn roles_are_those_of_all_and_of_the_principal() {
        let config = CertificateConfig {
            roles: ["CLIENT".to_owned()].into(),
            principals: BTreeMap::from([
                ("till-1".to_owned(), ["OPERATOR".to_owned()].into()),
                ("till-2".to_owned(), ["ADMINISTRATOR".to_owned()].into()),
            ]),
            ..CertificateConfig::default()
        };
        let Answer::Allow(admitted) = asked(config, "", Some("till-1")) else {
            panic!("not let in");
        };
        assert_eq!(admitted.roles, ["CLIENT".into(), "OPERATOR".into()].into());
    }

    #[test]
    fn without_a_certificate_or_a_name_in_it_others_decide() {
        let config = CertificateConfig::default;
        assert!(matches!(ask(config(), "", None), Answer::Abstain));
        assert!(matches!(asked(config(), "", None), Answer::Abstain));
        assert!(matches!(asked(config(), "", Some("")), Answer::Abstain));
        assert!(matches!(ask(config(), "", Some(vec![1, 2, 3].into())), Answer::Abstain));
    }
}
