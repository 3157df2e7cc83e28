//! Deleting without losing: a deleted row is hidden, can be restored, and is purged when its time is over.

use chrono::{DateTime, Utc};

use crate::limits::DELETED_RETENTION;

/// What is hidden when it is deleted, and purged much later.
pub trait SoftDelete {
    /// When it was deleted; `None` while it is there.
    fn deleted_at(&self) -> Option<DateTime<Utc>>;

    /// Sets when it was deleted. Use [`delete`](Self::delete) and [`restore`](Self::restore).
    fn set_deleted_at(&mut self, deleted_at: Option<DateTime<Utc>>);

    /// Whether it is hidden.
    fn is_deleted(&self) -> bool {
        self.deleted_at().is_some()
    }

    /// Deletes it. Returns whether that changed anything: what is deleted keeps the time of its first delete.
    fn delete(&mut self, now: DateTime<Utc>) -> bool {
        let changes = !self.is_deleted();
        if changes {
            self.set_deleted_at(Some(now));
        }
        changes
    }

    /// Undoes a delete. Returns whether that changed anything.
    fn restore(&mut self) -> bool {
        let changes = self.is_deleted();
        self.set_deleted_at(None);
        changes
    }

    /// Whether it was deleted so long ago that it is to be purged.
    fn is_purgeable(&self, now: DateTime<Utc>) -> bool {
        self.deleted_at().is_some_and(|deleted_at| now - deleted_at >= DELETED_RETENTION)
    }
}

/// Implements [`SoftDelete`] for an entity with the field `deleted_at`.
macro_rules! soft_delete {
    ($entity:ty) => {
        impl $crate::value::SoftDelete for $entity {
            fn deleted_at(&self) -> Option<chrono::DateTime<chrono::Utc>> {
                self.deleted_at
            }

            fn set_deleted_at(&mut self, deleted_at: Option<chrono::DateTime<chrono::Utc>>) {
                self.deleted_at = deleted_at;
            }
        }
    };
}

pub(crate) use soft_delete;

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[derive(Default)]
    struct Note {
        deleted_at: Option<DateTime<Utc>>,
    }

    soft_delete!(Note);

    #[test]
    fn a_second_delete_keeps_the_time_of_the_first() {
        let (first, second) = (DateTime::UNIX_EPOCH, DateTime::UNIX_EPOCH + TimeDelta::days(1));
        let mut note = Note::default();

        assert!(note.delete(first));
        assert!(!note.delete(second));
        assert_eq!(note.deleted_at(), Some(first));
    }

    #[test]
    fn what_was_deleted_comes_back_once() {
        let mut note = Note { deleted_at: Some(DateTime::UNIX_EPOCH) };

        assert!(note.restore());
        assert!(!note.is_deleted());
        assert!(!note.restore());
    }

    #[test]
    fn what_was_deleted_is_purged_after_ninety_days_and_not_before() {
        let note = Note { deleted_at: Some(DateTime::UNIX_EPOCH) };
        let after = |days| DateTime::UNIX_EPOCH + TimeDelta::days(days);

        assert!(!note.is_purgeable(after(90) - TimeDelta::microseconds(1)));
        assert!(note.is_purgeable(after(90)));
        assert!(!Note::default().is_purgeable(after(1_000)));
    }
}
