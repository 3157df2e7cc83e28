//! The listener, with TLS or without.
//!
//! # Invariants
//!
//! 1. A client that does not finish its handshake keeps nobody else waiting, and not itself for long.

use std::{io, net::SocketAddr, pin::Pin, sync::Arc, task, time::Duration};

use axum::{
    extract::connect_info::Connected,
    serve::{IncomingStream, Listener as Serves},
};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::task::AbortOnDropHandle;

/// How long a handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How many handshakes are under way at once; the others wait.
const HANDSHAKES_MAX: usize = 256;

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file of the certificate has none.
    #[error("there is no certificate in PEM in it")]
    NoCertificate,
    /// The file of the key has none.
    #[error("there is no private key in PEM in it")]
    NoKey,
    /// They do not fit together, or are of a kind that is not known.
    #[error("the certificate and the key do not serve")]
    Refused(#[source] rustls::Error),
}

/// A certificate with its chain, and its key.
#[derive(Debug, Clone)]
pub struct Tls(Arc<ServerConfig>);

impl Tls {
    /// Reads a chain of certificates and a key, both in PEM.
    ///
    /// # Errors
    ///
    /// [`TlsError`] if one of them is none, or they do not belong together.
    pub fn from_pem(certificate: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(certificate).filter_map(Result::ok).collect();
        if chain.is_empty() {
            return Err(TlsError::NoCertificate);
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| TlsError::NoKey)?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Refused)?;
        let mut config = config.with_no_client_auth().with_single_cert(chain, key).map_err(TlsError::Refused)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }
}

/// Where a request came from.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

impl Connected<IncomingStream<'_, Listener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Listener>) -> Self {
        Self(*stream.remote_addr())
    }
}

/// Takes connections.
pub struct Listener {
    address: SocketAddr,
    from: From,
}

enum From {
    Plain(TcpListener),
    /// Connections whose handshake is done, and the task that does them.
    Tls {
        inbox: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
        _task: AbortOnDropHandle<()>,
    },
}

impl Listener {
    /// Takes the connections of a socket, and has them speak TLS if there is a certificate. Must be called inside of a
    /// Tokio runtime.
    ///
    /// # Errors
    ///
    /// If the socket does not know its address.
    pub fn new(socket: TcpListener, tls: Option<Tls>) -> io::Result<Self> {
        let address = socket.local_addr()?;
        let from = match tls {
            None => From::Plain(socket),
            Some(tls) => {
                let (done, inbox) = mpsc::channel(1);
                From::Tls { inbox, _task: AbortOnDropHandle::new(tokio::spawn(shake_hands(socket, tls, done))) }
            }
        };
        Ok(Self { address, from })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Takes connections and does their handshakes, many at once.
async fn shake_hands(mut socket: TcpListener, tls: Tls, done: mpsc::Sender<(TlsStream<TcpStream>, SocketAddr)>) {
    let (acceptor, places) = (TlsAcceptor::from(tls.0), Arc::new(Semaphore::new(HANDSHAKES_MAX)));
    // It is never closed.
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        let (stream, peer) = Serves::accept(&mut socket).await;
        tokio::spawn(shake(acceptor.accept(stream), (peer, place), done.clone()));
    }
}

async fn shake(
    handshake: tokio_rustls::Accept<TcpStream>,
    (peer, _place): (SocketAddr, OwnedSemaphorePermit),
    done: mpsc::Sender<(TlsStream<TcpStream>, SocketAddr)>,
) {
    match tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake).await {
        // A listener that is gone takes nobody any more.
        Ok(Ok(stream)) => drop(done.send((stream, peer)).await),
        Ok(Err(error)) => tracing::debug!(%peer, %error, "a client does not speak TLS with this server"),
        Err(_elapsed) => tracing::debug!(%peer, "a client does not end its handshake"),
    }
}

impl Serves for Listener {
    type Io = Stream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Stream, SocketAddr) {
        match &mut self.from {
            From::Plain(socket) => {
                let (stream, peer) = Serves::accept(socket).await;
                (Stream::Plain(stream), peer)
            }
            From::Tls { inbox, .. } => match inbox.recv().await {
                Some((stream, peer)) => (Stream::Tls(Box::new(stream)), peer),
                // The task ends with this listener alone.
                None => std::future::pending().await,
            },
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

/// A connection.
#[derive(Debug)]
pub enum Stream {
    /// As it is.
    Plain(TcpStream),
    /// Within TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> task::Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
        bytes: &[u8],
    ) -> task::Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut task::Context<'_>) -> task::Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut task::Context<'_>) -> task::Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::{Router, routing::get};
    use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio_rustls::TlsConnector;
    use tokio_util::sync::CancellationToken;

    use super::*;

    /// A certificate of this machine alone, and its key.
    fn certificate() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    fn connector(certificate: &str) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
        TlsConnector::from(Arc::new(config.with_no_client_auth()))
    }

    #[tokio::test]
    async fn a_client_that_does_not_shake_hands_keeps_nobody_waiting() {
        let (certificate, key) = certificate();
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tls = Tls::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap();
        let listener = Listener::new(socket, Some(tls)).unwrap();
        let (address, shutdown) = (listener.address(), CancellationToken::new());
        let router = Router::new().route("/now", get(async || "now"));
        let served = tokio::spawn(crate::serve(listener, router, shutdown.clone(), Duration::from_millis(50)));
        let silent = TcpStream::connect(address).await.unwrap();
        let mut wrong = TcpStream::connect(address).await.unwrap();
        wrong.write_all(b"GET /now HTTP/1.1\r\nhost: here\r\n\r\n").await.unwrap();

        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = connector(&certificate).connect(name, stream).await.unwrap();
        stream.write_all(b"GET /now HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();

        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("now"), "{answer}");
        let mut told = Vec::new();
        // Who is hung up on in the middle of its words may be told so by a reset.
        let _hung_up = wrong.read_to_end(&mut told).await;
        assert!(!told.starts_with(b"HTTP"), "nothing is answered in the clear");
        shutdown.cancel();
        served.await.unwrap().unwrap();
        drop(silent);
    }

    #[test]
    fn what_is_no_certificate_is_an_error() {
        let (one, other) = (certificate(), certificate());
        let read = |certificate: &str, key: &str| Tls::from_pem(certificate.as_bytes(), key.as_bytes());

        assert!(read(&one.0, &one.1).is_ok());
        assert!(matches!(read("nothing", &one.1), Err(TlsError::NoCertificate)));
        assert!(matches!(read(&one.0, "nothing"), Err(TlsError::NoKey)));
        assert!(matches!(read(&one.0, &other.1), Err(TlsError::Refused(_))));
    }
}
