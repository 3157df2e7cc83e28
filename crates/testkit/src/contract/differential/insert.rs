//! Batches of new executions, and such that stand already: in part, as a whole, or as something else.

use turbocat_domain::{
    id::{ExecutionId, WorkerId},
    port::NewExecution,
};

use super::{Pair, view::answer};
use crate::builder::a_new_child;

/// A batch, and who is to own it.
pub(super) type Insert = (Vec<NewExecution>, Option<WorkerId>);

impl Pair<'_> {
    /// Inserts a batch, or one of before once more.
    pub(super) async fn insert(&mut self) {
        // Mostly the last: of an earlier one, little is as it was.
        let last = if self.random.per_mille(800) { self.inserted.last() } else { self.random.pick(&self.inserted) };
        let again = last.cloned().filter(|_| self.random.per_mille(250));
        let is_again = again.is_some();
        let (batch, owner) = match again {
            Some((batch, owner)) => (batch, if self.random.per_mille(700) { owner } else { self.any_worker() }),
            None => self.any_insert(),
        };
        let asked =
            async |store: &dyn super::ContractStore| answer(store.insert(&batch, owner).await).map(|(_, owned)| owned);
        match self.ask("insert", asked).await {
            Ok(are_owned) => {
                self.count("inserts repeated", usize::from(is_again));
                self.count("inserts repeated by their owner", usize::from(is_again && are_owned));
                self.note_inserted(&batch, owner.filter(|_| are_owned));
                self.inserted.push((batch, owner));
            }
            Err(_) => self.count("insert refused", 1),
        }
    }

    /// Notes what stands now, and whose it is.
    fn note_inserted(&mut self, batch: &[NewExecution], owner: Option<WorkerId>) {
        for new in batch {
            if let Some(owner) = owner {
                self.owners.insert(new.id, owner);
            }
            if !self.executions.contains(&new.id) {
                self.executions.push(new.id);
                self.parents.extend(new.parent.clone().map(|parent| (new.id, parent)));
            }
        }
    }

    /// Up to three executions, of which some stand already; seldom one whose id stands for something else.
    fn any_insert(&mut self) -> Insert {
        let mut batch = Vec::new();
        for _ in 0..=self.random.below(2) {
            batch.push(self.any_new_execution());
        }
        let before = self.random.pick(&self.inserted).and_then(|(batch, _)| batch.first()).cloned();
        batch.extend(before.filter(|_| self.random.per_mille(100)));
        if let Some(id) = self.any_execution().filter(|_| self.random.per_mille(100)) {
            batch.push(NewExecution { id, user_id: self.any_user(), ..self.scene.new_execution() });
        }
        let owner = if self.random.per_mille(400) { self.any_worker() } else { None };
        (batch, owner)
    }

    fn any_new_execution(&mut self) -> NewExecution {
        let user_id = self.any_user();
        let parent: Option<ExecutionId> = self.any_execution().filter(|_| self.random.per_mille(400));
        let new = match parent {
            Some(parent) => {
                let path = format!("map[{}].call", self.random.below(2));
                a_new_child(&self.scene.ids, &self.scene.workflow, parent, &path)
            }
            None => self.scene.new_execution(),
        };
        NewExecution { user_id, ..new }
    }
}
