//! Two stores side by side: whatever is asked of both, in whatever order, they answer alike.

mod batch;
mod insert;
mod view;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
};

use serde_json::json;
use turbocat_domain::{
    id::{ExecutionId, UserId, WorkerId},
    port::{
        ClaimRequest, Cursor, ExecutionFilter, IdGenerator, JournalBatch, LogFilter, NewEvent, PageRequest, Takeover,
    },
};

use self::{insert::Insert, view::answer};
use super::{
    ContractStore, Scene,
    scene::{far_future, far_past},
};
use crate::{
    builder::{LEASE_MS, a_line, a_worker, an_event},
    random::Random,
};

/// How often each thing was asked, and how often it mattered: a comparison of nothing proves nothing.
pub type Report = BTreeMap<&'static str, u64>;

/// Asks two empty stores the same things, chosen by a seed, and panics where their answers differ. At the end, all
/// that can be read of the two is compared. Returns what was asked.
pub async fn differential(one: &dyn ContractStore, other: &dyn ContractStore, seed: u64, steps: usize) -> Report {
    let scene = Scene::set(one).await;
    let stranger = scene.another_user(one).await;
    Scene::set(other).await.another_user(other).await;
    let mut pair = Pair {
        stores: [one, other],
        users: [scene.user.id, stranger.id],
        scene,
        random: Random::new(seed),
        context: format!("seed {seed}"),
        workers: Vec::new(),
        executions: Vec::new(),
        inserted: Vec::new(),
        parents: BTreeMap::new(),
        parked: BTreeSet::new(),
        owners: BTreeMap::new(),
        last: None,
        seq: 0,
        report: Report::new(),
    };
    for _ in 0..3 {
        pair.register().await;
    }
    for step in 0..steps {
        pair.context = format!("seed {seed}, step {step}");
        pair.step().await;
    }
    pair.context = format!("seed {seed}, at the end");
    pair.compare_all().await;
    pair.report
}

struct Pair<'a> {
    stores: [&'a dyn ContractStore; 2],
    scene: Scene,
    /// The owner of the scene, and somebody else.
    users: [UserId; 2],
    random: Random,
    /// Where it is, for the message of a failure.
    context: String,
    /// All that ever registered, and whether they are alive.
    workers: Vec<(WorkerId, bool)>,
    executions: Vec<ExecutionId>,
    /// The batches that were inserted, to be inserted again.
    inserted: Vec<Insert>,
    /// The parents of children, with the paths of the steps.
    parents: BTreeMap<ExecutionId, (ExecutionId, String)>,
    /// Those that nobody owns and that wait for their time.
    parked: BTreeSet<ExecutionId>,
    /// Who owns an execution.
    owners: BTreeMap<ExecutionId, WorkerId>,
    /// The last batch, to be sent again.
    last: Option<(WorkerId, JournalBatch)>,
    seq: u32,
    report: Report,
}

impl Pair<'_> {
    /// Asks both stores, compares their answers, and returns the one that they agree on.
    async fn ask<T: PartialEq + Debug>(&mut self, what: &'static str, ask: impl AsyncFn(&dyn ContractStore) -> T) -> T {
        let [one, other] = self.stores;
        let (first, second) = (ask(one).await, ask(other).await);
        assert_eq!(first, second, "{}: {what}", self.context);
        self.count(what, 1);
        first
    }

    fn count(&mut self, what: &'static str, times: usize) {
        *self.report.entry(what).or_default() += u64::try_from(times).unwrap_or(u64::MAX);
    }

    async fn step(&mut self) {
        for store in self.stores {
            store.tick().await;
        }
        match self.random.below(26) {
            0..=3 => self.insert().await,
            4..=7 => self.claim().await,
            8..=13 => self.commit().await,
            14 => self.take_mail().await,
            15 => self.cancel().await,
            16 => self.publish().await,
            17 => self.read_children().await,
            18 => self.take_over().await,
            19 => self.release_or_renew().await,
            20 => self.make_due().await,
            21 => self.append().await,
            22 => self.fold().await,
            23 => self.release_unknown().await,
            24 => self.pause_or_resume().await,
            _ => self.look().await,
        }
    }

    async fn register(&mut self) {
        let worker = a_worker(&self.scene.ids);
        self.ask("register", async |store| answer(store.register(&worker).await).map(|_| ())).await.unwrap();
        self.workers.push((worker.id, true));
    }

    async fn claim(&mut self) {
        let Some(worker) = self.any_worker() else { return };
        // All that is due: of two that are due since the same moment, a store may give either first.
        let request = ClaimRequest { worker, limit: 10_000 };
        let claimed = self.ask("claim", async |store| answer(store.claim(request).await).map(view::claims)).await;
        let claimed = claimed.unwrap();
        self.count("claimed", claimed.len());
        self.count("claimed with records", claimed.iter().filter(|one| !one.records.is_empty()).count());
        for one in claimed {
            self.parked.remove(&one.id);
            self.owners.insert(one.id, worker);
        }
    }

    async fn release_unknown(&mut self) {
        let Some(worker) = self.any_worker() else { return };
        let own: Vec<ExecutionId> = self.owned_by(worker);
        let known: Vec<ExecutionId> = own.into_iter().filter(|_| self.random.per_mille(700)).collect();
        let released = self.ask("release unknown", async |store| answer(store.release_unknown(worker, &known).await));
        let released = released.await.unwrap();
        self.count("released unknown", usize::try_from(released).unwrap());
        self.owners.retain(|id, owner| *owner != worker || known.contains(id));
    }

    async fn take_mail(&mut self) {
        let Some(worker) = self.any_worker() else { return };
        let mail = self.ask("take mail", async |store| {
            let mut mail = answer(store.take_mail(worker).await)?;
            mail.sort_by_key(|mail| mail.id);
            Ok::<_, &str>(mail)
        });
        let mail = mail.await.unwrap();
        self.count("mail taken", mail.len());
    }

    async fn cancel(&mut self) {
        let id = self.any_execution().unwrap_or_else(|| ExecutionId::from_uuid(self.scene.ids.next()));
        self.ask("cancel", async |store| answer(store.request_cancel(id).await)).await.unwrap();
    }

    async fn pause_or_resume(&mut self) {
        let id = self.any_execution().unwrap_or_else(|| ExecutionId::from_uuid(self.scene.ids.next()));
        let pauses = self.random.per_mille(500);
        let asked = self.ask("pause or resume", async |store| {
            let mut uow = answer(store.begin().await)?;
            let asked = if pauses { uow.executions().pause(id, None).await } else { uow.executions().resume(id).await };
            let asked = answer(asked)?;
            answer(uow.commit().await).map(|()| asked)
        });
        asked.await.unwrap();
    }

    async fn publish(&mut self) {
        let name = self.any_event();
        let target = self.any_execution().filter(|_| self.random.per_mille(300)).map(|id| (id, "a".to_owned()));
        let sender = self.any_user();
        let event = NewEvent { target, ..an_event(&self.scene.ids, sender, name) };
        let woken = self.ask("publish", async |store| answer(store.publish(&event).await)).await;
        self.count("woken by an event", usize::try_from(woken.unwrap()).unwrap());

        let id = self.any_execution().unwrap_or_else(|| ExecutionId::from_uuid(self.scene.ids.next()));
        let since = if self.random.per_mille(800) { far_past() } else { far_future() };
        let received =
            self.ask("received", async |store| answer(store.received(name, since, (id, "a")).await).map(view::events));
        let received = received.await.unwrap().len();
        self.count("events received", received);
    }

    async fn read_children(&mut self) {
        let parents = self.executions.clone();
        let ended =
            self.ask("ended children", async |store| answer(store.ended_children(&parents).await).map(view::children));
        let ended = ended.await.unwrap().len();
        self.count("children ended", ended);
    }

    async fn take_over(&mut self) {
        let (Some(dead), Some(finder)) = (self.any_worker(), self.any_worker()) else { return };
        for store in self.stores {
            store.expire_lease(dead).await;
        }
        let found = self.ask("take over", async |store| answer(store.take_over(finder).await)).await.unwrap();
        if found != Takeover::default() {
            self.count("executions taken over", usize::try_from(found.executions).unwrap());
            self.bury(dead).await;
        }
    }

    async fn release_or_renew(&mut self) {
        let Some(worker) = self.any_worker() else { return };
        if self.random.per_mille(300) {
            self.ask("release", async |store| answer(store.release(worker).await)).await.unwrap();
            self.bury(worker).await;
        } else {
            // The time of the grant is the store's own.
            let kind = async |store: &dyn ContractStore| {
                answer(store.renew(worker, LEASE_MS).await).map(|renewal| std::mem::discriminant(&renewal))
            };
            self.ask("renew", kind).await.unwrap();
        }
        self.ask("count live", async |store| answer(store.count_live().await)).await.unwrap();
    }

    /// Notes a death, and lets another come in when few are left.
    async fn bury(&mut self, dead: WorkerId) {
        for (worker, alive) in &mut self.workers {
            *alive &= *worker != dead;
        }
        self.owners.retain(|_, owner| *owner != dead);
        if self.workers.iter().filter(|(_, alive)| *alive).count() < 3 {
            self.register().await;
        }
    }

    async fn make_due(&mut self) {
        let parked: Vec<ExecutionId> = self.parked.iter().copied().collect();
        let Some(id) = self.random.pick(&parked).copied() else { return };
        for store in self.stores {
            store.make_due(id).await;
        }
        let due = self.ask("next due", async |store| answer(store.next_due().await).map(|due| due.execution.is_some()));
        due.await.unwrap();
    }

    async fn append(&mut self) {
        let known = self.any_execution().filter(|_| self.random.per_mille(800));
        let id = known.unwrap_or_else(|| ExecutionId::from_uuid(self.scene.ids.next()));
        let line = a_line(&self.scene.ids, id, "a line");
        self.ask("append", async |store| answer(store.append(std::slice::from_ref(&line)).await)).await.unwrap();
    }

    async fn fold(&mut self) {
        let folded = self.ask("fold", async |store| answer(store.fold().await)).await.unwrap();
        self.count("facts folded", usize::try_from(folded).unwrap());
        let workflow = self.scene.workflow.id;
        self.ask("workflow", async |store| answer(store.workflows().get(workflow).await)).await.unwrap();
        let agent = self.scene.agent.id;
        self.ask("agent", async |store| answer(store.agents().get(agent).await)).await.unwrap();
    }

    /// Reads all that there is of one execution.
    async fn look(&mut self) {
        if let Some(id) = self.any_execution() {
            self.look_at(id).await;
        }
    }

    async fn look_at(&mut self, id: ExecutionId) {
        self.ask("execution", async |store| answer(store.executions().get(id).await).map(view::execution)).await.ok();
        let records = self.ask("records", async |store| answer(store.executions().step_records(id).await)).await;
        let recorded = records.unwrap().len();
        self.count("records read", recorded);
        let log = self.ask("log", async |store| {
            let page = PageRequest { limit: 200, after: None };
            answer(store.executions().logs(id, &LogFilter::default(), page).await).map(|log| view::lines(log.items))
        });
        log.await.unwrap();
    }

    async fn compare_all(&mut self) {
        for id in self.executions.clone() {
            self.look_at(id).await;
        }
        let listed = self.ask("list", async |store| {
            let (mut ids, mut after): (Vec<ExecutionId>, Option<Cursor>) = (Vec::new(), None);
            loop {
                let request = PageRequest { limit: 200, after };
                let page = answer(store.executions().list(&ExecutionFilter::default(), request).await)?;
                ids.extend(page.items.iter().map(|one| one.id));
                after = page.next;
                if after.is_none() {
                    ids.sort();
                    return Ok::<_, &str>(ids);
                }
            }
        });
        listed.await.unwrap();
        self.read_children().await;
        self.fold().await;
    }

    fn any_execution(&mut self) -> Option<ExecutionId> {
        self.random.pick(&self.executions).copied()
    }

    /// One of those that ever registered, mostly one that is alive.
    fn any_worker(&mut self) -> Option<WorkerId> {
        let only_alive = self.random.per_mille(850);
        let candidates = self.workers.iter().filter(|(_, alive)| *alive || !only_alive);
        let candidates: Vec<WorkerId> = candidates.map(|(worker, _)| *worker).collect();
        self.random.pick(&candidates).copied()
    }

    fn owned_by(&self, worker: WorkerId) -> Vec<ExecutionId> {
        self.owners.iter().filter(|(_, owner)| **owner == worker).map(|(id, _)| *id).collect()
    }

    fn any_user(&mut self) -> UserId {
        self.random.pick(&self.users).copied().unwrap_or(self.scene.user.id)
    }

    fn any_event(&mut self) -> &'static str {
        self.random.pick(&["order.paid", "order.shipped", "approval"]).copied().unwrap_or("approval")
    }

    fn next_seq(&mut self) -> u32 {
        self.seq += 1;
        self.seq
    }

    fn any_output(&mut self) -> serde_json::Value {
        json!({ "n": self.random.below(100) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryStore;

    #[tokio::test]
    async fn a_store_answers_like_its_twin_and_everything_was_asked() {
        let mut total = Report::new();
        for seed in 0..40 {
            let report = differential(&MemoryStore::default(), &MemoryStore::default(), seed, 300).await;
            for (what, times) in report {
                *total.entry(what).or_default() += times;
            }
        }
        println!("{total:#?}");
        for what in [
            "inserts repeated by their owner",
            "insert refused",
            "claimed with records",
            "mail taken",
            "woken by an event",
            "events received",
            "children ended",
            "executions taken over",
            "commits repeated",
            "commits fenced",
            "released unknown",
            "next due",
            "executions ended",
            "executions parked",
            "facts folded",
        ] {
            assert!(total.get(what).is_some_and(|times| *times >= 40), "{what} hardly ever: {total:#?}");
        }
    }
}
