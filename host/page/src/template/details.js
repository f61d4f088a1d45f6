// A task opened: everything that is known of it.

/** How many of a task's relatives are named at once. */
const NAMED_MAX = 60;
/** How many of its events are shown at once. */
const EVENTS_MAX = 300;

function taskDetails(task, board, texts) {
  const close = el("button", { type: "button", id: "close", "aria-label": "Close" }, "✕");
  const isGone = task.row >= board.standing;
  return [
    el("div", { class: "top" }, el("h2", {}, said(task.id)), close),
    isGone && el("p", { class: "note" }, task.archivedAt ? ["Archived ", time(task.archivedAt), ": it isn't on the board any more."] : "It isn't on the board any more."),
    fieldsOf(task, board),
    ...valuesOf(task),
    relatives("Children", task.children.map((child) => child.id), board),
    relatives("Tasks that come after it", task.dependents.map((other) => other.id), board),
    claimsOf(task),
    eventsOf(task, board, texts),
  ].filter(Boolean);
}

function fieldsOf(task, board) {
  const fields = el("dl", { class: "fields" });
  const field = (name, ...value) => fields.append(el("dt", {}, name), el("dd", {}, ...value));
  const texts = (name, list) => list.length > 0 && field(name, ...list.flatMap((text, at) => [at ? " " : "", said(text, "word")]));
  const at = (name, ms) => ms !== null && field(name, time(ms));
  field("Status", statusChip(task.status), task.readiness ? ` ${readinessSays(task)}` : "");
  task.type && field("Type", said(task.type, "word"));
  task.reason !== null && field(task.status === "blocked" ? "Why it is parked" : "Reason", block(task.reason));
  task.error !== null && field("Error", block(task.error));
  task.why !== null && field("The policy says", block(task.why));
  task.waitsForIds.length > 0 && field("Waits for", links(task.waitsForIds, board));
  task.parentId !== null && field("Part of", taskLink(task.parentId, board));
  task.afterIds.length > 0 && field("Comes after", links(task.afterIds, board));
  heldFields(task, field);
  task.priority !== 0 && field("Priority", String(task.priority));
  texts("Labels", task.labels);
  texts("Needs", task.needs);
  task.createdAt !== null && field("Attempts", attemptsSay(task));
  task.key !== null && field("Request key", said(task.key));
  at("Not before", task.notBefore || null);
  at("Asked again", task.readyAt);
  at("Ready since", task.readiness === "ready" ? task.readySince : null);
  at("Added", task.createdAt);
  at("Changed", task.updatedAt);
  at("Ended", task.completedAt);
  return fields;
}

function readinessSays(task) {
  const says = { ready: "and ready", waiting: "and waiting", until: "until its time", never: "and never ready as it is", unasked: "not asked about yet" };
  return says[task.readiness] ?? task.readiness;
}

function attemptsSay(task) {
  return task.failures > 0 ? `${task.attempts}, of which ${task.failures} failed` : String(task.attempts);
}

function heldFields(task, field) {
  const { claim, assignee } = task;
  if (claim) {
    field("Held by", said(claim.agent), ` since `, time(claim.since));
    field("Session", said(claim.session), claim.hostname ? [" on ", said(claim.hostname)] : "", `, token ${claim.token}`);
    field("Lease until", time(claim.leaseUntil));
  }
  if (assignee) {
    const host = assignee.hostname ? [" on ", said(assignee.hostname)] : [];
    const by = assignee.by ? [", by ", said(assignee.by)] : [];
    field("Reserved for", said(assignee.name), assignee.kind === "agent" ? "" : ` (${assignee.kind})`, ...host, ...by);
  }
}

function valuesOf(task) {
  const value = (name, json) => json !== null && [el("h3", {}, name), el("pre", { dir: "auto" }, visible(pretty(json)))];
  return [value("Result", task.result), value("Data", task.data)].filter(Boolean).flat();
}

function links(ids, board) {
  const shown = ids.slice(0, NAMED_MAX).flatMap((id, at) => [at ? ", " : "", linkWithStatus(id, board)]);
  const list = el("span", {}, ...shown);
  if (ids.length > NAMED_MAX) {
    const more = el("button", { type: "button" }, `and ${count(ids.length - NAMED_MAX)} more`);
    more.addEventListener("click", () => list.replaceChildren(...ids.flatMap((id, at) => [at ? ", " : "", linkWithStatus(id, board)])));
    list.append(" ", more);
  }
  return list;
}

function linkWithStatus(id, board) {
  const other = board.byId.get(id);
  const word = other ? standingOf(other) : null;
  const mark = word ? `${STATUS_MARKS[word] ?? ""}\u00a0` : "";
  return el("span", { title: word ? words(word) : "not on the board", class: "relative" }, mark, taskLink(id, board));
}

function relatives(title, ids, board) {
  if (ids.length === 0) return null;
  const all = el("details", { open: ids.length <= 12 }, el("summary", {}, `${title} (${count(ids.length)})`), links(ids, board));
  return all;
}

function claimsOf(task) {
  if (task.claims.length === 0) return null;
  const line = (claim) => {
    const family = FAMILY_OF.get(claim.end);
    return el("li", { class: `claim f-${family.name}` },
      el("span", { class: "mark", "aria-hidden": "true" }, family.mark), " ",
      said(claim.agent), `: ${END_SAYS[claim.end]}, `,
      claim.isBegunBefore ? "begun before the history that is kept, ended " : "", time(claim.isBegunBefore ? claim.to : claim.from),
      claim.isBegunBefore ? "" : `, ${claim.isHeld ? "so far " : "took "}${duration(claim.to - claim.from)}`,
      claim.ready === null ? "" : `, ready ${duration(claim.from - claim.ready)} before`);
  };
  return el("details", { open: true }, el("summary", {}, `Claims (${count(task.claims.length)})`), el("ol", {}, ...task.claims.map(line)));
}

function eventsOf(task, board, texts) {
  if (task.events.length === 0) return null;
  const left = task.events.length - EVENTS_MAX;
  const list = el("ol", { class: "events" }, ...task.events.slice(-EVENTS_MAX).map((event) => el("li", {}, ...eventSays(event, board, texts, false))));
  const missing = task.events[0].event !== "added" && !board.begins.is_whole;
  return el("details", { open: true }, el("summary", {}, `What happened (${count(task.events.length)})`),
    missing ? el("p", { class: "quiet" }, `The history begins with entry ${board.begins.sequence}: what came before isn't kept.`) : null,
    left > 0 ? el("p", { class: "quiet" }, `The last ${EVENTS_MAX} of them.`) : null, list);
}

/** An event: when, what, who, to which task, and what else is to be said. */
function eventSays(event, board, texts, withTask) {
  const holder = event.holder !== null && event.holder !== event.agent;
  const times = event.times > 1 ? ` ${count(event.times)} times, last` : "";
  return [
    time(event.time), " ", el("b", {}, words(event.event) + times), " ",
    withTask && event.task >= 0 ? taskLink(board.tasks[event.task].id, board) : null,
    event.agent !== null ? el("span", {}, " by ", said(event.agent)) : null,
    holder ? el("span", {}, event.agent === null ? " from " : ", from ", said(event.holder)) : null,
    el("span", { class: "quiet" }, ` (${event.command}, entry ${event.sequence})`),
    ...detailsOf(event, texts).filter(isTelling).map(detailSays),
  ];
}

function isTelling({ name, value }) {
  return value !== "[]" && value !== "{}" && !(name === "priority" && value === "0") && !(name === "kind" && value === "agent");
}

function detailSays({ name, value }) {
  const isTime = (name === "lease_until" || name === "not_before") && !Number.isNaN(Date.parse(value));
  return el("span", { class: "detail" }, " ", el("i", {}, words(name)), " ", isTime ? time(Date.parse(value)) : said(value));
}
