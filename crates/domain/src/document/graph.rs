//! Which steps wait for which: pure functions over indices.

use std::collections::BTreeSet;

/// The edges of a graph: for each node, the nodes that it waits for.
pub(super) type Dependencies = [BTreeSet<usize>];

/// The nodes in an order in which each comes after those that it waits for, and among equals in their own
/// order; what is missing waits for itself in the end.
pub(super) fn topological_order(dependencies: &Dependencies) -> Vec<usize> {
    let mut dependents = vec![Vec::new(); dependencies.len()];
    let mut open: Vec<usize> = dependencies.iter().map(BTreeSet::len).collect();
    for (node, waits_for) in dependencies.iter().enumerate() {
        for &dependency in waits_for {
            if let Some(dependents) = dependents.get_mut(dependency) {
                dependents.push(node);
            }
        }
    }
    let mut ready: BTreeSet<usize> =
        open.iter().enumerate().filter(|(_, open)| **open == 0).map(|(node, _)| node).collect();
    let mut order = Vec::with_capacity(dependencies.len());
    while let Some(node) = ready.pop_first() {
        order.push(node);
        for &dependent in dependents.get(node).into_iter().flatten() {
            if let Some(open) = open.get_mut(dependent) {
                *open -= 1;
                if *open == 0 {
                    ready.insert(dependent);
                }
            }
        }
    }
    order
}

/// Cycles, each as nodes of which the next waits for the one before, beginning with its first in order. Every
/// node that waits for itself in the end has a cycle among these that it is in or waits for.
pub(super) fn cycles(dependencies: &Dependencies) -> Vec<Vec<usize>> {
    let ordered: BTreeSet<usize> = topological_order(dependencies).into_iter().collect();
    let mut suspects: BTreeSet<usize> = (0..dependencies.len()).filter(|node| !ordered.contains(node)).collect();
    let mut cycles = Vec::new();
    while let Some(&first) = suspects.first() {
        // Whatever is left waits for something that is left, or for a cycle that was found already.
        let mut path = vec![first];
        let cycle = loop {
            let next =
                path.last().and_then(|node| dependencies.get(*node)?.iter().find(|next| suspects.contains(next)));
            let Some(&next) = next else { break None };
            if let Some(start) = path.iter().position(|node| *node == next) {
                break Some(path.split_off(start));
            }
            path.push(next);
        };
        match cycle {
            Some(mut cycle) => {
                suspects.retain(|node| !cycle.contains(node));
                cycle.reverse();
                let first = cycle.iter().enumerate().min_by_key(|(_, node)| **node).map_or(0, |(at, _)| at);
                cycle.rotate_left(first);
                cycles.push(cycle);
            }
            None => suspects.retain(|node| path.last() != Some(node)),
        }
    }
    cycles
}

/// For each node, all nodes that it waits for, directly or through others. What waits for itself has what was
/// found on the way.
pub(super) fn upstream(dependencies: &Dependencies) -> Vec<BTreeSet<usize>> {
    let mut upstream: Vec<BTreeSet<usize>> = dependencies.to_vec();
    for node in topological_order(dependencies) {
        let waits_for = dependencies.get(node).into_iter().flatten();
        let further: BTreeSet<usize> = waits_for.filter_map(|next| upstream.get(*next)).flatten().copied().collect();
        if let Some(all) = upstream.get_mut(node) {
            all.extend(further);
        }
    }
    upstream
}

#[cfg(test)]
mod tests {
    use petgraph::{
        algo::{has_path_connecting, is_cyclic_directed},
        graph::{DiGraph, NodeIndex},
    };
    use proptest::prelude::*;

    use super::*;

    fn graphs() -> impl Strategy<Value = Vec<BTreeSet<usize>>> {
        (1_usize..14).prop_flat_map(|count| prop::collection::vec(prop::collection::btree_set(0..count, 0..3), count))
    }

    fn oracle(dependencies: &Dependencies) -> DiGraph<(), ()> {
        let edges = dependencies.iter().enumerate().flat_map(|(node, waits_for)| {
            waits_for.iter().map(move |next| (NodeIndex::new(node), NodeIndex::new(*next)))
        });
        let mut graph = DiGraph::new();
        for _ in dependencies {
            graph.add_node(());
        }
        graph.extend_with_edges(edges);
        graph
    }

    proptest! {
        #[test]
        fn a_graph_has_cycles_when_the_oracle_says_so(dependencies in graphs()) {
            let cycles = cycles(&dependencies);

            prop_assert_eq!(!cycles.is_empty(), is_cyclic_directed(&oracle(&dependencies)));
            for cycle in &cycles {
                let next = cycle.iter().cycle().skip(1);
                for (node, next) in cycle.iter().zip(next) {
                    prop_assert!(dependencies[*next].contains(node), "{:?} is no cycle of {:?}", cycle, dependencies);
                }
            }
        }

        #[test]
        fn an_order_has_every_node_after_what_it_waits_for(dependencies in graphs()) {
            let order = topological_order(&dependencies);

            for (at, node) in order.iter().enumerate() {
                prop_assert!(dependencies[*node].iter().all(|next| order[..at].contains(next)));
            }
            prop_assert_eq!(order.len() == dependencies.len(), !is_cyclic_directed(&oracle(&dependencies)));
        }

        #[test]
        fn upstream_is_what_the_oracle_can_reach(dependencies in graphs()) {
            // Without cycles: each node waits for earlier ones alone.
            let earlier = |(node, all): (usize, BTreeSet<usize>)| all.into_iter().filter(|next| *next < node).collect();
            let dependencies: Vec<BTreeSet<usize>> = dependencies.into_iter().enumerate().map(earlier).collect();
            let graph = oracle(&dependencies);
            let upstream = upstream(&dependencies);

            for (node, all) in upstream.iter().enumerate() {
                let reached = (0..dependencies.len()).filter(|other| {
                    *other != node && has_path_connecting(&graph, NodeIndex::new(node), NodeIndex::new(*other), None)
                });
                prop_assert_eq!(all, &reached.collect::<BTreeSet<_>>());
            }
        }
    }

    #[test]
    fn a_cycle_is_told_in_its_order_from_its_first_node() {
        let dependencies = [vec![2], vec![0], vec![1, 3], vec![], vec![0]].map(BTreeSet::from_iter);

        assert_eq!(cycles(&dependencies), [[0, 1, 2]]);
        assert_eq!(topological_order(&dependencies), [3]);
    }
}
