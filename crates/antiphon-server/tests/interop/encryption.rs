//! TLS for servers under test: one authority for the whole process, since an SDK reads whom it trusts when it starts.

use std::path::PathBuf;
use std::sync::OnceLock;

use antiphon_server::ListenerConfig;
use rcgen::BasicConstraints;
use rcgen::CertificateParams;
use rcgen::DnType;
use rcgen::IsCa;
use rcgen::Issuer;
use rcgen::KeyPair;
use tempfile::TempDir;

struct Encryption {
    folder: TempDir,
}

/// The file with the authority that agents trust.
pub(crate) fn authority() -> PathBuf {
    encryption().folder.path().join("authority.pem")
}

/// A listener on a free port of this host with a certificate that agents trust.
pub(crate) fn listener() -> ListenerConfig {
    let folder = encryption().folder.path();
    let address = "127.0.0.1:0".parse().expect("a socket address");
    ListenerConfig::tls(address, folder.join("server.pem"), folder.join("server.key"))
}

fn encryption() -> &'static Encryption {
    static ENCRYPTION: OnceLock<Encryption> = OnceLock::new();
    ENCRYPTION.get_or_init(|| generate().expect("certificates can be made"))
}

fn generate() -> Result<Encryption, Box<dyn std::error::Error>> {
    let folder = TempDir::new()?;
    let (authority_key, key) = (KeyPair::generate()?, KeyPair::generate()?);
    let mut params = CertificateParams::new(Vec::new())?;
    // A certificate with the same name as its issuer's counts as its own issuer for OpenSSL.
    params.distinguished_name.push(DnType::CommonName, "authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&authority_key)?;
    let own = CertificateParams::new(vec!["127.0.0.1".to_owned()])?;
    let own = own.signed_by(&key, &Issuer::new(params, authority_key))?;
    for (name, text) in [
        ("authority.pem", authority.pem()),
        ("server.pem", own.pem()),
        ("server.key", key.serialize_pem()),
    ] {
        std::fs::write(folder.path().join(name), text)?;
    }
    Ok(Encryption { folder })
}
