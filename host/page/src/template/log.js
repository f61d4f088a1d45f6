// Everything that happened, the newest first.

class LogView {
  constructor(board, texts, open) {
    Object.assign(this, { board, texts });
    this.newest = [...board.events].reverse();
    this.list = new LongList($("events"), {
      line: (event) => this.line(event),
      choose: (event) => event.task >= 0 && open(board.tasks[event.task]),
    });
    choices($("log-event"), "all", frequent(board.events.map((event) => event.event)));
    const later = debounced(() => this.update(), board.events.length > 5000 ? 200 : 0);
    $("log-search").addEventListener("input", later);
    $("log-event").addEventListener("change", () => this.update());
    $("log-filter").addEventListener("submit", (event) => event.preventDefault());
    this.update();
  }

  line(event) {
    return el("div", { class: "line event", role: "option" }, el("span", { class: "what" }, ...eventSays(event, this.board, this.texts, true).filter(Boolean)));
  }

  update() {
    const parts = $("log-search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const kind = $("log-event").value;
    const fits = (event) => (!kind || event.event === kind) && (parts.length === 0 || this.has(event, parts));
    const events = this.newest.filter(fits);
    $("events").scrollTop = 0;
    this.list.show(events);
    const all = counted(this.newest.length, "event", "events");
    $("log-found").textContent = events.length < this.newest.length ? `${count(events.length)} of ${all}` : all;
  }

  has(event, parts) {
    const { board, texts } = this;
    const id = event.task >= 0 ? board.tasks[event.task].id : "";
    const details = detailsOf(event, texts).map((detail) => detail.value);
    const hay = [id, event.event, event.agent, event.holder, event.command, ...details].filter(Boolean).join("\n").toLowerCase();
    return parts.every((part) => hay.includes(part));
  }
}
