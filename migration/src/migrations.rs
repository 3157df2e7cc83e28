//! The list of migrations.

use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend, Statement};
use sea_orm_migration::{DbErr, MigrationName, MigrationTrait, MigratorTrait, SchemaManager};

/// All migrations, in the order in which they apply.
const ALL: [SqlMigration; 10] = [
    SqlMigration {
        name: "m0001_specification",
        up: include_str!("sql/m0001_specification.up.sql"),
        down: include_str!("sql/m0001_specification.down.sql"),
    },
    SqlMigration {
        name: "m0002_engine",
        up: include_str!("sql/m0002_engine.up.sql"),
        down: include_str!("sql/m0002_engine.down.sql"),
    },
    SqlMigration {
        name: "m0003_schedules",
        up: include_str!("sql/m0003_schedules.up.sql"),
        down: include_str!("sql/m0003_schedules.down.sql"),
    },
    SqlMigration {
        name: "m0004_access",
        up: include_str!("sql/m0004_access.up.sql"),
        down: include_str!("sql/m0004_access.down.sql"),
    },
    SqlMigration {
        name: "m0005_secrets",
        up: include_str!("sql/m0005_secrets.up.sql"),
        down: include_str!("sql/m0005_secrets.down.sql"),
    },
    SqlMigration {
        name: "m0010_audit_chain",
        up: include_str!("sql/m0010_audit_chain.up.sql"),
        down: include_str!("sql/m0010_audit_chain.down.sql"),
    },
    SqlMigration {
        name: "m0020_step_parts",
        up: include_str!("sql/m0020_step_parts.up.sql"),
        down: include_str!("sql/m0020_step_parts.down.sql"),
    },
    SqlMigration {
        name: "m0024_template_ratings",
        up: include_str!("sql/m0024_template_ratings.up.sql"),
        down: include_str!("sql/m0024_template_ratings.down.sql"),
    },
    SqlMigration {
        name: "m0030_tabular_sql",
        up: include_str!("sql/m0030_tabular_sql.up.sql"),
        down: include_str!("sql/m0030_tabular_sql.down.sql"),
    },
    SqlMigration {
        name: "m0040_tools_parts",
        up: include_str!("sql/m0040_tools_parts.up.sql"),
        down: include_str!("sql/m0040_tools_parts.down.sql"),
    },
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
