//! What must hold of a board after anything: everything acknowledged is there, everything else whole or not at all, it
//! shows what its history says, and it can be worked on.

use taskhost_board::{Entry, Finish, Sequence, Status, Store as _};
use taskhost_store_file::FileStore;

use crate::fold::Fold;
use crate::operations::Operation;
use crate::rebuilt;
use crate::stage::{Done, Stage, id, text};

/// Opens what is left and says everything that is wrong with it.
pub(crate) fn examine(operation: &Operation, left: &Stage, is_acknowledged: bool) -> Vec<String> {
    if let Some(resume) = operation.resume
        && let Err(why) = resume(left, is_acknowledged)
    {
        return vec![format!("it can't be done again: {why}")];
    }
    let desk = match left.desk() {
        Ok(desk) => desk,
        Err(why) => return vec![format!("the board doesn't open: {why}")],
    };
    let mut wrong = contradictions(left, &desk.store);
    if !wrong.is_empty() {
        return wrong;
    }
    if let Some(also) = operation.also {
        wrong.extend(also(left, &desk).err());
    }
    drop(desk);
    wrong.extend(work_on(left).err().map(|why| format!("the board can't be worked on: {why}")));
    wrong
}

/// In what the board contradicts what was said about it, or itself.
pub(crate) fn contradictions(left: &Stage, store: &FileStore) -> Vec<String> {
    let testimony = left.testimony.lock();
    let mut wrong = testimony.contradictions(store);
    // Where its beginning may be missing, the history doesn't say everything.
    if !testimony.may_trim {
        wrong.extend(
            history(store)
                .and_then(|history| against(&history, store))
                .unwrap_or_else(|error| vec![error]),
        );
    }
    wrong
}

/// All that happened on the board.
pub(crate) fn history(store: &FileStore) -> Result<Vec<(Sequence, Entry)>, String> {
    let mut history = Vec::new();
    let each = &mut |sequence, entry| {
        history.push((sequence, entry));
        true
    };
    store.history(Sequence(0), each).map_err(text)?;
    Ok(history)
}

/// Everything in which the board differs from its history, which is whole, and the history from the rules.
pub(crate) fn against(
    history: &[(Sequence, Entry)],
    store: &FileStore,
) -> Result<Vec<String>, String> {
    let (view, now) = store.snapshot().map_err(text)?;
    let mut fold = Fold::default();
    history.iter().for_each(|(sequence, entry)| fold.take(*sequence, entry));
    let mut wrong = fold.differences(&*view);
    // After a difference that is plainer, the same one isn't told at length.
    if wrong.is_empty() {
        wrong = rebuilt::differences(history, &*view, now.wall);
    }
    Ok(wrong)
}

/// Somebody comes, adds a task, and does it.
pub(crate) fn work_on(left: &Stage) -> Done {
    let desk = left.desk()?;
    desk.add("afterwards", &[])?;
    let token = desk.claim_task("worker", "afterwards")?;
    desk.finish("worker", "afterwards", &Finish::Complete(None))?;
    let task = desk.engine.task(&id("afterwards")).map_err(text)?;
    let closed = task.closed.map(|closed| closed.token);
    if task.status == Status::Completed && closed == Some(token) {
        Ok(())
    } else {
        Err(format!("a task that was completed is {}", task.status))
    }
}
