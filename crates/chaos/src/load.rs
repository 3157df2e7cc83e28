//! The load: orders are sent one after the other, a bounded number of them under way, and each is followed until it
//! has ended. Who sends an order remembers what was answered.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::join_all;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use turbocat_domain::port::IdGenerator;
use uuid::Uuid;

use crate::{
    adapter::UuidV7,
    evidence::{Order, Sent},
    fault::World,
    message::{Answer, Event, Wish},
    program::Program,
};

/// How often it is asked what has ended.
const FOLLOW: Duration = Duration::from_millis(150);
/// The pause before something is sent again of which the outcome is not known.
const AGAIN: Duration = Duration::from_millis(100);
/// The name of the event that is a decision.
const APPROVAL: &str = "approval";

/// How much is to be done at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Executions under way.
    pub(crate) in_flight: usize,
    /// The pause between two orders.
    pub(crate) pause: Duration,
}

/// The load. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Load(Arc<Desk>);

struct Desk {
    world: Arc<World>,
    sent: Mutex<Vec<Sent>>,
    /// What was accepted and has not ended, and its place among those under way.
    open: Mutex<HashMap<Uuid, OwnedSemaphorePermit>>,
    refused: Mutex<Vec<String>>,
    tasks: TaskTracker,
    /// Cancelled when what is not answered is given up.
    over: CancellationToken,
}

impl Load {
    /// A load on these processes.
    pub(crate) fn new(world: Arc<World>) -> Self {
        Self(Arc::new(Desk {
            world,
            sent: Mutex::default(),
            open: Mutex::default(),
            refused: Mutex::default(),
            tasks: TaskTracker::new(),
            over: CancellationToken::new(),
        }))
    }

    /// Sends orders until it is told to stop. What was sent goes on.
    pub(crate) async fn send(&self, program: &Program, pace: Pace, stop: &CancellationToken) {
        let places = Arc::new(Semaphore::new(pace.in_flight));
        for number in 0.. {
            let permit = tokio::select! {
                () = stop.cancelled() => return,
                permit = Arc::clone(&places).acquire_owned() => permit,
            };
            let Ok(permit) = permit else { return };
            let order = program.order(number);
            let index = self.0.begin(&order);
            let desk = Arc::clone(&self.0);
            self.0.tasks.spawn(async move { desk.see_through(index, order, permit).await });
            if !pace.pause.is_zero() {
                tokio::time::sleep(pace.pause).await;
            }
        }
    }

    /// Asks again and again what has ended, until it is told to stop.
    pub(crate) async fn follow(&self, stop: &CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(FOLLOW) => {}
            }
            let open: Vec<Uuid> = lock(&self.0.open).keys().copied().collect();
            let ended = "SELECT id FROM executions WHERE id = ANY ($1) AND status NOT IN ('pending', 'running')";
            let asked = sqlx::query_scalar::<_, Uuid>(ended).bind(open).fetch_all(&self.0.world.database.pool);
            // A server that does not answer is asked again.
            let ended = asked.await.unwrap_or_default();
            let mut open = lock(&self.0.open);
            for id in ended {
                open.remove(&id);
            }
        }
    }

    /// Whether everything that was sent is answered, and has ended.
    pub(crate) fn is_settled(&self) -> bool {
        self.0.tasks.is_empty() && lock(&self.0.open).is_empty()
    }

    /// Gives up what is not answered.
    pub(crate) async fn give_up(&self) {
        self.0.over.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    /// How many orders were accepted, and how many of those go on.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (lock(&self.0.sent).iter().filter(|sent| sent.is_accepted).count(), lock(&self.0.open).len())
    }

    /// What was sent, and what was answered.
    ///
    /// # Errors
    ///
    /// If something was refused for good: then the load is wrong, or the system is.
    pub(crate) fn sent(&self) -> anyhow::Result<Vec<Sent>> {
        match lock(&self.0.refused).first() {
            Some(refusal) => anyhow::bail!("something was refused that should not be: {refusal}"),
            None => Ok(lock(&self.0.sent).clone()),
        }
    }
}

impl Desk {
    fn begin(&self, order: &Order) -> usize {
        let mut sent = lock(&self.sent);
        sent.push(Sent {
            order: order.clone(),
            is_accepted: false,
            is_cancel_answered: false,
            events_answered: vec![false; order.events.len() + order.approvals.len()],
        });
        sent.len() - 1
    }

    /// Sends an order until it is accepted, and then what else is to be done to it.
    async fn see_through(&self, index: usize, order: Order, place: OwnedSemaphorePermit) {
        if self.insist(|| Wish::Accept(Box::new(order.clone()))).await != Some(Answer::Done) {
            return;
        }
        let accepted_at = Instant::now();
        lock(&self.open).insert(order.id, place);
        self.note(index, |sent| sent.is_accepted = true);
        let id = order.id;
        let cancel = async {
            let Some(after_ms) = order.cancel_after_ms else { return };
            tokio::time::sleep_until(accepted_at + Duration::from_millis(after_ms)).await;
            let is_answered = self.insist(|| Wish::Cancel(id)).await == Some(Answer::Done);
            self.note(index, |sent| sent.is_cancel_answered = is_answered);
        };
        let events = order.events.into_iter().map(|(after_ms, name, payload)| (after_ms, name, payload, None));
        let decisions = order
            .approvals
            .into_iter()
            .map(|(after_ms, path, payload)| (after_ms, APPROVAL.to_owned(), payload, Some((id, path))));
        let events =
            events.chain(decisions).enumerate().map(|(number, (after_ms, name, payload, target))| async move {
                let event = Event { id: UuidV7.next(), name, payload, target };
                tokio::time::sleep_until(accepted_at + Duration::from_millis(after_ms)).await;
                let is_answered = self.insist(|| Wish::Publish(event.clone())).await == Some(Answer::Done);
                self.note(index, |sent| {
                    if let Some(answered) = sent.events_answered.get_mut(number) {
                        *answered = is_answered;
                    }
                });
            });
        tokio::join!(cancel, join_all(events));
    }

    /// Asks until the outcome is known; `None` if that is given up.
    async fn insist(&self, wish: impl Fn() -> Wish) -> Option<Answer> {
        loop {
            let answer = tokio::select! {
                answer = self.world.fleet.ask(wish()) => answer,
                () = self.over.cancelled() => return None,
            };
            match answer {
                Answer::Unknown(why) => tracing::debug!(why, "an outcome is not known, asking again"),
                Answer::Refused(why) => {
                    lock(&self.refused).push(format!("{:?}: {why}", wish()));
                    return Some(Answer::Refused(why));
                }
                known => return Some(known),
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    fn note(&self, index: usize, change: impl FnOnce(&mut Sent)) {
        if let Some(sent) = lock(&self.sent).get_mut(index) {
            change(sent);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is locked here is whole after each statement.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
