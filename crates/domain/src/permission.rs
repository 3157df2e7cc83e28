//! What may be done, and who may: one table of roles and permissions, and the sets that keys are narrowed to.
//!
//! # Invariants
//!
//! 1. What is not in the table may not be done, by anybody.
//! 2. A scope only narrows: who holds it may never do more than the role allows.

use crate::{
    user::UserRole,
    value::{Scope, text_enum},
};

text_enum! {
    /// One thing that may be done to one kind of resource; its text form is the scope that a key needs for it.
    #[derive(PartialOrd, Ord)]
    pub enum Permission: "a permission" {
        /// Look at one's own account and sessions.
        AccountRead = "account:read",
        /// Change one's own account, and end sessions.
        AccountWrite = "account:write",
        /// Look at agents.
        AgentsRead = "agents:read",
        /// Publish, delete and restore agents.
        AgentsWrite = "agents:write",
        /// Decide what waits for an approval.
        ApprovalsDecide = "approvals:decide",
        /// Look at the audit log.
        AuditRead = "audit:read",
        /// Look at budgets.
        BudgetsRead = "budgets:read",
        /// Set and delete budgets.
        BudgetsWrite = "budgets:write",
        /// Look at deployments.
        DeploymentsRead = "deployments:read",
        /// Make, change, delete and restore deployments.
        DeploymentsWrite = "deployments:write",
        /// Send events to executions.
        EventsSend = "events:send",
        /// Cancel executions.
        ExecutionsCancel = "executions:cancel",
        /// Pause and resume executions.
        ExecutionsPause = "executions:pause",
        /// Look at executions, their steps and their logs.
        ExecutionsRead = "executions:read",
        /// Start executions.
        ExecutionsStart = "executions:start",
        /// Look at API keys.
        KeysRead = "keys:read",
        /// Make and revoke API keys.
        KeysWrite = "keys:write",
        /// Look at schedules.
        SchedulesRead = "schedules:read",
        /// Look at the names of secrets; nobody sees a value.
        SecretsRead = "secrets:read",
        /// Set and delete secrets.
        SecretsWrite = "secrets:write",
        /// Look at templates.
        TemplatesRead = "templates:read",
        /// Make, change, rate and delete templates.
        TemplatesWrite = "templates:write",
        /// Look at what models used.
        UsageRead = "usage:read",
        /// Look at users.
        UsersRead = "users:read",
        /// Make, change, delete and restore users.
        UsersWrite = "users:write",
        /// Look at workflows.
        WorkflowsRead = "workflows:read",
        /// Publish, delete and restore workflows.
        WorkflowsWrite = "workflows:write",
    }
}

/// Whose resources a permission reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// Nobody's.
    Nothing,
    /// One's own, and what is public where it is only looked at or used.
    Own,
    /// Everybody's.
    All,
}

/// The table: for each permission the reach of an administrator, a user and an agent.
const TABLE: [(Permission, [Reach; 3]); 27] = {
    use Reach::{All, Nothing, Own};
    [
        (Permission::AccountRead, [Own, Own, Own]),
        (Permission::AccountWrite, [Own, Own, Nothing]),
        (Permission::AgentsRead, [All, Own, Own]),
        (Permission::AgentsWrite, [All, Own, Nothing]),
        (Permission::ApprovalsDecide, [Own, Own, Nothing]),
        (Permission::AuditRead, [All, Own, Nothing]),
        (Permission::BudgetsRead, [All, Own, Own]),
        (Permission::BudgetsWrite, [All, Own, Nothing]),
        (Permission::DeploymentsRead, [All, Own, Own]),
        (Permission::DeploymentsWrite, [All, Own, Nothing]),
        (Permission::EventsSend, [Own, Own, Own]),
        (Permission::ExecutionsCancel, [All, Own, Own]),
        (Permission::ExecutionsPause, [All, Own, Own]),
        (Permission::ExecutionsRead, [All, Own, Own]),
        (Permission::ExecutionsStart, [Own, Own, Own]),
        (Permission::KeysRead, [All, Own, Nothing]),
        (Permission::KeysWrite, [All, Own, Nothing]),
        (Permission::SchedulesRead, [All, Own, Own]),
        (Permission::SecretsRead, [All, Own, Nothing]),
        (Permission::SecretsWrite, [All, Own, Nothing]),
        (Permission::TemplatesRead, [All, Own, Own]),
        (Permission::TemplatesWrite, [All, Own, Nothing]),
        (Permission::UsageRead, [All, Own, Own]),
        (Permission::UsersRead, [All, Nothing, Nothing]),
        (Permission::UsersWrite, [All, Nothing, Nothing]),
        (Permission::WorkflowsRead, [All, Own, Own]),
        (Permission::WorkflowsWrite, [All, Own, Nothing]),
    ]
};

impl Permission {
    /// Whose resources it reaches in a role.
    #[must_use]
    pub fn reach(self, role: UserRole) -> Reach {
        let row = TABLE.iter().find(|(permission, _)| *permission == self);
        row.map_or(Reach::Nothing, |(_, [admin, user, agent])| match role {
            UserRole::Admin => *admin,
            UserRole::User => *user,
            UserRole::Agent => *agent,
        })
    }

    /// Whether a scope is enough for it.
    #[must_use]
    pub fn is_covered_by(self, scope: &Scope) -> bool {
        Scope::parse(self.as_str()).is_ok_and(|needed| scope.covers(&needed))
    }

    const fn bit(self) -> u64 {
        1 << (self as u32)
    }
}

/// A set of permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct PermissionSet(u64);

impl PermissionSet {
    /// No permission.
    pub const EMPTY: Self = Self(0);

    /// What a role may do at all.
    #[must_use]
    pub fn of_role(role: UserRole) -> Self {
        Permission::ALL.into_iter().filter(|permission| permission.reach(role) > Reach::Nothing).collect()
    }

    /// What scopes are enough for.
    #[must_use]
    pub fn of_scopes(scopes: &[Scope]) -> Self {
        let is_covered = |permission: &Permission| scopes.iter().any(|scope| permission.is_covered_by(scope));
        Permission::ALL.into_iter().filter(is_covered).collect()
    }

    /// Whether it has this permission.
    #[must_use]
    pub const fn contains(self, permission: Permission) -> bool {
        self.0 & permission.bit() != 0
    }

    /// What both have.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether the other has all of it.
    #[must_use]
    pub const fn is_subset_of(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// Whether it has none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Its permissions, in their order.
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.into_iter().filter(move |permission| self.contains(*permission))
    }
}

impl FromIterator<Permission> for PermissionSet {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        Self(permissions.into_iter().fold(0, |set, permission| set | permission.bit()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn scopes(texts: &[&str]) -> Vec<Scope> {
        texts.iter().map(|text| Scope::parse(*text).unwrap()).collect()
    }

    #[test]
    fn every_permission_is_in_the_table_once_and_is_a_scope() {
        let rows: BTreeSet<Permission> = TABLE.iter().map(|(permission, _)| *permission).collect();

        assert_eq!(rows, BTreeSet::from(Permission::ALL));
        assert_eq!(TABLE.len(), Permission::ALL.len());
        for permission in Permission::ALL {
            assert!(permission.is_covered_by(&Scope::parse(permission.as_str()).unwrap()), "{permission}");
        }
    }

    #[test]
    fn a_role_with_less_trust_reaches_no_further() {
        for permission in Permission::ALL {
            let [admin, user, agent] = [UserRole::Admin, UserRole::User, UserRole::Agent].map(|r| permission.reach(r));
            assert!(admin >= user && user >= agent, "{permission}");
            assert!(admin > Reach::Nothing, "{permission} is for nobody");
        }
    }

    #[test]
    fn an_agent_runs_what_exists_and_changes_nothing() {
        let agent = PermissionSet::of_role(UserRole::Agent);

        assert!(agent.contains(Permission::ExecutionsStart) && agent.contains(Permission::EventsSend));
        assert!(agent.iter().all(|permission| !permission.as_str().ends_with(":write")));
        assert!(!agent.contains(Permission::ApprovalsDecide) && !agent.contains(Permission::KeysRead));
    }

    #[test]
    fn scopes_narrow_and_never_widen() {
        let user = PermissionSet::of_role(UserRole::User);
        let held = PermissionSet::of_scopes(&scopes(&["users:*", "executions:read"]));

        let both = user.intersection(held);
        assert_eq!(both.iter().collect::<Vec<_>>(), [Permission::ExecutionsRead]);
        assert!(both.is_subset_of(user) && !held.is_subset_of(user));
        assert!(PermissionSet::of_scopes(&[]).is_empty());
        assert_eq!(PermissionSet::of_scopes(&scopes(&["*"])).iter().count(), Permission::ALL.len());
    }
}
