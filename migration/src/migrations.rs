//! The list of migrations.

use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend, Statement};
use sea_orm_migration::{DbErr, MigrationName, MigrationTrait, MigratorTrait, SchemaManager};

/// The migration of this name, whose scripts are called as it is.
macro_rules! migration {
    ($name:literal) => {
        SqlMigration {
            name: $name,
            up: include_str!(concat!("sql/", $name, ".up.sql")),
            down: include_str!(concat!("sql/", $name, ".down.sql")),
        }
    };
}

/// All migrations, in the order in which they apply.
const ALL: [SqlMigration; 16] = [
    migration!("m0001_specification"),
    migration!("m0002_engine"),
    migration!("m0003_schedules"),
    migration!("m0004_access"),
    migration!("m0005_secrets"),
    migration!("m0010_audit_chain"),
    migration!("m0020_step_parts"),
    migration!("m0024_template_ratings"),
    migration!("m0030_tabular_sql"),
    migration!("m0040_tools_parts"),
    migration!("m0050_roles"),
    migration!("m0060_user_tokens"),
    migration!("m0070_deployments"),
    migration!("m0080_usage"),
    migration!("m0090_agent_permits"),
    migration!("m0100_pause"),
];

/// A migration that is two SQL scripts.
#[derive(Clone, Copy)]
struct SqlMigration {
    name: &'static str,
    up: &'static str,
    down: &'static str,
}

impl MigrationName for SqlMigration {
    fn name(&self) -> &str {
        self.name
    }
}

#[async_trait::async_trait]
impl MigrationTrait for SqlMigration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(self.up).await.map(drop)
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(self.down).await.map(drop)
    }
}

/// The migrator of this binary.
pub(crate) struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        ALL.into_iter().map(|migration| Box::new(migration) as Box<dyn MigrationTrait>).collect()
    }
}

/// Makes the function of `m0030_tabular_sql` where it is missing: the user may have got the right to since.
pub(crate) async fn complete(db: &impl ConnectionTrait) -> Result<(), DbErr> {
    let missing = "SELECT to_regprocedure('turbocat_run_sql(text, jsonb, int4, int8)') IS NULL AS missing";
    let row = db.query_one_raw(Statement::from_string(DbBackend::Postgres, missing)).await?;
    let missing = row.map(|row| row.try_get::<bool>("", "missing")).transpose()?.unwrap_or_default();
    if missing {
        db.execute_unprepared(include_str!("sql/m0030_tabular_sql.up.sql")).await?;
    }
    Ok(())
}

/// The names of all migrations, in the order in which they apply.
pub(crate) fn names() -> impl DoubleEndedIterator<Item = &'static str> {
    ALL.into_iter().map(|migration| migration.name)
}

/// A number that changes when a migration does: the name of a database that is kept for its schema.
///
/// It is FNV-1a (Fowler, Noll, Vo) over names and scripts, so it is the same in every build.
#[must_use]
pub fn fingerprint() -> u64 {
    let scripts = ALL.iter().flat_map(|migration| [migration.name, migration.up, migration.down]);
    scripts
        .flat_map(|script| script.bytes().chain([0]))
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_the_order_in_which_they_apply() {
        // The migration table is read in the order of its names, so that order must be this one.
        assert!(names().is_sorted());
        assert!(names().count() >= 2);
    }
}
