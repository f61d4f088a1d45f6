// The tree of tasks, searched and filtered.

class TaskView {
  constructor(board, open) {
    Object.assign(this, { board, open });
    this.below = tally(board);
    this.folded = foldedAtFirst(board, this.below);
    this.foldedInSearch = new Set();
    this.hay = haystacks(board);
    this.hasArchived = board.tasks.length > board.standing;
    this.filter = { text: "", statuses: new Set(), type: "", who: "", archived: !this.hasArchived };
    this.list = new LongList($("tree"), {
      line: (line) => this.line(line),
      choose: (line) => open(line.task),
      key: (key, line) => this.key(key, line),
    });
    this.controls();
    this.update();
  }

  controls() {
    const { board, filter } = this;
    choices($("by-type"), "all", frequent(board.tasks.map((task) => task.type).filter(Boolean)));
    choices($("by-who"), "all", frequent(peopleOf(board)));
    $("archived-label").hidden = !this.hasArchived;
    const changed = () => this.changed();
    const later = debounced(changed, board.tasks.length > 2000 ? 150 : 0);
    $("search").addEventListener("input", () => later((filter.text = $("search").value)));
    $("by-type").addEventListener("change", () => changed((filter.type = $("by-type").value)));
    $("by-who").addEventListener("change", () => changed((filter.who = $("by-who").value)));
    $("archived").addEventListener("change", () => changed((filter.archived = $("archived").checked)));
    $("unfold").addEventListener("click", () => this.foldAll(false));
    $("fold").addEventListener("click", () => this.foldAll(true));
    $("filter").addEventListener("submit", (event) => event.preventDefault());
    $("filter").addEventListener("reset", () => setTimeout(() => this.reset()));
  }

  reset() {
    Object.assign(this.filter, { text: "", type: "", who: "", archived: !this.hasArchived });
    this.filter.statuses.clear();
    markCounts(this.filter.statuses);
    this.changed();
  }

  changed() {
    this.foldedInSearch.clear();
    $("tree").scrollTop = 0;
    this.update();
  }

  /** Whether anything but the archived ones is filtered out. */
  isSearching() {
    return !isEmpty({ ...this.filter, archived: true });
  }

  foldSet() {
    return this.isSearching() ? this.foldedInSearch : this.folded;
  }

  update(active = null) {
    const { board } = this;
    this.found = matching(board, this.filter, this.hay);
    const folded = this.foldSet();
    const isShown = this.found ? (task) => this.found.shown.has(task.row) : () => true;
    const lines = outline(board, (task) => !folded.has(task.row), isShown);
    this.list.show(lines, active ? lines.findIndex((line) => line.task === active) : -1);
    const total = counted(board.standing, "task", "tasks");
    $("found").textContent = this.isSearching() ? `${count(this.found.found.size)} of ${total}` : total;
    if (lines.length < (this.found?.shown.size ?? board.tasks.length)) $("found").textContent += `; some are folded`;
    if (lines.length === 0) $("found").textContent += this.isSearching() ? ": nothing fits" : "";
  }

  fold(task, isFolded) {
    const folded = this.foldSet();
    if (isFolded) folded.add(task.row);
    else folded.delete(task.row);
    this.update(task);
  }

  foldAll(isFolded) {
    const folded = this.foldSet();
    folded.clear();
    if (isFolded) for (const task of this.board.tasks) if (task.children.length > 0) folded.add(task.row);
    this.update();
  }

  key(key, line) {
    if (!line) return false;
    const { task } = line;
    const isFolded = this.foldSet().has(task.row);
    if (key === "ArrowRight" && task.children.length > 0) {
      if (isFolded) this.fold(task, false);
      else this.list.go(this.list.active + 1);
    } else if (key === "ArrowLeft") {
      if (task.children.length > 0 && !isFolded) this.fold(task, true);
      else if (task.parent) this.list.go(this.list.items.findIndex((other) => other.task === task.parent));
    } else if (key === " ") {
      this.open(task);
    } else {
      return false;
    }
    return true;
  }

  line({ task, level, place, of }) {
    const isParent = task.children.length > 0;
    const isFolded = isParent && this.foldSet().has(task.row);
    const isMatch = !this.found || this.found.found.has(task.row);
    const line = el("div", {
      class: `line task${isMatch ? "" : " beside"}`,
      role: "treeitem",
      "aria-level": level,
      "aria-posinset": place,
      "aria-setsize": of,
      "aria-expanded": isParent ? String(!isFolded) : null,
    }, this.handle(task, isParent, isFolded), statusChip(standingOf(task)), el("span", { class: "what" }, ...this.says(task)));
    line.style.setProperty("--level", Math.min(level - 1, 24));
    return line;
  }

  handle(task, isParent, isFolded) {
    if (!isParent) return el("span", { class: "fold" });
    const toggle = () => this.fold(task, !isFolded);
    const label = isFolded ? "Unfold" : "Fold";
    return el("button", { class: "fold", type: "button", tabindex: "-1", "aria-label": label, onclick: toggle }, isFolded ? "▸" : "▾");
  }

  says(task) {
    const who = whoOf(task);
    const remark = remarkOf(task, this.board);
    const below = this.below[task.row];
    const after = task.afterIds.length;
    return [
      said(task.id, "id"),
      task.type ? said(task.type, "word") : null,
      below.all > 0 ? el("span", { class: "progress", title: "completed of those below it" }, `${count(below.completed)}/${count(below.all)}`) : null,
      who ? el("span", { class: "who" }, `${who.how} `, said(who.name)) : null,
      after > 0 ? el("span", { class: "quiet" }, "after ", said(some(task.afterIds))) : null,
      task.archivedAt !== null ? el("span", { class: "quiet" }, "archived") : null,
      remark ? el("span", { class: "remark" }, "— ", said(remark)) : null,
    ].filter(Boolean);
  }
}

function peopleOf(board) {
  const people = board.claims.map((claim) => claim.agent);
  for (const task of board.tasks) if (task.assignee) people.push(task.assignee.name);
  return people;
}

/** Calls the action when it wasn't asked for again so long. */
function debounced(action, ms) {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(action, ms);
  };
}
