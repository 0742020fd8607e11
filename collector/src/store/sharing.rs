//! A list and a map that share what they have in common with their copies: copying costs a few hundred counted references,
//! changing a copy costs the piece that is changed. Pure. For what only grows and is handed out as a snapshot each time it
//! has grown; not for what is changed all over.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Arc;

/// Items in one piece of a list: of 200,000 items a copy is 400 references.
const PIECE: usize = 512;
/// Pieces of a map.
const PIECES: usize = 256;

/// Items in the order in which they were pushed.
#[derive(Debug, Clone)]
pub(super) struct SharedList<T> {
    /// All full but the last.
    pieces: Vec<Arc<Vec<T>>>,
}

impl<T> Default for SharedList<T> {
    fn default() -> Self {
        Self { pieces: Vec::new() }
    }
}

impl<T: Clone> SharedList<T> {
    /// Number of items.
    pub(super) fn len(&self) -> usize {
        self.pieces
            .last()
            .map_or(0, |last| (self.pieces.len() - 1) * PIECE + last.len())
    }

    /// The item at `index`.
    pub(super) fn get(&self, index: usize) -> Option<&T> {
        self.pieces.get(index / PIECE)?.get(index % PIECE)
    }

    /// The same, to change it here and in no copy.
    pub(super) fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        Arc::make_mut(self.pieces.get_mut(index / PIECE)?).get_mut(index % PIECE)
    }

    /// Adds one at the end.
    pub(super) fn push(&mut self, item: T) {
        match self.pieces.last_mut() {
            Some(last) if last.len() < PIECE => Arc::make_mut(last).push(item),
            _ => self.pieces.push(Arc::new(vec![item])),
        }
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.pieces.iter().flat_map(|piece| piece.iter())
    }
}

/// Values by key.
#[derive(Debug, Clone)]
pub(super) struct SharedMap<K, V> {
    hasher: RandomState,
    /// By the hash of the key.
    pieces: Vec<Arc<HashMap<K, V>>>,
}

impl<K, V> Default for SharedMap<K, V> {
    fn default() -> Self {
        Self {
            hasher: RandomState::new(),
            pieces: std::iter::repeat_with(Arc::default).take(PIECES).collect(),
        }
    }
}

impl<K: Clone + Eq + Hash, V: Clone> SharedMap<K, V> {
    fn piece_of(&self, key: &K) -> usize {
        self.hasher.hash_one(key) as usize % PIECES
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.pieces[self.piece_of(key)].get(key)
    }

    /// Gives the key this value, here and in no copy.
    pub(super) fn insert(&mut self, key: K, value: V) {
        let piece = self.piece_of(&key);
        Arc::make_mut(&mut self.pieces[piece]).insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever is done to a copy, both are what a vector and a map would be, and the first is what it was.
        #[test]
        fn a_copy_is_a_copy(
            before in 0_usize..1_400, after in 0_usize..700, changed in prop::collection::vec(0_usize..1_400, 0..8)
        ) {
            let (mut list, mut map) = (SharedList::default(), SharedMap::default());
            for number in 0..before {
                list.push(number);
                map.insert(number, number);
            }
            let (first_list, first_map) = (list.clone(), map.clone());
            let mut model: Vec<usize> = (0..before + after).collect();
            for number in before..before + after {
                list.push(number);
                map.insert(number, number);
            }
            for at in changed {
                prop_assert_eq!(list.get_mut(at).is_some(), at < model.len());
                if at < model.len() {
                    model[at] += 7_000;
                    *list.get_mut(at).expect("there") = model[at];
                    map.insert(at, model[at]);
                }
            }
            prop_assert_eq!(list.iter().copied().collect::<Vec<_>>(), model.clone());
            prop_assert_eq!((list.len(), first_list.len()), (model.len(), before));
            for at in 0..model.len() + 2 {
                prop_assert_eq!((list.get(at), map.get(&at)), (model.get(at), model.get(at)));
                let as_it_was = Some(at).filter(|at| *at < before);
                prop_assert_eq!((first_list.get(at).copied(), first_map.get(&at).copied()), (as_it_was, as_it_was));
            }
            model.reverse();
            prop_assert_eq!(list.iter().rev().copied().collect::<Vec<_>>(), model);
        }
    }

    #[test]
    fn a_copy_shares_what_neither_changed() {
        let mut list = SharedList::default();
        (0..PIECE * 3).for_each(|number| list.push(number));
        let mut copy = list.clone();
        copy.push(0);
        *copy.get_mut(PIECE).expect("there") = 0;
        let shared = list.pieces.iter().zip(&copy.pieces);
        let shared: Vec<bool> = shared.map(|(one, other)| Arc::ptr_eq(one, other)).collect();
        assert_eq!(shared, [true, false, true]);
    }
}
