// The colours of the timeline, and the patterns by which its bars are told apart without them.

/** The colours of the page as it is shown now, and the patterns of bars. */
function colorsOf(element, context, scale) {
  const style = getComputedStyle(element);
  const key = `${style.getPropertyValue("--ground")} ${style.getPropertyValue("--text")} ${scale}`;
  if (colorsOf.key === key) return colorsOf.colors;
  const color = (name) => style.getPropertyValue(`--${name}`).trim();
  const family = style.fontFamily;
  const colors = { small: `12px ${family}`, bold: `600 13px ${family}`, families: {} };
  for (const name of ["ground", "panel", "text", "quiet", "line"]) colors[name] = color(name);
  for (const { name } of FAMILIES) {
    const own = color(name);
    colors.families[name] = { color: own, tint: `${own}40`, pattern: patternOf(name, own, context), dash: name === "recovered" ? [4, 3] : [] };
  }
  Object.assign(colorsOf, { key, colors });
  return colors;
}

/** How bars of what ended otherwise than well are hatched, so that colour isn't needed to tell them apart. */
function patternOf(name, color, context) {
  const lines = { failed: [[0, 8, 8, 0]], recovered: [[0, 8, 8, 0], [0, 0, 8, 8]], blocked: [[4, 0, 4, 8]], cancelled: [[0, 4, 8, 4]] }[name];
  if (!lines) return null;
  const tile = el("canvas", { width: 8, height: 8 });
  const brush = tile.getContext("2d");
  brush.strokeStyle = color;
  brush.lineWidth = 1.5;
  for (const [x1, y1, x2, y2] of lines) {
    brush.beginPath();
    brush.moveTo(x1, y1);
    brush.lineTo(x2, y2);
    brush.stroke();
  }
  return context.createPattern(tile, "repeat");
}
