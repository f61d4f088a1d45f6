// The page: its head, its views, and what its address says.

const VIEWS = ["tasks", "timeline", "times", "log"];

function main() {
  const model = JSON.parse($("board").textContent);
  const board = readBoard(model);
  const page = { board, texts: model.texts, view: "tasks", opener: null };
  const open = (task) => go(`#task/${encodeURIComponent(task.id)}`);
  page.views = { tasks: new TaskView(board, open), times: new TimesView(board) };
  page.open = open;
  head(page);
  tabs(page);
  window.addEventListener("hashchange", () => follow(page));
  window.addEventListener("keydown", (event) => pressed(event, page));
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => page.views.timeline?.refresh());
  window.addEventListener("beforeprint", () => print(page, true));
  window.addEventListener("afterprint", () => print(page, false));
  follow(page);
}

function head({ board, views }) {
  $("made").replaceChildren("Made ", time(board.madeAt), el("span", { class: "quiet" }, ` ${zoneName()}, after entry ${board.sequence}, by taskhost ${board.version}`));
  if (!board.begins.is_whole) {
    const { sequence, time: since } = board.begins;
    const begins = since === null ? ["Nothing of the history is kept"] : [`The history that is kept begins with entry ${sequence}, `, time(since)];
    $("gap").replaceChildren(...begins, ": what came before isn't on this page, but for how the tasks stand.");
    $("gap").hidden = false;
  }
  $("counts").replaceChildren(...statusCounts(board).map(([word, number]) => countChip(word, number, views.tasks)));
}

/** How many tasks stand in which status; those that are ready are counted among the pending ones, too. */
function statusCounts(board) {
  const counts = new Map([...board.statuses.map((status) => [status, 0])]);
  let ready = 0;
  for (const task of board.tasks.slice(0, board.standing)) {
    counts.set(task.status, counts.get(task.status) + 1);
    if (task.readiness === "ready") ready += 1;
  }
  const list = [...counts].filter(([, number]) => number > 0);
  if (ready > 0) list.splice(1, 0, ["ready", ready]);
  return list;
}

function countChip(word, number, tasks) {
  const toggle = () => {
    const { statuses } = tasks.filter;
    if (!statuses.delete(word)) statuses.add(word);
    markCounts(statuses);
    if (location.hash !== "" && location.hash !== "#tasks") go("#tasks");
    tasks.changed();
  };
  const label = word === "ready" ? "of them ready" : words(word);
  const mark = el("span", { class: "mark", "aria-hidden": "true" }, STATUS_MARKS[word]);
  const button = el("button", { type: "button", class: `chip s-${word}`, "data-word": word, "aria-pressed": "false", title: `Show only these tasks`, onclick: toggle }, mark, ` ${label} `, el("b", {}, count(number)));
  return el("li", {}, button);
}

function markCounts(statuses) {
  for (const button of $("counts").querySelectorAll("button")) button.setAttribute("aria-pressed", String(statuses.has(button.dataset.word)));
}

function tabs(page) {
  const all = VIEWS.map((view) => $(`tab-${view}`));
  all.forEach((tab, at) => {
    tab.addEventListener("click", () => go(`#${VIEWS[at]}`));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = (at + step + all.length) % all.length;
      go(`#${VIEWS[next]}`);
      all[next].focus();
    });
  });
  $("zone").addEventListener("click", () => switchZone(page));
}

function switchZone(page) {
  Object.assign(clock, { isUtc: !clock.isUtc, formats: null });
  $("zone").textContent = clock.isUtc ? "Show local time" : "Show UTC";
  head(page);
  markCounts(page.views.tasks.filter.statuses);
  page.views.timeline?.refresh();
  page.views.times.again();
  page.views.log?.update();
  if (!$("details").hidden) follow(page);
}

/** Goes to an address within the page. */
function go(hash) {
  if (location.hash === hash) return;
  location.hash = hash;
}

/** Shows what the address says: a view, or a task beside the one that is shown. */
function follow(page) {
  const hash = location.hash.slice(1);
  if (hash.startsWith("task/")) return openTask(page, hash.slice(5));
  closeTask(page);
  showView(page, VIEWS.includes(hash) ? hash : "tasks");
}

function showView(page, view) {
  page.view = view;
  for (const name of VIEWS) {
    $(name).hidden = name !== view;
    $(`tab-${name}`).setAttribute("aria-selected", String(name === view));
    $(`tab-${name}`).tabIndex = name === view ? 0 : -1;
  }
  ready(page, view);
}

/** Makes a view when it is first looked at. */
function ready(page, view) {
  const { board, views, texts, open } = page;
  if (view === "timeline") views.timeline ??= new Timeline(board, open);
  if (view === "log") views.log ??= new LogView(board, texts, open);
  if (view === "times") views.times.show();
}

function openTask(page, encoded) {
  const task = page.board.byId.get(decoded(encoded));
  if (!task) return closeTask(page);
  const details = $("details");
  if (details.hidden) page.opener = document.activeElement;
  details.replaceChildren(...taskDetails(task, page.board, page.texts));
  details.hidden = false;
  details.scrollTop = 0;
  document.body.classList.add("opened");
  $("close").addEventListener("click", () => leaveTask(page));
  if (window.innerWidth < 1000) $("close").focus();
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function leaveTask(page) {
  go(`#${page.view}`);
}

function closeTask(page) {
  if ($("details").hidden) return;
  $("details").hidden = true;
  document.body.classList.remove("opened");
  page.opener?.focus?.({ preventScroll: true });
  page.opener = null;
}

function pressed(event, page) {
  const isTyping = event.target.closest?.("input, select, textarea");
  if (event.key === "Escape" && !$("details").hidden) {
    leaveTask(page);
  } else if (event.key === "/" && !isTyping) {
    const search = { tasks: "search", timeline: "lane-search", log: "log-search" }[page.view];
    if (search) $(search).focus();
    event.preventDefault();
  }
}

/** All views one after the other on paper, in the colours of paper. */
function print(page, isPrinting) {
  document.documentElement.classList.toggle("printing", isPrinting);
  if (!isPrinting) {
    for (const list of [page.views.tasks.list, page.views.log?.list]) list?.clear();
    showView(page, page.view);
    page.views.tasks.list.draw();
    page.views.log?.list.draw();
    page.views.timeline?.refresh();
    return;
  }
  for (const view of VIEWS) {
    $(view).hidden = false;
    ready(page, view);
  }
  left("found", page.views.tasks.list.print(), "tasks");
  left("log-found", page.views.log.list.print(), "events");
  page.views.timeline.print();
}

function left(id, number, what) {
  const note = $(id);
  note.dataset.left = number > 0 ? ` ${count(number)} more ${what} aren't printed.` : "";
}
