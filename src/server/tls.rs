//! TLS that ends here: versions, protocols, client certificates, and files that are read again when they change.
//!
//! The files are compared by content, so that it does not matter how they are replaced: in place, by rename, or by the
//! symbolic link that Kubernetes turns over for all of a secret's files at once.
//!
//! **Invariant:** what is in force was whole when it was read; what is broken or half written never replaces it.

mod validity;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier};
use tokio_rustls::rustls::{self, RootCertStore, ServerConfig};

use crate::clock::{Clock, Instant, Timestamp};
use crate::config::{TlsFiles, tls_file};
use validity::Validity;

/// How often the files are looked at. They are a few kilobytes, and a new certificate is in force within a second.
const INTERVAL: Duration = Duration::from_millis(500);

/// A certificate that ends sooner than this should have been renewed: those of 90 days are, at 30.
const RENEWAL: Duration = Duration::from_secs(14 * 86_400);

/// How often the end of a certificate is spoken of.
const REMINDER: Duration = Duration::from_secs(86_400);

/// What the server speaks, the first that the client speaks too.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Why TLS cannot be had from the files.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read.
    #[error("`{file}` cannot be read: {error}")]
    Read {
        /// The file.
        file: String,
        /// Why.
        error: Arc<io::Error>,
    },
    /// A file is not what it should be.
    #[error("`{file}` holds no {wanted} in PEM")]
    Pem {
        /// The file.
        file: String,
        /// What it should hold.
        wanted: &'static str,
        /// Why it does not; `None` if it is just not there.
        #[source]
        error: Option<Arc<pem::Error>>,
    },
    /// The roots for clients are none.
    #[error("`{file}` holds a certificate that cannot be a root")]
    Roots {
        /// The file.
        file: String,
        /// Why.
        #[source]
        error: VerifierBuilderError,
    },
    /// Certificate and key are not of each other, or of a kind that is not known.
    #[error("certificate and key cannot be used")]
    Pair(#[source] rustls::Error),
}

/// TLS as it is in force. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tls(Arc<InForce>);

#[derive(Debug)]
struct InForce {
    config: ArcSwap<ServerConfig>,
    /// Until when the certificate is valid, in microseconds since 1970; 0 if it does not say.
    until: AtomicI64,
}

impl Tls {
    /// Reads the files; the future reads them again for as long as it is polled.
    ///
    /// # Errors
    /// When they cannot be used.
    pub async fn load(
        files: TlsFiles,
        clock: Clock,
    ) -> Result<(Self, impl Future<Output = ()> + Send + 'static), Error> {
        let contents = Contents::read(&files).await?;
        let made = make(&files, &contents)?;
        let in_force = InForce { config: ArcSwap::from_pointee(made.config), until: AtomicI64::new(0) };
        let tls = Self(Arc::new(in_force));
        tls.is_valid_until(made.validity);
        let watch =
            Watch { tls: tls.clone(), files, clock, contents, validity: made.validity, trouble: None };
        Ok((tls, watch.run()))
    }

    /// For a connection that is about to shake hands.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.0.config.load_full())
    }

    /// When the certificate in force ends; `None` if that cannot be read.
    pub(super) fn until(&self) -> Option<Timestamp> {
        let micros = self.0.until.load(Ordering::Relaxed);
        (micros != 0).then(|| Timestamp::from_micros(micros))
    }

    fn is_valid_until(&self, validity: Option<Validity>) {
        self.0.until.store(validity.map_or(0, |it| it.until.as_micros()), Ordering::Relaxed);
    }
}

/// What the files hold.
#[derive(PartialEq, Eq)]
struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

impl Contents {
    async fn read(files: &TlsFiles) -> Result<Self, Error> {
        Ok(Self {
            certificate: read(&files.certificate).await?,
            key: read(&files.key).await?,
            client_ca: match &files.client_ca {
                Some(path) => Some(read(path).await?),
                None => None,
            },
        })
    }
}

async fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let path = path.to_owned();
    let file = shown(&path);
    let read =
        tokio::task::spawn_blocking(move || tls_file(&path)).await.unwrap_or_else(|error| Err(error.into()));
    read.map_err(|error| Error::Read { file, error: Arc::new(error) })
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// Made from the files and not yet in force.
struct Made {
    config: ServerConfig,
    /// Of the server's certificate, where it can be read.
    validity: Option<Validity>,
}

fn make(files: &TlsFiles, contents: &Contents) -> Result<Made, Error> {
    let chain = certificates(&files.certificate, &contents.certificate)?;
    let key = PrivateKeyDer::from_pem_slice(&contents.key).map_err(|error| Error::Pem {
        file: shown(&files.key),
        wanted: "private key",
        error: Some(Arc::new(error)),
    })?;
    let validity = chain.first().and_then(|leaf| Validity::of(leaf));
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(Error::Pair)?;
    let roots = files.client_ca.as_deref().zip(contents.client_ca.as_deref());
    let builder = match roots {
        None => builder.with_no_client_auth(),
        Some((path, pem)) => {
            let mut store = RootCertStore::empty();
            let refused = |error| Error::Roots { file: shown(path), error };
            for root in certificates(path, pem)? {
                store.add(root).map_err(|_| refused(VerifierBuilderError::NoRootAnchors))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(store), provider);
            builder.with_client_cert_verifier(verifier.build().map_err(refused)?)
        }
    };
    let mut config = builder.with_single_cert(chain, key).map_err(Error::Pair)?;
    config.alpn_protocols = PROTOCOLS.iter().map(|name| name.to_vec()).collect();
    if roots.is_some() {
        // A session that is taken up again shows no certificate, which may have ended since.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Ok(Made { config, validity })
}

fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let none = |error| Error::Pem { file: shown(path), wanted: "certificate", error };
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(|error| none(Some(Arc::new(error))))?;
    if found.is_empty() { Err(none(None)) } else { Ok(found) }
}

/// Looks at the files from time to time.
struct Watch {
    tls: Tls,
    files: TlsFiles,
    clock: Clock,
    /// What is in force was made of this.
    contents: Contents,
    validity: Option<Validity>,
    /// What is wrong with the files now, and how often in a row it was.
    trouble: Option<(String, u32)>,
}

impl Watch {
    async fn run(mut self) {
        let mut reminded = self.remind();
        loop {
            tokio::time::sleep(INTERVAL).await;
            if self.look().await || self.clock.instant().since(reminded) >= REMINDER {
                reminded = self.remind();
            }
        }
    }

    /// Takes over what the files hold; answers whether that is something else.
    async fn look(&mut self) -> bool {
        let made = match Contents::read(&self.files).await {
            Ok(contents) if contents == self.contents => {
                self.trouble = None;
                return false;
            }
            Ok(contents) => make(&self.files, &contents).map(|made| (contents, made)),
            Err(error) => Err(error),
        };
        match made {
            Ok((contents, made)) => {
                self.tls.0.config.store(Arc::new(made.config));
                self.tls.is_valid_until(made.validity);
                (self.contents, self.validity, self.trouble) = (contents, made.validity, None);
                tracing::info!("the files of TLS have changed and are in force for new connections");
                true
            }
            Err(error) => {
                self.complain(causes(&error));
                false
            }
        }
    }

    /// Says what is wrong, once, and only if it stays: files that are replaced one after the other do not fit for a
    /// moment.
    fn complain(&mut self, trouble: String) {
        let times = match &self.trouble {
            Some((last, times)) if *last == trouble => times.saturating_add(1),
            Some(_) | None => 1,
        };
        if times == 2 {
            tracing::error!(
                error = trouble,
                "the new files of TLS cannot be used; those before stay in force"
            );
        }
        self.trouble = Some((trouble, times));
    }

    /// Says until when the certificate is valid, the louder the nearer; answers when that was said.
    fn remind(&self) -> Instant {
        let now = self.clock.now();
        match self.validity {
            None => tracing::warn!("the certificate's validity cannot be read"),
            Some(Validity { from, .. }) if from > now => {
                tracing::error!(%from, "the certificate is not valid yet; clients will refuse it");
            }
            Some(Validity { until, .. }) if until < now => {
                tracing::error!(%until, "the certificate has expired; clients will refuse it");
            }
            Some(Validity { until, .. }) if until < now.plus(RENEWAL) => {
                tracing::warn!(%until, "the certificate ends soon and was not renewed");
            }
            Some(Validity { until, .. }) => tracing::info!(%until, "the certificate is valid"),
        }
        self.clock.instant()
    }
}

/// An error with what caused it, on one line.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(deeper) = next {
        text.push_str(": ");
        text.push_str(&deeper.to_string());
        next = deeper.source();
    }
    text
}

#[cfg(test)]
mod tests;
