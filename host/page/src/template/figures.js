// How long things waited and took, and how much was done when.

/** What can be measured of claims: what it is called, and of a claim, how long; nothing where it isn't known. */
const MEASURES = [
  {
    name: "ready",
    title: "Ready until claimed",
    says: "how long tasks could have been claimed before somebody did, each time they were ready",
    of: (claim) => (claim.ready === null ? null : claim.from - claim.ready),
  },
  {
    name: "added",
    title: "Added until first claimed",
    says: "how long tasks were on the board before their first claim, waiting for others included",
    of: (claim, task) => (isFirst(claim, task) && task.createdAt !== null ? claim.from - task.createdAt : null),
  },
  {
    name: "held",
    title: "Claimed until its end",
    says: "how long claims took that have ended, however they ended",
    of: (claim) => (claim.isHeld || claim.isBegunBefore || claim.end === "unknown" ? null : claim.to - claim.from),
  },
];

function isFirst(claim, task) {
  return task.claims[0] === claim && !claim.isBegunBefore && task.hasFirstClaim;
}

/** Marks the tasks whose first claim the history has: those that it saw being added. */
function markFirstClaims(board) {
  for (const task of board.tasks) {
    task.hasFirstClaim = task.events.length > 0 && task.events[0].event === "added";
  }
}

/** All lengths of a measure, shortest first, each with its claim. */
function lengthsOf(board, measure) {
  const lengths = [];
  for (const claim of board.claims) {
    const ms = measure.of(claim, board.tasks[claim.task]);
    if (ms !== null) lengths.push({ ms: Math.max(ms, 0), claim });
  }
  return lengths.sort((a, b) => a.ms - b.ms);
}

/** The length that this part of sorted lengths doesn't exceed. */
function quantile(sorted, part) {
  if (sorted.length === 0) return null;
  return sorted[Math.max(Math.ceil(sorted.length * part) - 1, 0)].ms;
}

/** Lengths by the types of their tasks, those with most first; all types after `most` together. */
function byType(board, sorted, most = 12) {
  const groups = new Map();
  for (const length of sorted) {
    const type = board.tasks[length.claim.task].type ?? "(unknown)";
    if (!groups.has(type)) groups.set(type, []);
    groups.get(type).push(length);
  }
  const types = [...groups].sort((a, b) => b[1].length - a[1].length).map(([type, lengths]) => ({ type, lengths }));
  if (types.length <= most + 1) return types;
  const others = types.slice(most).flatMap((group) => group.lengths).sort((a, b) => a.ms - b.ms);
  return [...types.slice(0, most), { type: null, others: types.length - most, lengths: others }];
}

/** Where one bin of lengths ends and the next begins: three to each tenfold. */
const BIN_EDGES = [
  0, 10, 30, 100, 300, SECOND, 3 * SECOND, 10 * SECOND, 30 * SECOND, MINUTE, 3 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR,
  3 * HOUR, 12 * HOUR, DAY, 3 * DAY, 7 * DAY, 30 * DAY, 90 * DAY, Infinity,
];

/** How many lengths fall between which; without empty bins at both ends. */
function histogram(sorted) {
  if (sorted.length === 0) return [];
  const bins = [];
  let at = 0;
  for (let edge = 0; edge + 1 < BIN_EDGES.length; edge += 1) {
    const [from, to] = [BIN_EDGES[edge], BIN_EDGES[edge + 1]];
    const first = at;
    while (at < sorted.length && sorted[at].ms < to) at += 1;
    bins.push({ from, to, count: at - first });
  }
  const first = bins.findIndex((bin) => bin.count > 0);
  const last = bins.findLastIndex((bin) => bin.count > 0);
  return bins.slice(first, last + 1);
}

/** How many claims of each family ended in each of about `most` stretches of time. */
function throughput(board, most = 60) {
  const ended = board.claims.filter((claim) => !claim.isHeld && claim.end !== "unknown");
  if (ended.length === 0) return null;
  let [from, to] = [Infinity, -Infinity];
  for (const claim of ended) {
    from = Math.min(from, claim.to);
    to = Math.max(to, claim.to);
  }
  const step = TICK_STEPS.find((step) => (to - from) / step < most) ?? Math.ceil((to - from) / most);
  const start = Math.floor(from / step) * step;
  const stretches = Array.from({ length: Math.floor((to - start) / step) + 1 }, (_, at) => ({
    from: start + at * step,
    counts: new Map(),
    all: 0,
  }));
  for (const claim of ended) {
    const stretch = stretches[Math.floor((claim.to - start) / step)];
    const { name } = FAMILY_OF.get(claim.end);
    stretch.counts.set(name, (stretch.counts.get(name) ?? 0) + 1);
    stretch.all += 1;
  }
  return { step, stretches };
}

/** Tasks that could be claimed when the page was made and that nobody had, the longest first. */
function waitingNow(board) {
  const ready = board.tasks.filter((task) => task.readySince !== null && task.readiness === "ready");
  return ready.sort((a, b) => a.readySince - b.readySince);
}
