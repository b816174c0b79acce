//! Finds the rules of a list that a request may match, by the text their patterns start with.
//!
//! Rules lie in a radix tree over the literal start of their action, and within one place of it in a second
//! one over the literal start of their resource. A walk down both meets every rule that can match and, but for
//! rules that start with no literal at all, hardly one that cannot.

use super::meter::{Meter, OverBudget};
use super::pattern::Pattern;

/// Rules at one place of the tree from which on a second tree over their resources pays.
const SCAN_AT_MOST: usize = 4;
/// Steps that going to one node of a tree costs, besides those for the bytes that lead there: a node lies
/// somewhere in memory.
const NODE_STEPS: u32 = 2;
/// Bytes on the way to a node that one step pays for when they are compared.
const EDGE_BYTES_PER_STEP: usize = 64;

/// Where the rules of one list lie.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    actions: Tree,
    groups: Vec<Group>,
}

/// The rules at one place of the tree of actions.
#[derive(Clone, Debug, Default)]
struct Group {
    /// All of them.
    rules: Vec<u32>,
    /// Those for every resource.
    for_every_resource: Vec<u32>,
    resources: Tree,
    buckets: Vec<Vec<u32>>,
}

/// Which rules a request without a resource may match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unknown {
    /// All: in lists that forbid.
    MatchesAll,
    /// Those for every resource: in lists that allow.
    MatchesEverything,
}

impl Index {
    /// Adds a rule; `actions` are the patterns of which one has to match its action.
    pub(super) fn add<'a>(
        &mut self,
        rule: u32,
        actions: impl Iterator<Item = &'a Pattern>,
        resource: &Pattern,
    ) {
        let mut starts: Vec<(&str, bool)> = actions.map(Pattern::literal_start).collect();
        starts.dedup();
        for (start, is_whole) in starts {
            let place = self.actions.place(start, is_whole, self.groups.len());
            if place == self.groups.len() {
                self.groups.push(Group::default());
            }
            if let Some(group) = self.groups.get_mut(place) {
                group.add(rule, resource);
            }
        }
    }

    /// Calls `test` with every rule that may match, in no particular order, each once.
    #[inline]
    pub(super) fn candidates(
        &self,
        action: &str,
        resource: Option<&str>,
        unknown: Unknown,
        meter: &mut Meter,
        test: &mut impl FnMut(u32, &mut Meter) -> Result<(), OverBudget>,
    ) -> Result<(), OverBudget> {
        self.actions.walk(action, meter, &mut |place, meter| {
            let Some(group) = self.groups.get(place) else { return Ok(()) };
            group.candidates(resource, unknown, meter, test)
        })
    }
}

impl Group {
    fn add(&mut self, rule: u32, resource: &Pattern) {
        self.rules.push(rule);
        if resource.is_everything() {
            self.for_every_resource.push(rule);
        }
        let (start, is_whole) = resource.literal_start();
        let place = self.resources.place(start, is_whole, self.buckets.len());
        if place == self.buckets.len() {
            self.buckets.push(Vec::new());
        }
        if let Some(bucket) = self.buckets.get_mut(place) {
            bucket.push(rule);
        }
    }

    #[inline]
    fn candidates(
        &self,
        resource: Option<&str>,
        unknown: Unknown,
        meter: &mut Meter,
        test: &mut impl FnMut(u32, &mut Meter) -> Result<(), OverBudget>,
    ) -> Result<(), OverBudget> {
        let all = |rules: &[u32], meter: &mut Meter, test: &mut dyn FnMut(u32, &mut Meter) -> _| {
            rules.iter().try_for_each(|&rule| test(rule, meter))
        };
        match (resource, unknown) {
            (None, Unknown::MatchesEverything) => all(&self.for_every_resource, meter, test),
            (None, Unknown::MatchesAll) => all(&self.rules, meter, test),
            (Some(_), _) if self.rules.len() <= SCAN_AT_MOST => all(&self.rules, meter, test),
            (Some(resource), _) => self.resources.walk(resource, meter, &mut |place, meter| {
                all(self.buckets.get(place).map_or(&[], Vec::as_slice), meter, test)
            }),
        }
    }
}

/// A radix tree over texts; each text has a place for "all of it" and one for "starts with it".
#[derive(Clone, Debug)]
struct Tree {
    nodes: Vec<Node>,
}

#[derive(Clone, Debug, Default)]
struct Node {
    /// What stands between the parent and this node; its first byte is also in the parent's `children`.
    edge: Box<[u8]>,
    /// The first byte of each child's edge, and the child; by byte.
    children: Vec<(u8, usize)>,
    /// What lies here for texts that end here.
    whole: Option<usize>,
    /// What lies here for texts that go on or end here.
    start: Option<usize>,
}

fn edge_steps(edge: &[u8]) -> u32 {
    u32::try_from(edge.len() / EDGE_BYTES_PER_STEP).unwrap_or(u32::MAX / 2)
}

impl Default for Tree {
    fn default() -> Self {
        Self { nodes: vec![Node::default()] }
    }
}

impl Tree {
    /// The number that lies at `text`; `new` is laid there if none does.
    fn place(&mut self, text: &str, is_whole: bool, new: usize) -> usize {
        let at = self.node(text.as_bytes());
        let Some(node) = self.nodes.get_mut(at) else { return new };
        let place = if is_whole { &mut node.whole } else { &mut node.start };
        *place.get_or_insert(new)
    }

    /// The node of `text`, made where it is not there yet.
    fn node(&mut self, text: &[u8]) -> usize {
        let mut at = 0;
        let mut rest = text;
        while let Some(&first) = rest.first() {
            let fresh = self.nodes.len();
            let Some(node) = self.nodes.get_mut(at) else { break };
            let child = match node.children.binary_search_by_key(&first, |&(byte, _)| byte) {
                Ok(found) => node.children.get(found).map_or(0, |&(_, child)| child),
                Err(position) => {
                    node.children.insert(position, (first, fresh));
                    self.nodes.push(Node { edge: rest.into(), ..Node::default() });
                    return fresh;
                }
            };
            let Some(node) = self.nodes.get_mut(child) else { break };
            let common = node.edge.iter().zip(rest).take_while(|(one, other)| one == other).count();
            if common < node.edge.len() {
                // The edge forks: what lay at its end goes on below a new node for the rest of it.
                let tail: Box<[u8]> = node.edge.get(common..).unwrap_or_default().into();
                let head: Box<[u8]> = node.edge.get(..common).unwrap_or_default().into();
                let lower = std::mem::replace(node, Node { edge: head, ..Node::default() });
                if let Some(&byte) = tail.first() {
                    node.children.push((byte, fresh));
                }
                self.nodes.push(Node { edge: tail, ..lower });
            }
            at = child;
            rest = rest.get(common..).unwrap_or_default();
        }
        at
    }

    /// Calls `visit` with what lies at every start of `text` and at `text` itself.
    #[inline]
    fn walk(
        &self,
        text: &str,
        meter: &mut Meter,
        visit: &mut impl FnMut(usize, &mut Meter) -> Result<(), OverBudget>,
    ) -> Result<(), OverBudget> {
        let mut rest = text.as_bytes();
        let mut next = self.nodes.first();
        meter.spend(1)?;
        while let Some(node) = next {
            if let Some(place) = node.start {
                visit(place, meter)?;
            }
            let Some(first) = rest.first() else {
                return node.whole.map_or(Ok(()), |place| visit(place, meter));
            };
            let child = node
                .children
                .binary_search_by_key(first, |&(byte, _)| byte)
                .ok()
                .and_then(|found| node.children.get(found))
                .and_then(|&(_, child)| self.nodes.get(child));
            let Some(child) = child else { return Ok(()) };
            meter.spend(NODE_STEPS + edge_steps(&child.edge))?;
            let Some(after) = rest.strip_prefix(&*child.edge) else { return Ok(()) };
            (next, rest) = (Some(child), after);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_walk_meets_every_start_and_the_whole(
            keys in prop::collection::vec(("[ab]{0,5}", any::<bool>()), 0..30),
            text in "[ab]{0,6}",
        ) {
            let mut tree = Tree::default();
            let mut places: Vec<(String, bool)> = Vec::new();
            for (key, is_whole) in &keys {
                let place = tree.place(key, *is_whole, places.len());
                if place == places.len() {
                    places.push((key.clone(), *is_whole));
                }
                prop_assert_eq!(&places[place], &(key.clone(), *is_whole));
            }
            let mut met = Vec::new();
            tree.walk(&text, &mut Meter::for_decision(), &mut |place, _: &mut Meter| { met.push(place); Ok(()) }).unwrap();
            met.sort_unstable();
            let expected: Vec<usize> = (0..places.len())
                .filter(|&place| if places[place].1 { text == places[place].0 } else { text.starts_with(&places[place].0) })
                .collect();
            prop_assert_eq!(met, expected);
        }
    }
}
