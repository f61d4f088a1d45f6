// What the page's scripts reckon, without a browser. Called with the file of scripts and with one of what is expected;
// says what is wrong, and how it ends.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

const [, , scripts, expected] = process.argv;
const names = [
  "visible", "oneLine", "pretty", "duration", "count", "readBoard", "detailsOf", "outline", "tally", "foldedAtFirst", "matching",
  "haystacks", "lanesOf", "firstEndingAfter", "ticksBetween", "spanOf", "MEASURES", "markFirstClaims", "lengthsOf", "quantile",
  "byType", "histogram", "throughput", "waitingNow", "FAMILY_OF", "END_SAYS", "remarkOf", "whoOf",
];
const page = new Function(`"use strict";\n${readFileSync(scripts, "utf8")}\nreturn { ${names.join(", ")} };`)();
const { model, steering, ends } = JSON.parse(readFileSync(expected, "utf8"));

/** A claim of the timeline. */
const claim = (at, agent, from, to, end = "completed") => ({ at, task: 0, agent, from, to, end, isHeld: end === "held" });

const tests = {
  "what steers is written out, and nothing else"() {
    const shown = [];
    for (let code = 0; code <= 0x10ffff; code += 1) {
      if (code >= 0xd800 && code <= 0xdfff) continue;
      const c = String.fromCodePoint(code);
      if (page.visible(c) !== c) shown.push(code);
    }
    assert.deepEqual(shown, steering);
    assert.equal(page.visible("a\u202eb\tc\nd"), "a\\u{202e}b\\tc\nd");
  },

  "json is set out digit for digit"() {
    const json = '{"n":1.50,"big":12345678901234567890123,"e":1E+2,"s":"a \\"{[,:]}\\" b","none":{},"list":[1,[]]}';
    const lines = page.pretty(json);
    assert.ok(lines.includes('"n": 1.50') && lines.includes("12345678901234567890123") && lines.includes("1E+2"), lines);
    assert.ok(lines.includes('"s": "a \\"{[,:]}\\" b"') && lines.includes('"none": {}') && lines.includes("[]"), lines);
    assert.deepEqual(JSON.parse(lines), JSON.parse(json));
    assert.equal(page.pretty('"text"'), '"text"');
  },

  "lengths of time are told in their two largest units"() {
    const told = [0, 999, 1500, 61_000, 3_600_000, 90_061_000].map(page.duration);
    assert.deepEqual(told, ["0 ms", "999 ms", "1.5 s", "1 min 1 s", "1 h", "1 d 1 h"]);
    assert.equal(page.count(1234567), "1\u202f234\u202f567");
  },

  "claims of one name that overlap are in different rows, and others share one"() {
    const lanes = page.lanesOf([claim(0, "a", 0, 10), claim(1, "a", 5, 8), claim(2, "b", 0, 1), claim(3, "a", 9, 12), claim(4, "a", 10, 11)]);
    const rows = lanes.map((lane) => [lane.name, lane.rows.map((row) => row.map((bar) => bar.at))]);
    assert.deepEqual(rows, [["a", [[0, 4], [1, 3]]], ["b", [[2]]]]);
    const row = lanes[0].rows[0];
    assert.deepEqual([-1, 9, 10, 11].map((time) => page.firstEndingAfter(row, time)), [0, 0, 1, 2]);
  },

  "a hundred thousand claims of one name are packed at once"() {
    const claims = Array.from({ length: 100_000 }, (_, at) => claim(at, "a", at, at + 50));
    const [lane] = page.lanesOf(claims);
    assert.equal(lane.rows.length, 50);
    for (const row of lane.rows) assert.ok(row.every((bar, at) => at === 0 || row[at - 1].to <= bar.from));
  },

  "every way a claim ends has a family and words"() {
    for (const end of ends) assert.ok(page.FAMILY_OF.get(end) && page.END_SAYS[end], end);
  },

  "ticks are few and round in the reader's zone"() {
    const hour = 3_600_000;
    const { step, ticks } = page.ticksBetween(0, 24 * hour, 8, 1.5 * hour);
    assert.equal(step, 3 * hour);
    assert.ok(ticks.every((tick) => (tick + 1.5 * hour) % step === 0) && ticks.length <= 9);
    for (const length of [1, 999, 86_400_000, 4e12]) assert.ok(page.ticksBetween(5, 5 + length, 8).ticks.length <= 9);
  },

  "quantiles, bins and types count every length once"() {
    const lengths = Array.from({ length: 100 }, (_, at) => ({ ms: (at + 1) * 100, claim: claim(at, "a", 0, 0) }));
    assert.deepEqual([0.5, 0.9, 0.99, 1].map((part) => page.quantile(lengths, part)), [5000, 9000, 9900, 10_000]);
    assert.equal(page.quantile([], 0.5), null);
    const bins = page.histogram(lengths);
    assert.equal(bins.reduce((sum, bin) => sum + bin.count, 0), 100);
    assert.ok(bins[0].count > 0 && bins.at(-1).count > 0);
    const many = { tasks: Array.from({ length: 100 }, (_, row) => ({ type: `t${row % 20}` })) };
    const groups = page.byType(many, lengths.map((length, row) => ({ ...length, claim: { task: row } })));
    assert.equal(groups.length, 13);
    assert.equal(groups.reduce((sum, group) => sum + group.lengths.length, 0), 100);
    assert.equal(groups.at(-1).others, 8);
  },

  "the board that was written is the board that is read"() {
    const board = page.readBoard(model);
    assert.equal(board.standing, model.tasks.standing);
    const [parent, child] = ["goal", "part"].map((id) => board.byId.get(id));
    assert.equal(child.parent, parent);
    assert.deepEqual(page.outline(board, () => true).slice(0, 2).map((line) => [line.task.id, line.level]), [["goal", 1], ["part", 2]]);
    assert.deepEqual(page.tally(board)[parent.row], { all: 1, completed: 0, open: 1 });
    assert.deepEqual(child.claims.map((bar) => bar.end), ["retried", "held"]);
    assert.equal(page.whoOf(child).name, "bob");
    const failed = child.events.find((event) => event.event === "retried");
    assert.deepEqual(page.detailsOf(failed, model.texts), [{ name: "error", value: "</script>\u2028\u202e", isJson: false }]);
    assert.equal(child.data, '{"n":1.50}');
  },

  "a search finds what any word of a task says, with what is above it"() {
    const board = page.readBoard(model);
    const filter = { text: "", statuses: new Set(), type: "", who: "", archived: true };
    const hay = page.haystacks(board);
    assert.equal(page.matching(board, filter, hay), null);
    const { found, shown } = page.matching(board, { ...filter, text: "BOB 1.50" }, hay);
    assert.deepEqual([[...found], [...shown].sort()], [[1], [0, 1]]);
    assert.equal(page.matching(board, { ...filter, statuses: new Set(["failed"]) }, hay).found.size, 0);
  },

  "what was measured is what the history says"() {
    const board = page.readBoard(model);
    page.markFirstClaims(board);
    const measured = page.MEASURES.map((measure) => page.lengthsOf(board, measure).map((length) => length.ms));
    assert.deepEqual(measured, [[2000, 3000], [3000], [4000]]);
    const flow = page.throughput(board);
    assert.equal(flow.stretches.reduce((sum, stretch) => sum + stretch.all, 0), 1);
    assert.deepEqual(page.waitingNow(board).map((task) => task.id), []);
  },
};

for (const [name, test] of Object.entries(tests)) {
  try {
    test();
  } catch (error) {
    console.error(`${name}: ${error.stack}`);
    process.exitCode = 1;
  }
}
console.log(`${Object.keys(tests).length} tests`);
