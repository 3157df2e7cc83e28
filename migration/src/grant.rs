//! The role of the server: what it may do with tables that another role owns.
//!
//! Who owns the tables can change them and every rule on them, so a server that is broken into could rewrite the audit log.
//! Under a role of its own it cannot: it reads and writes rows, appends to the audit log, and changes no table.
//!
//! # Invariants
//!
//! 1. A role that was granted has exactly these rights afterwards, whatever was granted to it by hand before.
//! 2. What a migration makes is granted with it to the roles that were granted before.

use sea_orm_migration::sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};

use crate::{MigrationError, session};

/// Roles that were granted: they may append to the audit log and not change it.
const GRANTED: &str = "
    SELECT r.rolname::text AS role FROM pg_class AS t, aclexplode(t.relacl) AS a JOIN pg_roles AS r ON r.oid = a.grantee
    WHERE t.oid = to_regclass('audit_logs') AND a.grantee <> t.relowner
    GROUP BY r.rolname HAVING bool_or(a.privilege_type = 'INSERT') AND NOT bool_or(a.privilege_type = 'UPDATE')
    ORDER BY r.rolname";

/// How a role stands to the tables.
const STANDING: &str = "
    SELECT r.rolsuper AS is_superuser, pg_has_role(r.oid, t.relowner, 'MEMBER') AS is_owner
    FROM pg_roles AS r, pg_class AS t WHERE r.rolname = $1 AND t.oid = to_regclass('seaql_migrations')";

/// Gives a role what a server needs, and takes everything else from it. The schema must be current.
///
/// # Errors
///
/// [`MigrationError::Grantee`] if there is no such role, or its rights cannot be limited; [`MigrationError::Behind`];
/// else what the database said: who grants must own the tables.
pub async fn grant(url: &str, role: &str) -> Result<(), MigrationError> {
    crate::ensure_current(url).await?;
    let db = session::connect(url).await?;
    check(&db, role).await?;
    give(&db, role).await?;
    Ok(db.close().await?)
}

/// Gives what was made since to the roles that were granted before.
pub(crate) async fn renew(db: &DatabaseConnection) -> Result<(), MigrationError> {
    for row in db.query_all_raw(Statement::from_string(DbBackend::Postgres, GRANTED)).await? {
        give(db, &row.try_get::<String>("", "role")?).await?;
    }
    Ok(())
}

async fn check(db: &DatabaseConnection, role: &str) -> Result<(), MigrationError> {
    let standing = Statement::from_sql_and_values(DbBackend::Postgres, STANDING, [role.into()]);
    let refused = |why| Err(MigrationError::Grantee { role: role.to_owned(), why });
    let Some(row) = db.query_one_raw(standing).await? else { return refused("there is no such role") };
    if row.try_get("", "is_superuser")? {
        return refused("a superuser may do everything, whatever it is granted");
    }
    if row.try_get("", "is_owner")? {
        return refused("it owns the tables, or is a member of the role that does");
    }
    Ok(())
}

/// The setting outlives no session, and this one is the only one of its pool.
async fn give(db: &DatabaseConnection, role: &str) -> Result<(), MigrationError> {
    let named = "SELECT set_config('turbocat.grantee', $1, false)";
    db.execute_raw(Statement::from_sql_and_values(DbBackend::Postgres, named, [role.into()])).await?;
    db.execute_unprepared(include_str!("grant.sql")).await?;
    Ok(())
}
