//! Hints that something is to be done, from process to process.

use std::time::Duration;

use sqlx::postgres::{PgListener, PgPool, PgPoolOptions};
use tokio::sync::watch;
use turbocat_domain::port::Result;

use crate::{connect::ConnectOptions, error::ErrorContext};

const CHANNEL: &str = "turbocat_wake";
const ENTITY: &str = "hint";
/// The pause before a listener that was lost is asked again.
const RECONNECT_PAUSE: Duration = Duration::from_secs(1);

/// Receives hints. Those that come in while nobody waits are one hint; a hint that is lost with its connection is
/// made up for by one more.
#[derive(Debug)]
pub struct Wakeups {
    hints: watch::Receiver<u64>,
}

impl Wakeups {
    /// Waits for the next hint. Never ends while the runtime lives; may be dropped and called again.
    pub async fn next(&mut self) {
        if self.hints.changed().await.is_err() {
            // The task that listens ends with the runtime only.
            std::future::pending::<()>().await;
        }
    }

    pub(crate) async fn listen(options: &ConnectOptions) -> Result<Self> {
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .connect_with(options.session()?)
            .await
            .about(ENTITY)?;
        let listener = listener(&pool).await.about(ENTITY)?;
        let (sender, hints) = watch::channel(0);
        tokio::spawn(async move {
            tokio::select! {
                () = sender.closed() => {}
                () = forward(&pool, listener, &sender) => {}
            }
        });
        Ok(Self { hints })
    }
}

async fn listener(pool: &PgPool) -> sqlx::Result<PgListener> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    Ok(listener)
}

/// Forwards hints for ever.
async fn forward(pool: &PgPool, mut source: PgListener, hints: &watch::Sender<u64>) {
    loop {
        let received = source.try_recv().await;
        // `Ok(None)` is a connection that was lost and is back: hints may have been lost with it.
        hints.send_modify(|count| *count = count.wrapping_add(1));
        if let Err(error) = received {
            tracing::warn!(%error, "the listener for hints was lost");
            source = reconnect(pool, source).await;
        }
    }
}

/// Replaces a listener whose connection is of no use any more.
async fn reconnect(pool: &PgPool, lost: PgListener) -> PgListener {
    drop(lost);
    loop {
        tokio::time::sleep(RECONNECT_PAUSE).await;
        match listener(pool).await {
            Ok(listener) => return listener,
            Err(error) => tracing::debug!(%error, "the listener for hints cannot be replaced yet"),
        }
    }
}
