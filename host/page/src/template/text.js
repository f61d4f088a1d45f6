// Texts as people read them: what agents wrote made harmless, JSON set out, lengths of time and counts in words.

/** What steers a reader's screen: controls but the line feed, marks that turn the direction, separators of lines. */
const STEERS = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

const SHORT_ESCAPES = { "\t": "\\t", "\r": "\\r" };

/** The text with what steers written out, as the command line shows it. */
function visible(text) {
  return text.replace(STEERS, (c) => SHORT_ESCAPES[c] ?? `\\u{${c.codePointAt(0).toString(16)}}`);
}

/** The text in one line, at most `length` characters of it. */
function oneLine(text, length = 300) {
  const line = visible(text.replace(/\s*\n\s*/g, " ⏎ "));
  return line.length > length ? `${[...line.slice(0, length + 1)].slice(0, length).join("")}…` : line;
}

/** The parts of a JSON text: texts, marks, and words or numbers, digit for digit. */
const JSON_PARTS = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;

/** A JSON text over several lines. It isn't parsed, so that no digit of a number is lost. */
function pretty(json) {
  let text = "";
  let depth = 0;
  const parts = json.match(JSON_PARTS) ?? [];
  const line = () => `\n${"  ".repeat(Math.min(depth, 40))}`;
  for (let at = 0; at < parts.length; at += 1) {
    const part = parts[at];
    const isEmpty = (part === "{" && parts[at + 1] === "}") || (part === "[" && parts[at + 1] === "]");
    if (isEmpty) {
      text += part + parts[(at += 1)];
    } else if (part === "{" || part === "[") {
      depth += 1;
      text += part + line();
    } else if (part === "}" || part === "]") {
      depth -= 1;
      text += line() + part;
    } else {
      text += part === "," ? part + line() : part === ":" ? ": " : part;
    }
  }
  return text;
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** A length of time in its two largest units. */
function duration(ms) {
  if (ms < 0) return `−${duration(-ms)}`;
  if (ms < SECOND) return `${Math.round(ms)} ms`;
  if (ms < MINUTE) return `${trimmed(Math.floor(ms / 100) / 10)} s`;
  const units = [[DAY, "d"], [HOUR, "h"], [MINUTE, "min"], [SECOND, "s"]];
  const at = units.findIndex(([length]) => ms >= length);
  const [large, small] = [units[at], units[at + 1]];
  const rest = small && Math.floor((ms % large[0]) / small[0]);
  const whole = `${Math.floor(ms / large[0])} ${large[1]}`;
  return rest ? `${whole} ${rest} ${small[1]}` : whole;
}

function trimmed(number) {
  return Number.isInteger(number) || number >= 10 ? String(Math.floor(number)) : number.toFixed(1);
}

/** A whole number with gaps between thousands. */
function count(number) {
  return String(number).replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

/** A number of things, by their name as one or as several. */
function counted(number, one, many) {
  return `${count(number)} ${number === 1 ? one : many}`;
}

/** A word of the history, such as `lease_over`, as people write it. */
function words(word) {
  return word.replace(/_/g, " ");
}
