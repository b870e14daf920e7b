//! A server with two listeners, one with TLS and one without, and a client that trusts its certificate.

use std::error::Error;
use std::fs;
use std::io;
use std::sync::Arc;

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;

use crate::servers::Programs;
use crate::servers::Running;
use crate::servers::free_address;
use crate::target::Target;

/// Starts the server; its own target is the listener without TLS, the other one that with it.
pub(crate) fn start(programs: &Programs) -> io::Result<(Running, Target)> {
    let signed = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])
        .map_err(io::Error::other)?;
    fs::create_dir_all(&programs.folder)?;
    let folder = fs::canonicalize(&programs.folder)?;
    fs::write(folder.join("certificate.pem"), signed.cert.pem())?;
    fs::write(folder.join("key.pem"), signed.signing_key.serialize_pem())?;
    let (plain, encrypted) = (free_address()?, free_address()?);
    let file = folder.join("tls.toml");
    let text = format!(
        "[[listener]]\naddress = \"{encrypted}\"\ncertificate = \"certificate.pem\"\nkey = \"key.pem\"\n\n\
         [[listener]]\naddress = \"{plain}\"\n"
    );
    fs::write(&file, text)?;
    // They are opened in this order, so the other one is there when this one is.
    let server = programs.start_with(&file, plain)?;
    let connector = connector(signed.cert.der()).map_err(io::Error::other)?;
    let mut target = server.target.called("antiphon tls");
    (target.address, target.tls) = (encrypted, Some(connector));
    Ok((server, target))
}

fn connector(
    certificate: &CertificateDer<'static>,
) -> Result<TlsConnector, Box<dyn Error + Send + Sync>> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone())?;
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
