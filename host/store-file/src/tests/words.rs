//! What the shared words say, and who goes by them, after a switch, a death in the middle of one, an index that was made
//! anew, and a sync that came late. Whatever happens to the words, the journal says what counts; so what is wrong here
//! shows late and elsewhere, or in nothing but the time it costs.

use taskhost_board::Generation;

use super::*;
use crate::simulation::{Counted, Fault, World};
use crate::words::Words;

/// Those that a newcomer would find.
pub(super) fn words(store: &FileStore) -> Words {
    let file = store.inner.board_file().unwrap();
    store.inner.words(&file.board).unwrap().unwrap()
}

#[test]
fn a_switch_says_how_far_the_next_journal_goes_and_that_all_of_it_is_durable() {
    let (directory, store) = fresh();
    let other = open(&board(&directory));
    remember(&store, "k").unwrap();
    let told = set_policy(&engine(&store), OTHER).unwrap();
    let words = words(&store);
    assert_eq!((told, words.appended_through()), (Sequence(2), told));
    assert_eq!(words.durable_through(), told);
    // Whoever waits for a change hears of it by this number.
    assert_eq!(other.inner.newest().unwrap(), told);
}

#[test]
fn words_that_a_switch_has_left_behind_when_it_died_are_put_right_by_the_next_writer() {
    let (directory, store) = fresh();
    words(&store).begin_switch(Generation(2));
    let other = open(&board(&directory));
    remember(&other, "k").unwrap();
    assert_eq!(words(&other).generation(), Generation(1));
    assert!(other.inner.open_generation().is_some());
    remember(&store, "l").unwrap();
    assert_clean(&store);
}

#[test]
fn a_handle_goes_over_to_an_index_that_somebody_has_made_anew() {
    let (directory, store) = fresh();
    let other = open(&board(&directory));
    remember(&other, "a").unwrap();
    let guard = store.inner.lock(far()).unwrap();
    let anew = store.inner.mend_index(&guard, Some("it was tried".into())).unwrap();
    drop(guard);
    remember(&other, "b").unwrap();
    assert_eq!(other.inner.current(far()).unwrap().epoch, anew.epoch);
    assert_clean(&other);
}

/// An index that is full, or whose process dies in it, has not taken a line that stands in the journal, that others count
/// and sync, and that somebody is told of. If that line rots before the index is mended, it isn't a torn end.
#[test]
fn a_line_that_the_index_lacks_and_that_was_durable_is_not_set_aside_as_a_torn_end() {
    let (directory, store) = fresh();
    let path = board(&directory).join("journal-1.jsonl");
    let told = remember(&store, "a").unwrap();
    let mut journal = std::fs::read(&path).unwrap();
    journal.extend_from_slice(b"{\"seq\":2, what has rotted\n");
    std::fs::write(&path, &journal).unwrap();
    let words = words(&store);
    words.set_appended(told.next());
    words.raise_durable(told.next());
    let refused = try_to_remember(&store, "b", far()).unwrap_err();
    assert!(refused.contains("entry 2 was durable") && refused.contains("line 2"), "{refused}");
    assert_eq!(std::fs::read(&path).unwrap(), journal);
}

/// Somebody begins to sync a journal just before a switch, is slow, and finds the numbers of the next one. Were they
/// taken for those of its own, then a line that was never synced would be counted as durable.
#[test]
fn a_sync_of_a_retired_journal_says_nothing_about_the_lines_of_the_next_one() {
    let world = World::new();
    let store = world.process().init(&plan(), OpenOptions::default()).unwrap();
    remember(&store, "k").unwrap();
    let slow = world.process().open(OpenOptions::default()).unwrap();
    let retired = slow.inner.current(far()).unwrap();
    store.compact(far()).unwrap();
    let durable = words(&store).durable_through();
    let writer = world.process();
    let unlucky = writer.open(OpenOptions::default()).unwrap();
    // Stopped in its sync: its line stands in the journal, and is counted.
    writer.plan(Counted::Changes, 3, Fault::Stop);
    assert!(remember(&unlucky, "late").is_err());
    assert!(words(&store).appended_through() > durable);
    slow.inner.sync_journal(&retired).unwrap();
    assert_eq!(words(&store).durable_through(), durable);
}

/// Takes the index away from `board`, so that its words live on under another name in `aside`.
type TakeAway = fn(board: &Path, aside: &Path);

fn is_moved(board: &Path, aside: &Path) {
    std::fs::rename(board.join("index"), aside.join("index")).unwrap();
}

fn is_removed_and_in_a_backup(board: &Path, aside: &Path) {
    std::fs::hard_link(board.join("index/shared"), aside.join("shared")).unwrap();
    std::fs::remove_dir_all(board.join("index")).unwrap();
}

fn is_hidden_behind_a_link(board: &Path, aside: &Path) {
    std::fs::rename(board.join("index/shared"), aside.join("shared")).unwrap();
    std::os::unix::fs::symlink(aside.join("shared"), board.join("index/shared")).unwrap();
}

/// Words counted as found by newcomers as long as their file had any name. So where the index was moved away, or removed
/// while a backup of hard links held on to it, a handle went by words that nobody else saw: a newcomer made others,
/// compacted, and retired the journal, and the handle went on appending to that, in the history. What it acknowledged was
/// lost, and its tokens were given a second time.
#[test]
fn a_handle_does_not_go_by_words_that_newcomers_no_longer_find() {
    for take_away in [is_moved as TakeAway, is_removed_and_in_a_backup] {
        let (directory, store) = fresh();
        let aside = tempfile::tempdir_in(directory.path()).unwrap();
        let sleeper = engine(&store);
        for task in ["a", "b", "c"] {
            add(&sleeper, task, &[]);
        }
        let (_, first) = claim(&sleeper, "ann").unwrap();
        take_away(&board(&directory), aside.path());
        let newcomer = open(&board(&directory));
        newcomer.compact(far()).unwrap();
        let (_, second) = claim(&engine(&newcomer), "bob").unwrap();
        let retired = board(&directory).join("history/journal-1.jsonl");
        let history_before = std::fs::read(&retired).unwrap();

        let (task, third) = claim(&sleeper, "cat").unwrap();
        assert!(first < second && second < third, "{first:?}, {second:?}, {third:?}");
        assert_eq!(std::fs::read(&retired).unwrap(), history_before);
        let (view, _) = newcomer.snapshot().unwrap();
        let held = view.task(&task).unwrap().unwrap().claim.unwrap();
        assert_eq!((held.agent, held.token), (name("cat"), third));
        assert_clean(&open(&board(&directory)));
    }
}

/// A link to the words is none of those that newcomers find: they don't follow it.
#[test]
fn words_behind_a_planted_link_are_not_found_through_it() {
    let (directory, store) = fresh();
    let aside = tempfile::tempdir_in(directory.path()).unwrap();
    remember(&store, "before").unwrap();
    let words = words(&store);
    assert!(words.are_linked());
    is_hidden_behind_a_link(&board(&directory), aside.path());
    assert!(!words.are_linked());
    let refused = try_to_remember(&store, "behind", far()).unwrap_err();
    assert!(refused.contains("`index/shared`") && refused.contains("link"), "{refused}");
    std::fs::remove_file(board(&directory).join("index/shared")).unwrap();
    remember(&store, "after").unwrap();
    assert_eq!(whole_history(&store), 2);
    assert_clean(&store);
}
