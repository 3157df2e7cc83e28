//! Notices while a request is under way that the database is gone.
//!
//! A server that is stopped, or cut off, does not refuse: it says nothing. The limits of statements and of the pool are
//! there for statements that take long, and would let a client wait for many seconds. So whoever waits for longer than
//! usual has the database asked whether it is there, on a connection that nothing slow is done on: a request that takes
//! long because there is much to do goes on.

use std::time::Duration;

use crate::Readiness;

/// How long an answer usually takes, at most.
const USUAL: Duration = Duration::from_millis(800);
/// How long the database may take to say that it is there. Together with the above it stays well under two seconds.
const ANSWERS_WITHIN: Duration = Duration::from_millis(600);

/// Ends when the database is found to be gone; for ever, while it is there.
pub(crate) async fn begun(readiness: &dyn Readiness) {
    loop {
        tokio::time::sleep(USUAL).await;
        let is_there = tokio::time::timeout(ANSWERS_WITHIN, readiness.is_database_there()).await;
        if !is_there.unwrap_or(false) {
            tracing::warn!("the database does not answer");
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use tokio::time::{Instant, timeout};

    use super::*;
    use crate::Check;

    enum Database {
        Hangs,
        Refuses,
        Answers,
    }

    #[async_trait]
    impl Readiness for Database {
        async fn check(&self) -> Vec<Check> {
            Vec::new()
        }

        async fn is_database_there(&self) -> bool {
            match self {
                Self::Hangs => std::future::pending().await,
                Self::Refuses => false,
                Self::Answers => true,
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_database_that_is_gone_is_found_out_within_two_seconds() {
        for database in [Database::Hangs, Database::Refuses] {
            let began = Instant::now();
            begun(&database).await;
            assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_database_that_answers_is_waited_for_however_long_it_takes() {
        assert!(timeout(Duration::from_hours(1), begun(&Database::Answers)).await.is_err());
    }
}
