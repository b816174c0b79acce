//! Clients that speak TLS, and what the server says to them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore, SupportedProtocolVersion};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use super::authority::{Authority, Pair};

/// An HTTP/2 client's first words: the preface and empty settings.
const FIRST_WORDS: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// Shakes hands by one version of TLS.
pub async fn shake_by(
    version: &'static SupportedProtocolVersion,
    address: SocketAddr,
    trusted: &Authority,
    identity: Option<&Pair>,
) -> io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusted.pem.as_bytes()).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(pair) => {
            let chain = vec![CertificateDer::from(pair.der.clone())];
            builder
                .with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap())
                .unwrap()
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = TcpStream::connect(address).await?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await
}

/// Shakes hands.
pub async fn shake(address: SocketAddr, trusted: &Authority) -> io::Result<TlsStream<TcpStream>> {
    shake_by(&TLS13, address, trusted, None).await
}

/// The certificate that a new connection is shown.
pub async fn shown(address: SocketAddr, trusted: &Authority) -> Option<Vec<u8>> {
    let stream = shake(address, trusted).await.ok()?;
    Some(stream.get_ref().1.peer_certificates()?.first()?.to_vec())
}

/// How the server takes a client: `served`, the name of the alert that it sends, or how else the connection ended.
pub async fn taken_by(
    version: &'static SupportedProtocolVersion,
    address: SocketAddr,
    trusted: &Authority,
    identity: Option<&Pair>,
) -> String {
    let first = async {
        let mut stream = shake_by(version, address, trusted, identity).await?;
        // By TLS 1.3 a client is refused only after it has begun to speak.
        stream.write_all(FIRST_WORDS).await?;
        stream.flush().await?;
        let mut head = [0; 9];
        stream.read_exact(&mut head).await?;
        Ok::<_, io::Error>(head[3])
    };
    match first.await {
        Ok(4) => "served".to_owned(),
        Ok(kind) => format!("a frame of type {kind}"),
        Err(error) => match error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>()) {
            Some(rustls::Error::AlertReceived(alert)) => format!("{alert:?}"),
            Some(error) => error.to_string(),
            None => error.to_string(),
        },
    }
}

/// A connection as gRPC clients make it.
pub async fn channel(
    address: SocketAddr,
    trusted: &Authority,
    identity: Option<&Pair>,
) -> Result<Channel, tonic::transport::Error> {
    let mut tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(&trusted.pem))
        .domain_name("localhost".to_owned());
    if let Some(pair) = identity {
        tls = tls.identity(Identity::from_pem(&pair.certificate, &pair.key));
    }
    Endpoint::from_shared(format!("https://{address}"))?.tls_config(tls)?.connect().await
}
