//! The API over TLS.

use std::sync::Arc;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};

use crate::turbocat::{Folder, Turbocat, within};

/// Asks for a path over TLS, and returns the whole answer.
async fn get(address: &str, path: &str, certificate: &str) -> String {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
    let connector = TlsConnector::from(Arc::new(config.with_no_client_auth()));
    within("the server answers", async {
        let stream = TcpStream::connect(address).await.unwrap();
        let mut stream = connector.connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap();
        let request = format!("GET {path} HTTP/1.0\r\nhost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    })
    .await
}

#[tokio::test]
async fn with_a_certificate_the_server_speaks_tls_alone_and_says_so_to_browsers() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = Folder::new("tls");
    let certificate = folder.write("chain.pem", &made.cert.pem());
    let key = folder.write("key.pem", &made.signing_key.serialize_pem());
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let of_another = folder.write("other.pem", &other.signing_key.serialize_pem());
    let turbocat = Turbocat::with_database().await;
    let listen = ["up", "--listen", "127.0.0.1:0"];
    let refused = [&listen[..], &["--tls-cert", &certificate, "--tls-key", &of_another]].concat();
    let refused = turbocat.run(&refused).await.failure();
    assert!(refused.stderr.contains("other.pem") && refused.stderr.contains("do not serve"), "{}", refused.stderr);

    let turbocat = turbocat.with_environment(&[("TURBOCAT_TLS_CERT", &certificate), ("TURBOCAT_TLS_KEY", &key)]);
    let (server, address) = turbocat.up().await;
    let answer = get(&address, "/health", &made.cert.pem()).await;
    assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
    assert!(answer.contains("strict-transport-security: max-age=31536000"), "{answer}");
    let mut plain = TcpStream::connect(&address).await.unwrap();
    plain.write_all(b"GET /health HTTP/1.0\r\n\r\n").await.unwrap();
    let mut told = Vec::new();
    // It may be told so by a reset.
    let _hung_up = within("it hangs up", plain.read_to_end(&mut told)).await;
    assert!(!told.starts_with(b"HTTP"), "nothing is answered in the clear");
    server.signal("TERM").await;
    assert_eq!(server.end().await.code(), Some(0));
}
