//! What keeps a board: making it, switching its generations, mending, repairing, upgrading and moving it.

use std::collections::BTreeMap;
use std::io::BufReader;
use std::sync::Arc;

use taskhost_board::{
    Digest, Finish, Keeper as _, PolicyChange, PolicyTarget, Retention, Sequence, Store as _,
};
use taskhost_store_file::simulation::{Counted, Fault, Process, Testimony, World};
use taskhost_store_file::{FileStore, RepairOptions};

use super::{Act, Operation, board};
use crate::stage::{Desk, Done, OTHER, STANDARD, Stage, far, plan, text};
use crate::{Bug, examine, rebuilt};

pub(super) const KEEPING: &[Operation] = &[
    Operation {
        resume: Some(init_again),
        ..Operation::alone(
            "init",
            |bug| Ok(Stage::new(World::new(), bug)),
            |stage, process| process.init(&plan(), stage.options()).map(drop).map_err(text),
            (30, 135),
        )
    },
    Operation::command(
        "policy set",
        |desk| set_policy(desk, PolicyTarget::Component(OTHER.to_vec()), None),
        (195, 1012),
    ),
    Operation::command(
        "policy settings",
        |desk| set_policy(desk, PolicyTarget::Current, Some(("lease", "20m"))),
        (171, 860),
    ),
    Operation::command(
        "compaction",
        |desk| desk.store.compact(far()).map(drop).map_err(text),
        (156, 855),
    ),
    Operation {
        set: to_trim,
        ..Operation::command(
            "history trimming",
            |desk| desk.store.trim_history().map(drop).map_err(text),
            (44, 300),
        )
    },
    Operation::alone("claim by a handle that slept through a switch", board, slept, (9, 76)),
    Operation {
        resume: Some(repair_again),
        ..Operation::alone("repair from the history", without_snapshot, repair, (22, 113))
    },
    Operation {
        resume: Some(repair_again),
        also: Some(undamaged_is_there),
        ..Operation::alone("repair that loses something", without_middle, repair, (29, 130))
    },
    Operation {
        resume: Some(import_again),
        ..Operation::alone("import", to_import, import, (51, 256))
    },
    Operation {
        act: Act::AtDesk(|desk| desk.store.begin(far()).map(drop).map_err(text)),
        ..Operation::alone("upgrade of format 1", of_format_1, open, (25, 64))
    },
    Operation::alone("recovery from a torn end", torn, open, (8, 33)),
    Operation::alone("recovery from a failed sync", poisoned, open, (29, 144)),
    Operation::alone("recovery from a failed sync, evicted", evicted, open, (29, 144)),
    Operation::alone("recovery from a lost index", without_index, open, (4, 8)),
];

fn open(stage: &Stage, process: &Arc<Process>) -> Done {
    let store = process.open(stage.options()).map_err(text)?;
    drop(store.begin(far()).map_err(text)?);
    Ok(())
}

fn init_again(stage: &Stage, is_acknowledged: bool) -> Done {
    match stage.world.process().open(stage.options()) {
        Ok(_) => Ok(()),
        Err(error) if is_acknowledged => Err(format!("the new board doesn't open: {error}")),
        // Whoever was told nothing makes it again.
        Err(_) => stage.world.process().init(&plan(), stage.options()).map(drop).map_err(text),
    }
}

fn set_policy(desk: &Desk, target: PolicyTarget, setting: Option<(&str, &str)>) -> Done {
    let settings = setting.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let change = PolicyChange {
        target,
        settings: settings.into_iter().collect(),
        standard_settings: BTreeMap::new(),
        expect: None,
    };
    desk.engine.set_policy(&change, far()).map(drop).map_err(text)
}

/// A board with a history in several journals, none of which is kept.
fn to_trim(bug: Option<Bug>) -> Result<Stage, String> {
    let stage = board(bug)?;
    let desk = stage.desk()?;
    for number in 0..3 {
        desk.store.compact(far()).map_err(text)?;
        desk.add(&format!("later-{number}"), &[])?;
    }
    let edit = |settings: &mut taskhost_board::BoardSettings| {
        settings.history = Retention { age_ms: None, bytes: Some(0) };
        Ok(())
    };
    desk.engine.configure(&edit, None, far()).map_err(text)?;
    stage.testimony.lock().may_trim = true;
    Ok(stage)
}

/// A handle is open, somebody else compacts, and then it goes on.
fn slept(stage: &Stage, process: &Arc<Process>) -> Done {
    let sleeper = stage.desk_of(process.clone())?;
    sleeper.add("before", &[])?;
    stage.desk()?.store.compact(far()).map_err(text)?;
    sleeper.claim("late").map(drop).map_err(text)
}

/// A board of the second generation, with a history before it.
fn compacted(bug: Option<Bug>) -> Result<Stage, String> {
    let stage = board(bug)?;
    let desk = stage.desk()?;
    desk.store.compact(far()).map_err(text)?;
    for task in ["later-1", "later-2", "later-3"] {
        desk.add(task, &[])?;
    }
    drop(desk);
    Ok(stage)
}

/// Changes a file of a board that nobody has open.
fn harm(stage: &Stage, path: &str, at: impl Fn(&[u8]) -> usize) -> Done {
    let mut content =
        stage.world.files().remove(path).ok_or_else(|| format!("there is no `{path}`"))?;
    let at = at(&content);
    content[at] ^= 1;
    stage.world.tamper(path, Some(content));
    stage.world.lose_index();
    Ok(())
}

/// The snapshot is damaged, and the history has all of it.
fn without_snapshot(bug: Option<Bug>) -> Result<Stage, String> {
    let stage = compacted(bug)?;
    harm(&stage, "tasks-2.jsonl", |content| content.len() / 2)?;
    Ok(stage)
}

/// The journal is damaged where entries were durable, so that not all can be kept: before that place somebody had claimed,
/// completed and given up, and somebody did so after it.
fn without_middle(bug: Option<Bug>) -> Result<Stage, String> {
    let mut stage = compacted(bug)?;
    let desk = stage.desk()?;
    desk.claim_task("eve", "second")?;
    desk.finish("eve", "second", &Finish::Complete(None))?;
    desk.finish("kin", "kid-2", &Finish::Fail(Some("not this time".into())))?;
    desk.claim_task("fay", "later-1")?;
    let kept = examine::history(&desk.store)?;
    desk.finish("early", "first", &Finish::Complete(None))?;
    desk.finish("fay", "later-1", &Finish::Release(None))?;
    desk.claim_task("late", "later-2")?;
    drop(desk);
    // Within the first of the last three lines.
    harm(&stage, "journal-2.jsonl", |content| {
        let lines: Vec<usize> =
            content.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::len).collect();
        let (before, after) = lines.split_at(lines.len() - 3);
        before.iter().sum::<usize>() + after[0] / 2
    })?;
    stage.undamaged = Arc::new(kept);
    // What is lost was told to somebody: the repair says what it is, and that isn't looked at here.
    let mut testimony = stage.testimony.lock();
    (testimony.acknowledged, testimony.seen) = Default::default();
    testimony.may_trim = true;
    drop(testimony);
    Ok(stage)
}

/// The board is what it was before the place that was damaged, and what others did since: nothing of that is lost, and
/// nothing that was lost is there by half.
fn undamaged_is_there(stage: &Stage, desk: &Desk) -> Done {
    let (view, now) = desk.store.snapshot().map_err(text)?;
    let mut all = stage.undamaged.to_vec();
    let last = all.last().map(|(sequence, _)| *sequence).unwrap_or_default();
    // A repair leaves a gap in the numbers.
    let since = examine::history(&desk.store)?.into_iter().filter(|(sequence, _)| *sequence > last);
    all.extend(since.zip(last.0 + 1..).map(|((_, entry), number)| (Sequence(number), entry)));
    let wrong = rebuilt::in_records(&all, &*view, now.wall);
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
}

fn lossy(stage: &Stage) -> RepairOptions {
    let components = BTreeMap::from([(Digest::of(STANDARD), STANDARD.to_vec())]);
    RepairOptions { open: stage.options(), lossy: true, components }
}

fn repair(stage: &Stage, process: &Arc<Process>) -> Done {
    let repaired = process.repair(lossy(stage)).map_err(text)?;
    if repaired.left.is_empty() { Ok(()) } else { Err(repaired.left.join("; ")) }
}

fn repair_again(stage: &Stage, is_acknowledged: bool) -> Done {
    match stage.world.process().open(stage.options()) {
        Ok(store) if store.doctor().is_clean() => Ok(()),
        Err(error) if is_acknowledged => Err(format!("the repaired board doesn't open: {error}")),
        _ => repair(stage, &stage.world.process()),
    }
}

fn exported(store: &FileStore) -> Result<Vec<u8>, String> {
    let mut lines = Vec::new();
    let mut each = |line: taskhost_board::transfer::TransferLine| {
        lines.extend(line.encode()?);
        Ok(())
    };
    store.export(&mut each).map_err(text)?;
    Ok(lines)
}

/// An empty machine, and a board from elsewhere.
fn to_import(bug: Option<Bug>) -> Result<Stage, String> {
    let elsewhere = compacted(bug)?;
    let lines = exported(&elsewhere.desk()?.store)?;
    let mut stage = Stage::new(World::new(), bug);
    stage.lines = Arc::new(lines);
    stage.testimony.lock().clone_from(&elsewhere.testimony.lock());
    // They aren't part of a board that is moved.
    stage.testimony.lock().values.forget_files();
    Ok(stage)
}

fn import(stage: &Stage, process: &Arc<Process>) -> Done {
    let lines = BufReader::new(&stage.lines[..]);
    process.import(lines, stage.options()).map(drop).map_err(text)
}

fn import_again(stage: &Stage, is_acknowledged: bool) -> Done {
    match stage.world.process().open(stage.options()) {
        // Whoever was told nothing may find it all the same, whole.
        Ok(_) => Ok(()),
        Err(error) if is_acknowledged => Err(format!("the imported board doesn't open: {error}")),
        Err(_) => import(stage, &stage.world.process()),
    }
}

/// A board that the first version has left, as git keeps it.
fn of_format_1(bug: Option<Bug>) -> Result<Stage, String> {
    const FILES: [(&str, &[u8]); 5] = [
        ("board.json", include_bytes!("../../../fixtures/format-1/board.json")),
        (
            "history/journal-1.jsonl",
            include_bytes!("../../../fixtures/format-1/history/journal-1.jsonl"),
        ),
        ("journal-2.jsonl", include_bytes!("../../../fixtures/format-1/journal-2.jsonl")),
        ("tasks-2.jsonl", include_bytes!("../../../fixtures/format-1/tasks-2.jsonl")),
        (
            "policies/b8b55ec72980f93dc5ad2d5f2c68de3adf0a9634c0404cc2e191e7e7af5db3cc.wasm",
            include_bytes!(
                "../../../fixtures/format-1/policies/b8b55ec72980f93dc5ad2d5f2c68de3adf0a9634c0404cc2e191e7e7af5db3cc.wasm"
            ),
        ),
    ];
    let files = FILES.map(|(name, content)| (name.to_owned(), content.to_vec()));
    let stage = Stage::new(World::holding(files.into()), bug);
    let store = stage.world.process().open(stage.options()).map_err(text)?;
    *stage.testimony.lock() = Testimony::of(&store).map_err(text)?;
    drop(store);
    Ok(stage)
}

/// The last writer's line is there by half.
fn torn(bug: Option<Bug>) -> Result<Stage, String> {
    let stage = board(bug)?;
    let before = stage.world.files();
    stage.stop_writers(&[1])?;
    let (journal, after) = ("journal-1.jsonl", stage.world.files());
    let (short, long) = (&before[journal], &after[journal]);
    let half = short.len() + (long.len() - short.len()) / 2;
    stage.world.tamper(journal, Some(long[..half].to_vec()));
    Ok(stage)
}

/// A sync has failed, and what it should have written is lost.
fn poisoned(bug: Option<Bug>) -> Result<Stage, String> {
    let stage = board(bug)?;
    let desk = stage.desk()?;
    desk.process.plan(Counted::Changes, 3, Fault::LostSync);
    match desk.add("unknown", &[]) {
        Err(_) => {}
        Ok(()) => return Err("a sync was to fail, and didn't".into()),
    }
    drop(desk);
    Ok(stage)
}

/// The same, and whoever reads it finds what the disk has.
fn evicted(bug: Option<Bug>) -> Result<Stage, String> {
    let stage = poisoned(bug)?;
    stage.world.evict();
    Ok(stage)
}

fn without_index(bug: Option<Bug>) -> Result<Stage, String> {
    let stage = board(bug)?;
    stage.world.lose_index();
    Ok(stage)
}
