//! A persistent radix tree: cloning is one reference, changing copies the nodes on the way only.
//!
//! The compiler changes its tree while workers read clones of it. `Arc::make_mut` copies a node that a
//! clone still shares and changes it in place otherwise, so one changed route among 100,000 costs the
//! depth of the tree.

use std::sync::Arc;

use smallvec::SmallVec;

/// Values by byte strings, with all prefixes of a key found in one walk.
#[derive(Debug, Clone)]
pub struct Tree<V> {
    root: Arc<Node<V>>,
}

#[derive(Debug, Clone)]
struct Node<V> {
    /// The bytes between the parent and this node; here unless there are many.
    label: SmallVec<[u8; 16]>,
    value: Option<V>,
    /// First byte of each child's label, sorted; apart from the children, and here unless there are many, so that a search
    /// touches one line.
    first_bytes: SmallVec<[u8; 16]>,
    children: Vec<Arc<Node<V>>>,
}

impl<V: Clone> Default for Tree<V> {
    fn default() -> Self {
        Self { root: Arc::new(Node::new(&[], None)) }
    }
}

impl<V: Clone> Tree<V> {
    /// Changes the value at `key`; leaving `None` removes the key.
    pub fn update(&mut self, key: &[u8], change: impl FnOnce(&mut Option<V>)) {
        Arc::make_mut(&mut self.root).update(key, change);
    }

    /// Calls `visit` with the value of each prefix of `key`, shortest first, and whether it is all of `key`.
    pub fn walk<'t>(&'t self, key: &[u8], mut visit: impl FnMut(bool, &'t V)) {
        let mut node = &*self.root;
        let mut rest = key;
        loop {
            if let Some(value) = &node.value {
                visit(rest.is_empty(), value);
            }
            let Some(child) = rest.first().and_then(|first| node.child(*first)) else {
                return;
            };
            let Some(below) = rest.strip_prefix(&*child.label) else {
                return;
            };
            node = child;
            rest = below;
        }
    }

    /// The value at exactly `key`.
    pub fn get(&self, key: &[u8]) -> Option<&V> {
        let mut found = None;
        self.walk(key, |is_whole, value| {
            if is_whole {
                found = Some(value);
            }
        });
        found
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.root.value.is_none() && self.root.children.is_empty()
    }
}

impl<V: Clone> Node<V> {
    fn new(label: &[u8], value: Option<V>) -> Self {
        Self { label: label.into(), value, first_bytes: SmallVec::new(), children: Vec::new() }
    }

    fn child(&self, first: u8) -> Option<&Node<V>> {
        // Few children are the rule, and a scan of a few bytes beats a binary search.
        let at = self.first_bytes.iter().position(|byte| *byte == first)?;
        self.children.get(at).map(Arc::as_ref)
    }

    fn update(&mut self, key: &[u8], change: impl FnOnce(&mut Option<V>)) {
        let Some(first) = key.first() else {
            change(&mut self.value);
            return;
        };
        match self.first_bytes.binary_search(first) {
            Ok(at) => self.update_child(at, key, change),
            Err(at) => self.add_child(at, key, change),
        }
    }

    fn add_child(&mut self, at: usize, key: &[u8], change: impl FnOnce(&mut Option<V>)) {
        let mut value = None;
        change(&mut value);
        if value.is_some() {
            self.first_bytes.insert(at, key[0]);
            self.children.insert(at, Arc::new(Node::new(key, value)));
        }
    }

    fn update_child(&mut self, at: usize, key: &[u8], change: impl FnOnce(&mut Option<V>)) {
        let child = Arc::make_mut(&mut self.children[at]);
        let common = child.label.iter().zip(key).take_while(|(a, b)| a == b).count();
        if common < child.label.len() {
            child.split(common);
        }
        child.update(&key[common..], change);
        if child.value.is_none() {
            match child.children.len() {
                0 => {
                    self.first_bytes.remove(at);
                    self.children.remove(at);
                }
                1 => child.merge_only_child(),
                _ => {}
            }
        }
    }

    /// Moves all but the first `at` bytes of the label, and everything below, into a new child.
    fn split(&mut self, at: usize) {
        let lower = Node {
            label: self.label[at..].into(),
            value: self.value.take(),
            first_bytes: std::mem::take(&mut self.first_bytes),
            children: std::mem::take(&mut self.children),
        };
        self.first_bytes.push(lower.label[0]);
        self.children.push(Arc::new(lower));
        self.label.truncate(at);
    }

    fn merge_only_child(&mut self) {
        let Some(child) = self.children.pop() else {
            return;
        };
        let child = Arc::unwrap_or_clone(child);
        self.label.extend_from_slice(&child.label);
        self.value = child.value;
        self.first_bytes = child.first_bytes;
        self.children = child.children;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn set(tree: &mut Tree<u32>, key: &str, value: Option<u32>) {
        tree.update(key.as_bytes(), |slot| *slot = value);
    }

    proptest! {
        /// The tree against a plain map, with a clone taken half-way that must not change any more.
        #[test]
        fn behaves_as_a_map(steps in proptest::collection::vec(("[ab/]{0,5}", proptest::option::of(0u32..9)), 0..60)) {
            let (mut tree, mut map) = (Tree::default(), BTreeMap::new());
            let mut before = None;
            for (n, (key, value)) in steps.iter().enumerate() {
                if n == steps.len() / 2 {
                    before = Some((tree.clone(), map.clone()));
                }
                set(&mut tree, key, *value);
                match value {
                    Some(value) => map.insert(key.clone(), *value),
                    None => map.remove(key),
                };
            }
            for (tree, map) in before.into_iter().chain([(tree, map)]) {
                for (key, _) in &steps {
                    prop_assert_eq!(tree.get(key.as_bytes()), map.get(key));
                    let mut prefixes = Vec::new();
                    tree.walk(key.as_bytes(), |_, value| prefixes.push(*value));
                    let expected: Vec<_> = map.iter().filter(|(k, _)| key.starts_with(*k)).map(|(_, v)| *v).collect();
                    prop_assert_eq!(prefixes, expected);
                }
                prop_assert_eq!(tree.is_empty(), map.is_empty());
            }
        }
    }
}
