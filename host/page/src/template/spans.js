// Claims as bars in lanes, and the ticks of an axis of time.

/** The families in which claims end: how they look, and in which words. What goes wrong is drawn last. */
const FAMILIES = [
  { name: "completed", mark: "✓", says: "completed", ends: ["completed", "in_review"] },
  { name: "released", mark: "↩", says: "released", ends: ["released"] },
  { name: "blocked", mark: "‖", says: "blocked", ends: ["blocked"] },
  { name: "cancelled", mark: "⊘", says: "cancelled", ends: ["cancelled", "unknown"] },
  { name: "held", mark: "▶", says: "still held", ends: ["held"] },
  { name: "failed", mark: "✗", says: "failed", ends: ["failed", "retried"] },
  { name: "recovered", mark: "☠", says: "taken back", ends: ["lease_over", "holder_dead", "policy", "operator"] },
];

const FAMILY_OF = new Map(FAMILIES.flatMap((family) => family.ends.map((end) => [end, family])));

const END_SAYS = {
  completed: "completed",
  in_review: "completed, sent to review",
  failed: "failed",
  retried: "failed, to be tried again",
  released: "released",
  lease_over: "taken back: its lease ran out",
  holder_dead: "taken back: its holder died",
  policy: "taken back by the policy",
  operator: "taken back by an operator",
  blocked: "blocked",
  cancelled: "cancelled",
  held: "still held",
  unknown: "ended, the history doesn't say how",
};

/** A lane for each name: its claims in rows in which none lies over another, each row in order of time. */
function lanesOf(claims) {
  const lanes = new Map();
  for (const claim of [...claims].sort((a, b) => a.from - b.from || a.at - b.at)) {
    let lane = lanes.get(claim.agent);
    if (!lane) lanes.set(claim.agent, (lane = { name: claim.agent, claims: [], rows: [], free: new Heap() }));
    lane.claims.push(claim);
    place(lane, claim);
  }
  return [...lanes.values()];
}

/** Puts the claim into the row that has been free longest, or into a new one. */
function place(lane, claim) {
  const free = lane.free.least();
  const row = free && free.key <= claim.from ? lane.free.pop().row : lane.rows.push([]) - 1;
  lane.rows[row].push(claim);
  lane.free.push({ key: Math.max(claim.to, claim.from + 1), row });
}

/** Numbers with what belongs to them, the least first. */
class Heap {
  items = [];

  least() {
    return this.items[0];
  }

  push(item) {
    const { items } = this;
    let at = items.push(item) - 1;
    while (at > 0) {
      const up = (at - 1) >> 1;
      if (items[up].key <= items[at].key) break;
      [items[up], items[at]] = [items[at], items[up]];
      at = up;
    }
  }

  pop() {
    const { items } = this;
    const least = items[0];
    const last = items.pop();
    if (items.length > 0) {
      items[0] = last;
      this.sink();
    }
    return least;
  }

  sink() {
    const { items } = this;
    let at = 0;
    for (;;) {
      let low = at;
      for (const below of [2 * at + 1, 2 * at + 2]) {
        if (below < items.length && items[below].key < items[low].key) low = below;
      }
      if (low === at) return;
      [items[low], items[at]] = [items[at], items[low]];
      at = low;
    }
  }
}

/** The first place in a row of claims whose claim ends after `time`. */
function firstEndingAfter(row, time) {
  let [low, high] = [0, row.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (row[middle].to > time) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** From when to when anything was claimed, with some room. */
function spanOf(claims, otherwise) {
  let [from, to] = [Infinity, -Infinity];
  for (const claim of claims) {
    from = Math.min(from, claim.from);
    to = Math.max(to, claim.to);
  }
  if (from > to) [from, to] = [otherwise - HOUR, otherwise];
  const room = Math.max((to - from) * 0.02, 50);
  return { from: from - room, to: to + room };
}

const TICK_STEPS = [
  1, 2, 5, 10, 20, 50, 100, 200, 500, SECOND, 2 * SECOND, 5 * SECOND, 10 * SECOND, 15 * SECOND, 30 * SECOND, MINUTE,
  2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY,
  2 * DAY, 7 * DAY, 14 * DAY, 28 * DAY, 91 * DAY, 182 * DAY, 364 * DAY,
];

/** Times between two at which an axis has ticks, at most `most` of them, round in a zone that is so far from UTC. */
function ticksBetween(from, to, most, offset = 0) {
  const length = Math.max(to - from, 1);
  const step = TICK_STEPS.find((step) => length / step <= most) ?? Math.ceil(length / most / DAY) * DAY;
  const ticks = [];
  for (let at = Math.ceil((from + offset) / step) * step; at <= to + offset; at += step) ticks.push(at - offset);
  return { step, ticks };
}

