//! Reading and changing the schema of a database.

use sea_orm_migration::sea_orm::{DatabaseConnection, EntityTrait, QueryOrder};
use sea_orm_migration::{MigratorTrait, SchemaManager, seaql_migrations};

use crate::lock::MigrationLock;
use crate::migrations::{Migrator, complete, names};
use crate::{MigrationError, grant, session};

/// The table in which the database remembers what was applied.
const TABLE: &str = "seaql_migrations";

/// A migration that this binary carries, and whether the database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationState {
    /// Its name.
    pub name: String,
    /// Whether it was applied.
    pub applied: bool,
}

/// Which way the schema changes.
#[derive(Clone, Copy)]
enum Direction {
    Up,
    Down { steps: u32 },
}

/// Applies what is missing, and returns the names of what was applied: none, if the schema is current.
///
/// Any number of processes may do this at once: one does the work, the others wait for it and find nothing to do.
///
/// # Errors
///
/// [`MigrationError::Ahead`] if the database was migrated by a newer binary; else what the database said. A migration
/// that fails leaves nothing of itself, and those before it stay.
pub async fn up(url: &str) -> Result<Vec<String>, MigrationError> {
    locked(url, Direction::Up).await
}

/// Takes back the last `steps` migrations **with the data in what they created**, and returns their names, last first.
///
/// # Errors
///
/// As [`up`].
pub async fn down(url: &str, steps: u32) -> Result<Vec<String>, MigrationError> {
    locked(url, Direction::Down { steps }).await
}

/// Lists the migrations in the order in which they apply. Changes nothing.
///
/// # Errors
///
/// As [`up`].
pub async fn status(url: &str) -> Result<Vec<MigrationState>, MigrationError> {
    let db = session::connect(url).await?;
    let states = read(&db).await?;
    db.close().await?;
    Ok(states)
}

/// Checks that the database has exactly the migrations of this binary. Changes nothing.
///
/// # Errors
///
/// [`MigrationError::Behind`] or [`MigrationError::Ahead`] if it has not; else as [`up`].
pub async fn ensure_current(url: &str) -> Result<(), MigrationError> {
    let pending = pending(&status(url).await?);
    if pending.is_empty() { Ok(()) } else { Err(MigrationError::Behind { pending }) }
}

/// Changes the schema under the lock. The lock is freed on failure too: its session ends with its last use.
async fn locked(url: &str, direction: Direction) -> Result<Vec<String>, MigrationError> {
    let lock = MigrationLock::acquire(url).await?;
    let db = session::connect(url).await?;
    let changed = change(&db, direction).await?;
    db.close().await?;
    lock.release().await?;
    Ok(changed)
}

async fn change(db: &DatabaseConnection, direction: Direction) -> Result<Vec<String>, MigrationError> {
    let states = read(db).await?;
    match direction {
        Direction::Up => {
            let pending = pending(&states);
            // A role that may change no table finds nothing to do as well as the owner does.
            if !pending.is_empty() {
                Migrator::up(db, None).await?;
            }
            complete(db).await?;
            if !pending.is_empty() {
                grant::renew(db).await?;
            }
            Ok(pending)
        }
        Direction::Down { steps } => {
            Migrator::down(db, Some(steps)).await?;
            let applied = states.into_iter().filter(|state| state.applied).map(|state| state.name);
            Ok(applied.rev().take(usize::try_from(steps).unwrap_or(usize::MAX)).collect())
        }
    }
}

/// Reads the state without creating the migration table, so that it needs no right to create.
async fn read(db: &DatabaseConnection) -> Result<Vec<MigrationState>, MigrationError> {
    let records = if SchemaManager::new(db).has_table(TABLE).await? {
        seaql_migrations::Entity::find().order_by_asc(seaql_migrations::Column::Version).all(db).await?
    } else {
        Vec::new()
    };
    let applied: Vec<String> = records.into_iter().map(|record| record.version).collect();
    let unknown: Vec<String> = applied.iter().filter(|name| !names().any(|known| known == *name)).cloned().collect();
    if unknown.is_empty() {
        let state = |name: &str| MigrationState { name: name.to_owned(), applied: applied.iter().any(|a| a == name) };
        Ok(names().map(state).collect())
    } else {
        Err(MigrationError::Ahead { unknown })
    }
}

/// Names the migrations that the database lacks.
fn pending(states: &[MigrationState]) -> Vec<String> {
    states.iter().filter(|state| !state.applied).map(|state| state.name.clone()).collect()
}
