// Which tasks are shown, below which, with what folded.

/** For each task, how many tasks are below it, and how many of them are completed. */
function tally(board) {
  const below = board.tasks.map(() => ({ all: 0, completed: 0, open: 0 }));
  for (const task of outline(board, () => true).map((line) => line.task).reverse()) {
    const here = below[task.row];
    if (!task.parent) continue;
    const up = below[task.parent.row];
    up.all += here.all + 1;
    up.completed += here.completed + (task.status === "completed" ? 1 : 0);
    up.open += here.open + (isFinished(task.status) ? 0 : 1);
  }
  return below;
}

/** The lines of the tree from the top; `isOpen` says of a task with children whether they are shown. */
function outline(board, isOpen, isShown = () => true) {
  const lines = [];
  const top = (task) => !task.parent;
  const left = [];
  const push = (tasks, level) => {
    const shown = tasks.filter(isShown);
    for (let at = shown.length - 1; at >= 0; at -= 1) {
      left.push({ task: shown[at], level, place: at + 1, of: shown.length });
    }
  };
  push(board.tasks.filter(top), 1);
  while (left.length > 0) {
    const line = left.pop();
    lines.push(line);
    if (line.task.children.length > 0 && isOpen(line.task)) push(line.task.children, line.level + 1);
  }
  return lines;
}

/** What to fold at first: what has ended with all that is below it, if there is much. */
function foldedAtFirst(board, below, few = 60) {
  const folded = new Set();
  if (board.tasks.length <= few) return folded;
  for (const task of board.tasks) {
    if (task.children.length > 0 && isFinished(task.status) && below[task.row].open === 0) folded.add(task.row);
  }
  return folded;
}

/** The text in which a search looks, of each task when it is first asked for. */
function haystacks(board) {
  const texts = new Array(board.tasks.length);
  return (task) => (texts[task.row] ??= haystack(task));
}

function haystack(task) {
  const parts = [task.id, task.type, task.reason, task.error, task.why, task.data, task.result, task.key];
  const people = [task.assignee?.name, task.claim?.agent, ...task.claims.map((claim) => claim.agent)];
  return [...parts, ...task.labels, ...task.needs, ...people].filter(Boolean).join("\n").toLowerCase();
}

/** The tasks that a filter lets through, and those above them. Nothing if it lets everything through. */
function matching(board, filter, hay) {
  if (isEmpty(filter)) return null;
  const words = filter.text.toLowerCase().split(/\s+/).filter(Boolean);
  const found = new Set();
  const shown = new Set();
  for (const task of board.tasks) {
    if (!fits(task, filter, board) || !words.every((word) => hay(task).includes(word))) continue;
    found.add(task.row);
    for (let up = task; up && !shown.has(up.row); up = up.parent) shown.add(up.row);
  }
  return { found, shown };
}

function isEmpty(filter) {
  return filter.text.trim() === "" && filter.statuses.size === 0 && !filter.type && !filter.who && filter.archived;
}

function fits(task, filter, board) {
  if (!filter.archived && task.row >= board.standing) return false;
  if (filter.statuses.size > 0 && !filter.statuses.has(task.status) && !isReadyFor(task, filter)) return false;
  if (filter.type && task.type !== filter.type) return false;
  return !filter.who || isOf(task, filter.who);
}

function isReadyFor(task, filter) {
  return filter.statuses.has("ready") && task.readiness === "ready";
}

function isOf(task, name) {
  return task.claim?.agent === name || task.assignee?.name === name || task.claims.some((claim) => claim.agent === name);
}
