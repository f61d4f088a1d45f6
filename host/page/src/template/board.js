// The board as objects, out of the columns it is written in.

/** What the columns say; `tasks` has those on the board first, `standing` of them. */
function readBoard(model) {
  const { texts } = model;
  const text = (place) => (place < 0 ? null : texts[place]);
  const board = {
    title: model.title,
    madeAt: model.made_at,
    version: model.version,
    sequence: model.sequence,
    begins: model.begins,
    statuses: model.statuses,
    standing: model.tasks.standing,
    tasks: readTasks(model, text),
    events: readEvents(model.events, texts),
    claims: readClaims(model, text),
  };
  join(board, model);
  return board;
}

function readTasks(model, text) {
  const columns = model.tasks;
  const all = (places) => places.map(text);
  return columns.id.map((id, row) => ({
    row,
    id: text(id),
    type: text(columns.type[row]),
    status: model.statuses[columns.status[row]] ?? null,
    reason: text(columns.reason[row]),
    parentId: text(columns.parent[row]),
    afterIds: all(columns.after[row]),
    priority: columns.priority[row],
    labels: all(columns.labels[row]),
    needs: all(columns.needs[row]),
    assignee: readAssignee(all(columns.assignee[row])),
    data: text(columns.data[row]),
    key: text(columns.key[row]),
    attempts: columns.attempts[row],
    failures: columns.failures[row],
    claim: readHeld(columns.claim[row], text),
    result: text(columns.result[row]),
    error: text(columns.error[row]),
    notBefore: columns.not_before[row],
    createdAt: columns.created_at[row],
    updatedAt: columns.updated_at[row],
    completedAt: columns.completed_at[row],
    archivedAt: columns.archived_at[row],
    readiness: text(columns.readiness[row]),
    readyAt: columns.ready_at[row],
    waitsForIds: all(columns.waits_for[row]),
    why: text(columns.why[row]),
    readySince: null,
    parent: null,
    children: [],
    dependents: [],
    claims: [],
    events: [],
  }));
}

function readAssignee([name, kind, hostname, by]) {
  return name === undefined ? null : { name, kind, hostname, by };
}

function readHeld(held, text) {
  if (held === null) return null;
  return {
    agent: text(held.agent),
    kind: text(held.kind),
    hostname: text(held.hostname),
    session: text(held.session),
    token: held.token,
    since: held.since,
    leaseUntil: held.lease_until,
  };
}

function readEvents(columns, texts) {
  const text = (place) => (place < 0 ? null : texts[place]);
  let [sequence, time] = [0, 0];
  const events = columns.sequence.map((step, at) => {
    sequence += step;
    time += columns.time[at];
    return {
      sequence,
      time,
      command: text(columns.command[at]),
      event: text(columns.event[at]),
      agent: text(columns.agent[at]),
      holder: text(columns.holder[at]),
      task: columns.task[at],
      details: columns.details[at],
      times: 1,
    };
  });
  for (const [at, times] of columns.repeats) events[at].times = times;
  return events;
}

/** What else there is to say of an event: names, and texts or the texts of JSON values. */
function detailsOf(event, texts) {
  const details = [];
  for (let at = 0; at < event.details.length; at += 2) {
    const value = event.details[at + 1];
    const isJson = value < 0;
    details.push({ name: texts[event.details[at]], value: texts[isJson ? -1 - value : value], isJson });
  }
  return details;
}

function readClaims({ claims: columns, begins, made_at: madeAt }, text) {
  return columns.task.map((task, at) => {
    const [from, to] = [columns.from[at], columns.to[at]];
    return {
      at,
      task,
      agent: text(columns.agent[at]) ?? "(unknown)",
      session: text(columns.session[at]),
      token: columns.token[at],
      from: from ?? Math.min(begins.time ?? madeAt, to ?? madeAt),
      isBegunBefore: from === null,
      to: Math.max(to ?? madeAt, from ?? 0),
      isHeld: columns.end[at] === "held",
      end: columns.end[at],
      ready: columns.ready[at],
      ended: columns.ended[at],
    };
  });
}

/** Tells tasks of their parents, children, dependents, claims and events. */
function join(board, model) {
  const { tasks } = board;
  const rows = new Map(tasks.map((task) => [task.id, task]));
  board.byId = rows;
  for (const task of tasks) {
    const parent = task.row < board.standing && rows.get(task.parentId);
    if (parent && parent.row < board.standing) {
      task.parent = parent;
      parent.children.push(task);
    }
    for (const id of task.afterIds) rows.get(id)?.dependents.push(task);
  }
  for (const claim of board.claims) tasks[claim.task].claims.push(claim);
  board.events.forEach((event) => event.task >= 0 && tasks[event.task].events.push(event));
  for (const [row, since] of model.ready) tasks[row].readySince = since;
}

/** What a task comes after that isn't completed: it, and whatever waits for it, waits for these. */
function openAfter(task, board) {
  if (isFinished(task.status)) return [];
  return task.afterIds.filter((id) => board.byId.get(id)?.status !== "completed");
}

function isFinished(status) {
  return status === "completed" || status === "failed" || status === "cancelled";
}

/** Who has the task or had it last, or for whom it is. */
function whoOf(task) {
  if (task.claim) return { name: task.claim.agent, how: "by" };
  if (task.assignee && !isFinished(task.status)) return { name: task.assignee.name, how: "for" };
  const last = task.claims.at(-1);
  return last ? { name: last.agent, how: task.status === "completed" ? "by" : "last" } : null;
}

/** What is to be said of a task in a line: the question it is parked with, why it failed, what it waits for. */
function remarkOf(task, board) {
  if (task.status === "failed") return task.error ?? task.reason;
  if (task.status !== "pending") return task.reason;
  const open = openAfter(task, board);
  const waits = task.waitsForIds.length > 0 ? task.waitsForIds : open;
  const parts = [];
  if (waits.length > 0) parts.push(`waits for ${some(waits)}`);
  if (task.readiness === "until") parts.push("not before its time");
  if (task.why) parts.push(task.why);
  if (task.reason) parts.push(task.reason);
  else if (task.error) parts.push(`before: ${task.error}`);
  return parts.length > 0 ? parts.join("; ") : null;
}

function some(ids) {
  const named = ids.slice(0, 3).join(", ");
  return ids.length > 3 ? `${named} and ${ids.length - 3} more` : named;
}
