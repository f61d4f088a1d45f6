// How long things waited and took: distributions, by type, and the longest ones by name.

/** How many of the longest are named. */
const LONGEST = 10;

class TimesView {
  constructor(board) {
    this.board = board;
    this.isDrawn = false;
  }

  /** Reckons when it is first looked at. */
  show() {
    if (this.isDrawn) return;
    this.isDrawn = true;
    const { board } = this;
    markFirstClaims(board);
    $("times").append(...gapNote(board), throughputPart(board), ...MEASURES.map((measure) => measurePart(board, measure)), waitingPart(board));
  }

  again() {
    if (!this.isDrawn) return;
    this.isDrawn = false;
    $("times").replaceChildren($("times").querySelector("h2"));
    this.show();
  }
}

function gapNote(board) {
  return board.begins.is_whole ? [] : [el("p", { class: "note" }, "What happened before the history that is kept isn't counted here.")];
}

function measurePart(board, measure) {
  const lengths = lengthsOf(board, measure);
  const part = el("section", { class: "part" }, el("h3", {}, measure.title), el("p", { class: "quiet" }, `${capital(measure.says)}.`));
  if (lengths.length === 0) {
    part.append(el("p", {}, "Nothing to be measured yet."));
    return part;
  }
  part.append(el("div", { class: "pair" },
    el("div", {}, histogramOf(histogram(lengths), measure.title), typesTable(board, lengths)),
    el("div", {}, el("h4", {}, "The longest"), longestTable(board, lengths))));
  return part;
}

/** Whether pictures are drawn for a phone, so that their words stay large enough. */
function isNarrow() {
  return window.innerWidth < 700;
}

function capital(text) {
  return text[0].toUpperCase() + text.slice(1);
}

function histogramOf(bins, title) {
  const [width, height, floor] = [isNarrow() ? 400 : 640, 190, 150];
  const step = width / Math.max(bins.length, 6);
  const most = Math.max(...bins.map((bin) => bin.count), 1);
  const says = bins.map((bin) => `${binSays(bin)}: ${bin.count}`).join("; ");
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${title}: ${says}`, class: "chart" });
  bins.forEach((bin, at) => {
    const tall = bin.count === 0 ? 0 : Math.max((bin.count / most) * (floor - 24), 2);
    const x = at * step;
    picture.append(svg("rect", { x: x + 2, y: floor - tall, width: step - 4, height: tall, class: "column" }, svg("title", {}, `${binSays(bin)}: ${bin.count}`)));
    if (bin.count > 0) picture.append(svg("text", { x: x + step / 2, y: floor - tall - 6, class: "middle" }, count(bin.count)));
    if (step > 46 || at % 2 === 0) picture.append(svg("text", { x, y: floor + 18, class: "edge" }, duration(bin.from)));
  });
  picture.append(svg("rect", { x: 0, y: floor, width, height: 1, class: "rule" }));
  return picture;
}

function binSays({ from, to }) {
  return to === Infinity ? `${duration(from)} and more` : `${duration(from)} to ${duration(to)}`;
}

function typesTable(board, lengths) {
  const groups = byType(board, lengths);
  const rows = groups.map(({ type, others, lengths: own }) => statRow(type === null ? el("i", {}, `${others} other types`) : said(type), own));
  if (groups.length > 1) rows.unshift(statRow(el("b", {}, "all"), lengths));
  const head = ["Type", "Number", "Median", "90 %", "99 %", "Longest"].map((title, at) => el("th", { scope: "col", class: at > 0 ? "number" : null }, title));
  return el("div", { class: "wide" }, el("table", {}, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...rows)));
}

function statRow(name, lengths) {
  const cells = [0.5, 0.9, 0.99, 1].map((part) => el("td", { class: "number" }, duration(quantile(lengths, part))));
  return el("tr", {}, el("th", { scope: "row" }, name), el("td", { class: "number" }, count(lengths.length)), ...cells);
}

function longestTable(board, lengths) {
  const longest = lengths.slice(-LONGEST).reverse();
  const rows = longest.map(({ ms, claim }) => {
    const family = FAMILY_OF.get(claim.end);
    return el("tr", {},
      el("td", { class: "number" }, duration(ms)),
      el("td", {}, taskLink(board.tasks[claim.task].id, board)),
      el("td", {}, said(claim.agent)),
      el("td", {}, `${family.mark} ${family.says}`));
  });
  const head = ["How long", "Task", "Claimed by", "Ended"].map((title) => el("th", { scope: "col" }, title));
  return el("div", { class: "wide" }, el("table", {}, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...rows)));
}

function waitingPart(board) {
  const tasks = waitingNow(board);
  const part = el("section", { class: "part" }, el("h3", {}, "Ready, and nobody has them"));
  if (tasks.length === 0) {
    part.append(el("p", {}, "When this page was made, no task was ready and waiting for somebody to claim it."));
    return part;
  }
  const row = (task) => el("tr", {},
    el("td", { class: "number" }, duration(board.madeAt - task.readySince)),
    el("td", {}, taskLink(task.id, board)),
    el("td", {}, said(task.type ?? "")),
    el("td", {}, task.needs.length > 0 ? ["needs ", said(task.needs.join(", "))] : "", task.assignee ? [" for ", said(task.assignee.name)] : ""));
  const head = ["So far", "Task", "Type", "For whom"].map((title) => el("th", { scope: "col" }, title));
  part.append(
    el("p", { class: "quiet" }, `${counted(tasks.length, "task", "tasks")}, those that have waited longest first${tasks.length > 2 * LONGEST ? `: the first ${2 * LONGEST}` : ""}.`),
    el("div", { class: "wide" }, el("table", {}, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...tasks.slice(0, 2 * LONGEST).map(row)))));
  return part;
}

function throughputPart(board) {
  const flow = throughput(board, isNarrow() ? 20 : 60);
  const part = el("section", { class: "part" }, el("h3", {}, "Claims ended over time"));
  if (!flow) {
    part.append(el("p", {}, "No claim has ended yet."));
    return part;
  }
  part.append(el("p", { class: "quiet" }, `A column for each ${duration(flow.step)}. Marks say how: ${familiesIn(flow).map((family) => `${family.mark} ${family.says}`).join(", ")}.`), columnsOf(flow));
  return part;
}

function familiesIn({ stretches }) {
  return FAMILIES.filter((family) => stretches.some((stretch) => stretch.counts.has(family.name)));
}

function columnsOf(flow) {
  const [width, height, floor] = [isNarrow() ? 400 : 960, 200, 160];
  const step = width / Math.max(flow.stretches.length, 8);
  const most = Math.max(...flow.stretches.map((stretch) => stretch.all), 1);
  const families = familiesIn(flow);
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": flowSays(flow), class: "chart" });
  flow.stretches.forEach((stretch, at) => {
    let y = floor;
    for (const family of families) {
      const number = stretch.counts.get(family.name);
      if (!number) continue;
      const tall = Math.max((number / most) * (floor - 22), 1.5);
      y -= tall;
      const shape = { x: at * step + 1, y, width: Math.max(step - 2, 1), height: tall };
      const title = svg("title", {}, `${localTime(stretch.from)}: ${number} ${family.says}`);
      picture.append(svg("rect", { ...shape, class: `fill f-${family.name}` }, title));
      if (tall > 13 && step > 12) picture.append(svg("text", { x: at * step + step / 2, y: y + tall / 2 + 4, class: "middle on" }, family.mark));
    }
    if (stretch.all > 0 && step > 28) picture.append(svg("text", { x: at * step + step / 2, y: y - 5, class: "middle" }, count(stretch.all)));
  });
  picture.append(svg("rect", { x: 0, y: floor, width, height: 1, class: "rule" }), ...flowTicks(flow, step, floor, width));
  return picture;
}

function flowTicks(flow, step, floor, width) {
  const every = Math.max(Math.ceil(150 / step), 1);
  const isOneDay = flow.stretches.length * flow.step < DAY;
  const shown = (ms) => (isOneDay ? formats().second : flow.step < DAY ? formats().full : formats().date).format(new Date(ms));
  return flow.stretches.flatMap((stretch, at) => (at % every === 0 && at * step < width - 70 ? [svg("text", { x: at * step, y: floor + 20, class: "edge" }, shown(stretch.from))] : []));
}

function flowSays(flow) {
  const all = flow.stretches.reduce((sum, stretch) => sum + stretch.all, 0);
  const most = flow.stretches.reduce((best, stretch) => (stretch.all > best.all ? stretch : best));
  return `${counted(all, "claim", "claims")} ended; most of them, ${most.all}, in the ${duration(flow.step)} from ${localTime(most.from)}`;
}
