//! Serving until told to stop, and not much longer.

use std::{io, time::Duration};

use axum::Router;
use tokio_util::sync::CancellationToken;

use crate::{Listener, Peer};

/// Why serving ended before it was told to.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP listener failed")]
pub struct ServeError(#[source] io::Error);

/// Serves until the token is cancelled; then takes no new connections, and gives the requests under way
/// `drain_timeout` to end. Idle connections do not hold it up: they are closed at once.
///
/// # Errors
///
/// [`ServeError`] if the listener fails. Requests that are cut off are logged, not an error.
pub async fn serve(
    listener: Listener,
    router: Router,
    shutdown: CancellationToken,
    drain_timeout: Duration,
) -> Result<(), ServeError> {
    let deadline = {
        let shutdown = shutdown.clone();
        async move {
            shutdown.cancelled().await;
            tokio::time::sleep(drain_timeout).await;
        }
    };
    let service = router.into_make_service_with_connect_info::<Peer>();
    let server = axum::serve(listener, service).with_graceful_shutdown(shutdown.cancelled_owned());
    tokio::select! {
        ended = server => ended.map_err(ServeError),
        () = deadline => {
            tracing::warn!(drain_timeout_ms = drain_timeout.as_millis(), "requests under way were cut off");
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{future, net::SocketAddr, sync::Arc};

    use axum::routing::get;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
        sync::Notify,
        task::JoinHandle,
    };

    use super::*;

    struct Server {
        address: SocketAddr,
        reached: Arc<Notify>,
        shutdown: CancellationToken,
        task: JoinHandle<Result<(), ServeError>>,
    }

    /// Serves `/now`, and `/never`, which says that it was reached and then does not answer.
    async fn server(drain_timeout: Duration) -> Server {
        let listener = Listener::new(TcpListener::bind("127.0.0.1:0").await.unwrap(), None).unwrap();
        let address = listener.address();
        let (reached, shutdown) = (Arc::new(Notify::new()), CancellationToken::new());
        let never = {
            let reached = Arc::clone(&reached);
            get(move || async move {
                reached.notify_one();
                future::pending::<String>().await
            })
        };
        let router = Router::new().route("/now", get(async || "now")).route("/never", never);
        let task = tokio::spawn(serve(listener, router, shutdown.clone(), drain_timeout));
        Server { address, reached, shutdown, task }
    }

    async fn send(address: SocketAddr, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: here\r\n\r\n").as_bytes()).await.unwrap();
        stream
    }

    #[tokio::test]
    async fn an_idle_connection_does_not_hold_it_up() {
        let server = server(Duration::from_mins(10)).await;
        let mut idle = send(server.address, "/now").await;
        let mut answer = [0; 512];
        let length = idle.read(&mut answer).await.unwrap();
        assert!(answer[..length].starts_with(b"HTTP/1.1 200"));

        server.shutdown.cancel();

        server.task.await.unwrap().unwrap();
        assert!(TcpStream::connect(server.address).await.is_err());
    }

    #[tokio::test]
    async fn a_request_that_does_not_end_is_cut_off_at_the_deadline() {
        let server = server(Duration::from_millis(50)).await;
        let _open = send(server.address, "/never").await;
        server.reached.notified().await;

        server.shutdown.cancel();

        server.task.await.unwrap().unwrap();
    }
}
