// A map of any two settings: what a cell amounts to, in colours and in numbers that can be read.
const MOST_LEVELS = 40, BINS = 24;

// A swept key as an axis: which level a setting is on, what the levels are called, where they lie.
// What a setting lacks has a level of its own, behind the numbers.
function levels(k) {
  const key = KEYS[k], known = key.lacks ? key.values.slice(0, -1) : key.values;
  const scale = key.log ? Math.log10 : (v) => v;
  const last = (at) => (key.lacks ? [...at, at.at(-1) + (at.length > 1 ? at.at(-1) - at.at(-2) : 1)] : at);
  if (!key.number || known.length <= MOST_LEVELS) {
    const at = key.log ? last(known.map(Math.log10)) : key.values.map((_, i) => i);
    return { name: key.name, texts: key.texts, at, of: (s) => SETTINGS[s][k], note: "" };
  }
  const low = scale(known[0]), width = (scale(known.at(-1)) - low) / BINS || 1;
  const bin = known.map((v) => Math.min(BINS - 1, Math.floor((scale(v) - low) / width)));
  const middle = Array.from({ length: BINS }, (_, b) => low + (b + 0.5) * width);
  const texts = middle.map((m) => `about ${+(key.log ? 10 ** m : m).toPrecision(2)}`);
  return { name: key.name, texts: key.lacks ? [...texts, "null"] : texts, at: last(middle), of: (s) => bin[SETTINGS[s][k]] ?? BINS,
    note: ` The ${known.length} values of ${key.name} are gathered in ${BINS} bins.` };
}

// As many marks as there is room for: none lies on the one before it. room: the axis in pixels, about.
// Side by side, or one below another.
function ticks(level, room = isNarrow() ? 260 : 900, isDown = false) {
  const texts = level.texts.map((text) => text.replace("about ", "")), { at } = level;
  const size = (text) => (isDown ? 14 : Math.max(...text.split("<br>").map((line) => line.length)) * 6.5);
  const ends = edges(at), pixel = room / Math.abs(ends.at(-1) - ends[0]), kept = [];
  texts.forEach((text, i) => {
    const last = kept.at(-1);
    if (last === undefined || (at[i] - at[last]) * pixel >= (size(text) + size(texts[last])) / 2 + 3) kept.push(i);
  });
  return { tickmode: "array", tickangle: 0, tickvals: kept.map((i) => at[i]), ticktext: kept.map((i) => texts[i]) };
}

function edges(at) {
  if (at.length === 1) return [at[0] - 0.5, at[0] + 0.5];
  const middle = at.slice(1).map((v, i) => (v + at[i]) / 2);
  return [2 * at[0] - middle[0], ...middle, 2 * at.at(-1) - middle.at(-1)];
}

// matplotlib's cividis, dark to light: the same order for colour-blind readers.
const CIVIDIS = ["#00224e", "#1a386f", "#434e6c", "#61656f", "#7d7c78", "#9b9476", "#bcae6c", "#dec958", "#fee838"];
const BLUES = ["#f7fbff", "#deebf7", "#c6dbef", "#9ecae1", "#6baed6", "#4292c6", "#2171b5", "#08519c", "#08306b"];
const scaleOf = (colours) => colours.map((c, i) => [i / (colours.length - 1), c]);

// Black or white, whichever is told more easily from the colour at a place of the scale, 0 to 1.
function inkOn(colours, share) {
  const at = Math.min(Math.max(share, 0), 1) * (colours.length - 1), i = Math.min(Math.floor(at), colours.length - 2);
  const part = (c, p) => parseInt(c.slice(p, p + 2), 16) / 255;
  const mixed = [1, 3, 5].map((p) => part(colours[i], p) + (at - i) * (part(colours[i + 1], p) - part(colours[i], p)));
  const [r, g, b] = mixed.map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#000000" : "#FFFFFF";
}

const LETTERS = 12, LINE = 16; // pixels: the size of a number in a cell, and of its line
const pen = document.createElement("canvas").getContext("2d");
function widthOf(text) {
  pen.font = `${LETTERS}px ${getComputedStyle(document.body).fontFamily}`;
  return Math.max(...text.split("<br>").map((line) => pen.measureText(line).width));
}

// The numbers of a map that is drawn, as the first of several ways to write them that fits into
// the smallest cell; none where none does. ways: each a list of [x, y, text, share of the scale].
function writeCells(box, ways, xEdges, yEdges, colours) {
  const smallest = (edges, length) => (Math.min(...edges.slice(1).map((v, i) => Math.abs(v - edges[i]))) / Math.abs(edges.at(-1) - edges[0])) * length;
  const [width, height] = [smallest(xEdges, box._fullLayout.xaxis._length), smallest(yEdges, box._fullLayout.yaxis._length)];
  const fits = (way) => way.every(([, , text]) => widthOf(text) + 6 <= width && LINE * text.split("<br>").length <= height);
  const way = ways.find(fits);
  const inks = ["#000000", "#FFFFFF"].map((ink) => (way ?? []).filter(([, , , share]) => inkOn(colours, share) === ink));
  Plotly.addTraces(box, inks.map((cells, i) => ({
    type: "scatter", mode: "text", x: cells.map((c) => c[0]), y: cells.map((c) => c[1]), text: cells.map((c) => c[2]),
    textfont: { size: LETTERS, color: ["#000000", "#FFFFFF"][i] }, hoverinfo: "skip", showlegend: false, meta: "numbers",
  })));
  return Boolean(way);
}

// Whether more of what is drawn is better.
const highest = () => (STATE.cell === "median" ? isHigh() : isWorthHigh());

// What a group of runs amounts to: its median run, or what its best setting is compared by.
function worth(group, settings) {
  if (STATE.cell === "median") return group ? quantileOf(group, 0.5) : null;
  const best = bestFirst(settings)[0];
  return best === undefined ? null : worthOf(best);
}

function settingsBy(groupOf) {
  const groups = new Map();
  SETTINGS.forEach((_, s) => {
    const group = groupOf(s);
    if (!groups.has(group)) groups.set(group, []);
    groups.get(group).push(s);
  });
  return groups;
}

const listed = (words) => (words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`);

// The number that is drawn, for an axis; and over what it is summarised, where these keys are apart.
const drawn = () => (STATE.cell === "median" ? `median ${STATE.metric}` : worthName());
function summarised(apart) {
  const others = KEYS.filter((_, k) => !apart.includes(k)).map((key) => key.name), seeds = Object.keys(RUNS.seeds);
  if (STATE.cell === "median") return others.length || seeds.length ? `the ${drawn()} over ${listed([...others, ...seeds])}` : STATE.metric;
  const over = isSeeded() && seeds.length ? ` over ${listed(seeds)}` : "";
  return `the ${drawn()}${over}${others.length ? `, for the best choice of ${listed(others)}` : ""}`;
}

// What "40 ×" stands for, with the first number that is there; nothing where there is none.
const timesText = (count) => (count ? ` “${count} ×”: ${plural(count, "run")} diverged there.` : "");

function heatMap() {
  if (STATE.y === null) return nothing("heat", KEYS.length > 1 ? "Choose a second setting under Down for a map of two." : "A map needs two swept settings.");
  const [x, y] = [levels(STATE.x), levels(STATE.y)];
  const cellOf = (s) => y.of(s) * x.texts.length + x.of(s);
  const runs = collect(cellOf), groups = settingsBy(cellOf);
  const [xEdges, yEdges] = [edges(x.at), edges(y.at)], middle = (ends, i) => (ends[i] + ends[i + 1]) / 2;
  const grid = y.texts.map((_, r) => x.texts.map((_, c) => {
    const cell = r * x.texts.length + c, group = runs.get(cell);
    return { cell, group, value: worth(group, groups.get(cell) ?? []), x: middle(xEdges, c), y: middle(yEdges, r), of: `${x.name} ${x.texts[c]}, ${y.name} ${y.texts[r]}` };
  }));
  const cells = grid.flat(), valued = cells.filter((c) => c.value !== null), known = valued.map((c) => c.value);
  const isLog = known.length && Math.min(...known) > 0 && Math.max(...known) / Math.min(...known) > 10;
  const z = (v) => (v === null ? null : isLog ? Math.log10(v) : v);
  const dead = cells.filter((c) => c.group && c.value === null);
  const told = (c) => (c.group.diverged ? `${c.group.diverged} of ${plural(c.group.all, "run")} diverged` : "none diverged");
  const hover = grid.map((row) => row.map((c) => (c.group ? `${c.of}<br>${drawn()} ${short(c.value) || "none"}<br>${told(c)}` : "")));
  const [low, high] = [Math.min(...known.map(z)), Math.max(...known.map(z))];
  const share = (v) => { const at = high > low ? (z(v) - low) / (high - low) : 0.5; return highest() ? at : 1 - at; };
  const bars = Array.from({ length: high > low ? 5 : 1 }, (_, i) => low + (i * (high - low)) / 4);
  const traces = [{
    type: "heatmap", x: xEdges, y: yEdges, z: grid.map((row) => row.map((c) => z(c.value))), xgap: 2, ygap: 2,
    colorscale: scaleOf(CIVIDIS), reversescale: !highest(), hovertext: hover, hoverinfo: "text",
    colorbar: { title: { text: titled(drawn()), side: "right" }, tickmode: "array", tickvals: bars, ticktext: bars.map((m) => short(isLog ? 10 ** m : m)), thickness: 14 },
    showscale: !isNarrow() && known.length > 0, hoverongaps: false,
  }, {
    type: "scatter", mode: "markers", x: dead.map((c) => c.x), y: dead.map((c) => c.y), hovertext: dead.map((c) => `${c.of}<br>${whyDead(c)}`),
    hoverinfo: "text", marker: { symbol: "x", size: isNarrow() ? 9 : 14, color: css("--quiet") },
  }];
  const height = Math.min(640, Math.max(300, 120 + 52 * Math.min(y.texts.length, 12)));
  const frame = (marks, ends) => ({ ...marks, range: [ends[0], ends.at(-1)], showgrid: false, zeroline: false });
  const first = bestFirst()[0], best = worthOf(first) === null ? null : cells.find((c) => c.cell === cellOf(first));
  const box = chart("heat", traces, {
    xaxis: axis(x.name, frame(ticks(x), xEdges)), yaxis: axis(y.name, { ...frame(ticks(y, height - 80, true), yEdges), ...(KEYS[STATE.y].number ? {} : { range: [yEdges.at(-1), yEdges[0]] }) }),
    shapes: best ? [frameOf(best, x, y, xEdges, yEdges)] : [],
  }, "", height);
  const way = (digits, counted) => valued.map((c) => [c.x, c.y, short(c.value, digits) + (counted && c.group.diverged ? `<br>${c.group.diverged} ×` : ""), share(c.value)]);
  const ways = [[4, true], [3, true], [2, true], [3, false], [2, false]].map((how) => way(...how));
  const worded = writeCells(box, ways, xEdges, yEdges, CIVIDIS);
  const lost = box.data.filter((t) => t.meta === "numbers").flatMap((t) => t.text).find((t) => t.includes("×"));
  caption("heat", `Map over ${x.name} (across) and ${y.name} (down): in each cell ${summarised([STATE.x, STATE.y])}.${bestText(valued, best, first)}` +
    `${dead.length ? ` A cross marks ${plural(dead.length, "cell")} without a number: ${whyDead(...dead)}.` : ""}${timesText(lost ? parseInt(lost.split("<br>")[1], 10) : 0)}${worded ? "" : " Point at a cell for its number."}${x.note}${y.note}`);
}

// Why cells have no number: how their runs ended.
function whyDead(...cells) {
  const some = (what) => cells.some((c) => c.group[what]);
  const ends = [some("diverged") && "diverged", some("failed") && "failed", some("stopped") && "were stopped by halving"].filter(Boolean);
  const which = cells.some((c) => c.group.values.length) ? "too many runs" : cells.length > 1 ? "all their runs" : "all its runs";
  return ends.length ? `${which} ${ends.join(" or ")}` : "no run has a finite end";
}

function bestText(valued, best, first) {
  if (!best) return "";
  if (STATE.cell !== "median") return ` Best: ${short(best.value)} at ${best.of}, in the frame.`;
  const most = [...valued].sort((a, b) => (isHigh() ? -1 : 1) * (a.value - b.value))[0];
  return ` ${isHigh() ? "Highest" : "Lowest"}: ${short(most.value)} at ${most.of}. The frame marks the cell of the best setting by ${worthName()}: ${label(first)}.`;
}

function frameOf(best, x, y, xEdges, yEdges) {
  const [c, r] = [best.cell % x.texts.length, Math.floor(best.cell / x.texts.length)];
  return { type: "rect", x0: xEdges[c], x1: xEdges[c + 1], y0: yEdges[r], y1: yEdges[r + 1], line: { color: PALETTES.light[1], width: 3 } }; // the best cell is yellow in both themes
}
