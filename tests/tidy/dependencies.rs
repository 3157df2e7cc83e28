//! Who may depend on whom. Only normal dependencies count: tests may use what they like.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};

use crate::workspace::{assert_none, root};

/// What a crate may use of the workspace, and what it must not reach, not even through others.
struct Rule {
    package: &'static str,
    may: &'static [&'static str],
    never: &'static [&'static str],
}

const RULES: [Rule; 13] = [
    Rule { package: "turbocat-domain", may: &[], never: &["tokio", "sea-orm", "sqlx", "axum", "reqwest", "anyhow"] },
    Rule {
        package: "turbocat-application",
        may: &["turbocat-domain"],
        never: &["tokio", "sea-orm", "sqlx", "axum", "reqwest", "anyhow"],
    },
    Rule {
        package: "turbocat-engine",
        may: &["turbocat-domain", "turbocat-planted", "turbocat-trace"],
        never: &["sea-orm", "sqlx", "axum", "reqwest", "opentelemetry_sdk"],
    },
    Rule {
        package: "turbocat-persistence",
        may: &["turbocat-domain", "turbocat-planted"],
        never: &["axum", "reqwest"],
    },
    Rule {
        package: "turbocat-agents",
        may: &["turbocat-domain", "turbocat-trace"],
        never: &["sea-orm", "sqlx", "axum", "opentelemetry_sdk"],
    },
    Rule { package: "turbocat-schema", may: &["turbocat-domain"], never: &["tokio", "reqwest", "sea-orm", "axum"] },
    Rule {
        package: "turbocat-http",
        may: &["turbocat-domain", "turbocat-application", "turbocat-trace"],
        never: &["sea-orm", "sqlx", "reqwest", "opentelemetry_sdk"],
    },
    Rule { package: "turbocat-trace", may: &[], never: &["sea-orm", "sqlx", "axum", "reqwest", "opentelemetry_sdk"] },
    // It knows the API, and nothing of how that is kept.
    Rule { package: "turbocat-client", may: &["turbocat-domain"], never: &["sea-orm", "sqlx", "axum", "utoipa"] },
    Rule { package: "turbocat-planted", may: &[], never: &["tokio"] },
    Rule { package: "turbocat-postgres", may: &[], never: &["tokio", "sea-orm", "sqlx", "axum"] },
    Rule { package: "turbocat-migration", may: &[], never: &["axum", "reqwest"] },
    Rule {
        package: "turbocat-testkit",
        may: &["turbocat-domain", "turbocat-migration", "turbocat-postgres"],
        never: &["axum", "reqwest"],
    },
];

/// Everything may be wired together here, and nowhere else: the binary, and the harnesses behind two of its commands.
const WIRING: [&str; 3] = ["turbocat-bench", "turbocat-chaos", "turbocat-server"];

/// The graph of normal dependencies, of names.
struct Graph {
    members: BTreeSet<String>,
    edges: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    fn read() -> Self {
        let metadata = MetadataCommand::new()
            .manifest_path(root().join("Cargo.toml"))
            // What is there to build this test is there to be read: nothing is fetched.
            .other_options(["--offline", "--locked", "--filter-platform", &host()].map(str::to_owned))
            .exec()
            .unwrap();
        let name = |id: &PackageId| metadata[id].name.to_string();
        Self { members: metadata.workspace_members.iter().map(name).collect(), edges: edges(&metadata, name) }
    }

    fn direct(&self, package: &str) -> &BTreeSet<String> {
        &self.edges[package]
    }

    fn reached(&self, package: &str) -> BTreeSet<String> {
        let mut reached = BTreeSet::new();
        let mut open = vec![package.to_owned()];
        while let Some(next) = open.pop() {
            for dependency in self.direct(&next) {
                if reached.insert(dependency.clone()) {
                    open.push(dependency.clone());
                }
            }
        }
        reached
    }
}

/// The platform of this machine.
fn host() -> String {
    let output = Command::new("rustc").arg("-vV").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned()
}

fn edges(metadata: &Metadata, name: impl Fn(&PackageId) -> String) -> BTreeMap<String, BTreeSet<String>> {
    let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for node in &metadata.resolve.as_ref().unwrap().nodes {
        let normal = node
            .deps
            .iter()
            .filter(|dependency| dependency.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal));
        // Two versions of a package count as one.
        edges.entry(name(&node.id)).or_default().extend(normal.map(|dependency| name(&dependency.pkg)));
    }
    edges
}

#[test]
fn dependencies_point_in_the_direction_of_the_architecture() {
    let graph = Graph::read();
    let mut wrong = Vec::new();
    for Rule { package, may, never } in &RULES {
        for used in graph.direct(package).iter().filter(|used| graph.members.contains(*used)) {
            if !may.contains(&used.as_str()) {
                wrong.push(format!("{package} uses {used}"));
            }
        }
        let reached = graph.reached(package);
        wrong.extend(
            never.iter().filter(|never| reached.contains(**never)).map(|never| format!("{package} reaches {never}")),
        );
    }
    assert_none("these dependencies are not allowed", &wrong);
}

#[test]
fn every_crate_has_its_rule() {
    let graph = Graph::read();
    let ruled: BTreeSet<String> = RULES.iter().map(|rule| rule.package).chain(WIRING).map(str::to_owned).collect();

    assert_eq!(graph.members, ruled);
}

#[test]
fn errors_without_a_type_and_tools_for_tests_stay_where_they_belong() {
    let graph = Graph::read();
    let mut wrong = Vec::new();
    for member in &graph.members {
        let direct = graph.direct(member);
        if direct.contains("anyhow") && !WIRING.contains(&member.as_str()) {
            wrong.push(format!("{member} uses anyhow"));
        }
        if direct.contains("turbocat-testkit") {
            wrong.push(format!("{member} uses turbocat-testkit outside of its tests"));
        }
    }
    assert_none("these dependencies are not allowed", &wrong);
}
