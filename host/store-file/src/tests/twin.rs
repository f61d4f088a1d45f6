//! LMDB and its twin in memory are the same map.

use std::sync::atomic::AtomicU64;

use cap_std::fs::Dir;
use proptest::prelude::*;
use taskhost_board::image::{Direction, Pair, Read, Start, Write};

use crate::index::{self, Index, LmdbIndex, TwinIndex};
use crate::simulation::Dice;

#[derive(Debug, Clone)]
enum Step {
    Put(Vec<u8>, Vec<u8>),
    Delete(Vec<u8>),
    Scan { prefix: Vec<u8>, past: Option<Vec<u8>>, backward: bool, limit: usize },
    Commit,
    Abort,
}

/// Short keys of few letters, so that they meet; a few that begin like the store's own record.
fn key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(prop::sample::select(vec![0_u8, b'a', b'b', 0xff]), 1..5),
        prop::collection::vec(prop::sample::select(vec![b'h', 0]), 1..3),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let value = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        prop::collection::vec(any::<u8>(), 3000..9000)
    ];
    prop_oneof![
        4 => (key(), value).prop_map(|(key, value)| Step::Put(key, value)),
        2 => key().prop_map(Step::Delete),
        4 => (prop_oneof![Just(Vec::new()), key()], prop::option::of(key()), any::<bool>(), 0..6_usize)
            .prop_map(|(prefix, past, backward, limit)| Step::Scan { prefix, past, backward, limit }),
        1 => Just(Step::Commit),
        1 => Just(Step::Abort),
    ]
}

fn scan(
    map: &impl Read,
    prefix: &[u8],
    past: Option<&[u8]>,
    backward: bool,
    limit: usize,
) -> Vec<Pair> {
    let start = past.map_or(Start::End, Start::Past);
    let direction = if backward { Direction::Backward } else { Direction::Forward };
    map.scan(prefix, start, direction, limit).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn lmdb_and_its_twin_answer_alike(steps in prop::collection::vec(step(), 0..80)) {
        let directory = tempfile::tempdir().unwrap();
        let handle = Dir::open_ambient_dir(directory.path(), cap_std::ambient_authority()).unwrap();
        let pages = std::sync::Arc::new(AtomicU64::new(0));
        let lmdb = LmdbIndex::create(&handle, &pages).unwrap();
        let twin = TwinIndex::new(std::sync::Arc::new(index::NoGate));
        let (mut one, mut two) = (index::write(&lmdb).unwrap(), index::write(&twin).unwrap());
        for step in steps {
            match step {
                Step::Put(key, value) => {
                    one.put(&key, &value).unwrap();
                    two.put(&key, &value).unwrap();
                    prop_assert_eq!(one.get(&key).unwrap(), two.get(&key).unwrap());
                }
                Step::Delete(key) => {
                    one.delete(&key).unwrap();
                    two.delete(&key).unwrap();
                }
                Step::Scan { prefix, past, backward, limit } => {
                    // The board begins scans inside the prefix only.
                    let past = past.map(|past| [&prefix[..], &past].concat());
                    let past = past.as_deref();
                    prop_assert_eq!(
                        scan(&one, &prefix, past, backward, limit),
                        scan(&two, &prefix, past, backward, limit)
                    );
                }
                Step::Commit => {
                    one.commit().unwrap();
                    two.commit().unwrap();
                    (one, two) = (index::write(&lmdb).unwrap(), index::write(&twin).unwrap());
                }
                Step::Abort => {
                    drop((one, two));
                    (one, two) = (index::write(&lmdb).unwrap(), index::write(&twin).unwrap());
                }
            }
        }
        one.commit().unwrap();
        two.commit().unwrap();
        let (one, two) = (index::read(&lmdb).unwrap(), index::read(&twin).unwrap());
        prop_assert_eq!(scan(&one, b"", None, false, usize::MAX), scan(&two, b"", None, false, usize::MAX));
    }
}

#[test]
fn an_environment_is_opened_once_in_a_process_and_again_after_it_was_closed() {
    let directory = tempfile::tempdir().unwrap();
    let handle = Dir::open_ambient_dir(directory.path(), cap_std::ambient_authority()).unwrap();
    let pages = std::sync::Arc::new(AtomicU64::new(0));
    let one = LmdbIndex::create(&handle, &pages).unwrap();
    let two = LmdbIndex::open(&handle, &pages).unwrap().unwrap();
    let mut writing = index::write(&one).unwrap();
    writing.put(b"a", b"1").unwrap();
    writing.commit().unwrap();
    let reading = two.read().unwrap();
    drop((one, two));
    // A view alone keeps it open.
    let three = LmdbIndex::open(&handle, &pages).unwrap().unwrap();
    assert_eq!(reading.get(b"a").unwrap().as_deref(), Some(&b"1"[..]));
    drop((reading, three));
    for _ in 0..20 {
        let again = LmdbIndex::open(&handle, &pages).unwrap().unwrap();
        assert_eq!(again.read().unwrap().get(b"a").unwrap().as_deref(), Some(&b"1"[..]));
    }
}

/// LMDB writes no page that a change has taken and given back. Where these were the last ones, the file ended before them,
/// and whoever opened the board next took the index for one that was cut, and made it anew, from the same entries, with
/// the same end, and so did the next one: two thousand claims a second became one, until the next generation began.
#[test]
fn an_index_whose_last_pages_were_given_back_is_not_taken_for_one_that_was_cut() {
    let pages = std::sync::Arc::new(AtomicU64::new(0));
    for seed in 0..60 {
        let mut dice = Dice::new(seed, "changes of an index");
        let directory = tempfile::tempdir().unwrap();
        let handle = Dir::open_ambient_dir(directory.path(), cap_std::ambient_authority()).unwrap();
        let index = LmdbIndex::create(&handle, &pages).unwrap();
        for _ in 0..5 {
            let mut writing = index::write(&index).unwrap();
            for _ in 0..dice.below(6000) {
                let spread = 1 << dice.below(13);
                let key = dice.below(spread).to_be_bytes();
                match dice.below(6) {
                    0 | 5 => writing.delete(&key).unwrap(),
                    1 => writing.put(&key, &vec![1; dice.below(3000)]).unwrap(),
                    _ => writing.put(&key, &vec![1; dice.below(900)]).unwrap(),
                }
            }
            writing.commit().unwrap();
            let again = LmdbIndex::open(&handle, &pages).unwrap();
            assert!(again.is_some(), "seed {seed}");
        }
    }
}
