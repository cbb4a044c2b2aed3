// Settings against each other: a map of any two of them, lines, and the effect of each alone.
const MOST_LEVELS = 40, BINS = 24, MOST_LINES = 24;

// A swept key as an axis: which level a setting is on, what the levels are called, where they lie.
function levels(k) {
  const key = KEYS[k];
  const scale = key.log ? Math.log10 : (v) => v;
  if (!key.number || key.values.length <= MOST_LEVELS) {
    const at = key.log ? key.values.map(Math.log10) : key.values.map((_, i) => i);
    return { name: key.name, texts: key.texts, at, of: (s) => SETTINGS[s][k], note: "" };
  }
  const low = scale(key.values[0]), width = (scale(key.values.at(-1)) - low) / BINS || 1;
  const bin = key.values.map((v) => Math.min(BINS - 1, Math.floor((scale(v) - low) / width)));
  const middle = Array.from({ length: BINS }, (_, b) => low + (b + 0.5) * width);
  const texts = middle.map((m) => `about ${+(key.log ? 10 ** m : m).toPrecision(2)}`);
  return { name: key.name, texts, at: middle, of: (s) => bin[SETTINGS[s][k]], note: ` The ${key.values.length} values of ${key.name} are gathered in ${BINS} bins.` };
}

function ticks(level, most = isNarrow() ? 8 : 20) {
  const every = Math.ceil(level.texts.length / most);
  const kept = level.texts.map((_, i) => i).filter((i) => i % every === 0);
  return { tickmode: "array", tickvals: kept.map((i) => level.at[i]), ticktext: kept.map((i) => level.texts[i].replace("about ", "")) };
}

function edges(at) {
  if (at.length === 1) return [at[0] - 0.5, at[0] + 0.5];
  const middle = at.slice(1).map((v, i) => (v + at[i]) / 2);
  return [2 * at[0] - middle[0], ...middle, 2 * at.at(-1) - middle.at(-1)];
}

// What a group of runs amounts to: its median run, or the mean of its best setting.
function worth(group, settings) {
  if (STATE.cell === "median") return group && group.values.length ? medianOf(group.values) : null;
  const means = settings.map((s) => DATA.stats[STATE.metric][s]).filter((r) => r[0] > 0).map((r) => r[1]);
  return means.length ? Math[isHigh() ? "max" : "min"](...means) : null;
}

function settingsBy(groupOf) {
  const groups = new Map();
  SETTINGS.forEach((_, s) => {
    const group = groupOf(s);
    groups.set(group, [...(groups.get(group) ?? []), s]);
  });
  return groups;
}

const what = () => (STATE.cell === "median" ? `the median run's ${STATE.metric}` : `the mean ${STATE.metric} of the best setting`);

function heatMap() {
  if (STATE.y === null) return nothing("heat", KEYS.length > 1 ? "Choose a second setting under Down for a map of two." : "A map needs two swept settings.");
  const [x, y] = [levels(STATE.x), levels(STATE.y)];
  const cellOf = (s) => y.of(s) * x.texts.length + x.of(s);
  const runs = collect(cellOf), groups = settingsBy(cellOf);
  const grid = y.texts.map((_, r) => x.texts.map((_, c) => {
    const cell = r * x.texts.length + c, group = runs.get(cell);
    return { group, value: worth(group, groups.get(cell) ?? []), x: x.at[c], y: y.at[r], of: `${x.name} ${x.texts[c]}, ${y.name} ${y.texts[r]}` };
  }));
  const cells = grid.flat(), known = cells.filter((c) => c.value !== null).map((c) => c.value);
  const isLog = known.length && Math.min(...known) > 0 && Math.max(...known) / Math.min(...known) > 10;
  const z = (v) => (v === null ? null : isLog ? Math.log10(v) : v);
  const dead = cells.filter((c) => c.group && c.value === null);
  const worded = cells.length <= (isNarrow() ? 30 : 150);
  const told = (c) => (c.group?.diverged ? `${plural(c.group.diverged, "run")} of ${c.group.all} diverged` : "none diverged");
  const texts = grid.map((row) => row.map((c) => (c.value === null ? "" : short(c.value) + (c.group?.diverged ? `<br>${c.group.diverged} ×` : ""))));
  const hover = grid.map((row) => row.map((c) => (c.group ? `${c.of}<br>${STATE.metric} ${short(c.value) || "none"}<br>${told(c)}` : "")));
  const [low, high] = [Math.min(...known.map(z)), Math.max(...known.map(z))];
  const marks = Array.from({ length: 5 }, (_, i) => low + (i * (high - low)) / 4);
  const traces = [{
    type: "heatmap", x: edges(x.at), y: edges(y.at), z: grid.map((row) => row.map((c) => z(c.value))), xgap: 2, ygap: 2,
    colorscale: "Cividis", reversescale: !isHigh(), text: texts, hovertext: hover, hoverinfo: "text", ...(worded ? { texttemplate: "%{text}" } : {}),
    colorbar: { title: { text: STATE.metric, side: "right" }, tickmode: "array", tickvals: marks, ticktext: marks.map((m) => short(isLog ? 10 ** m : m)), thickness: 14 },
    showscale: !isNarrow() && known.length > 0, hoverongaps: false,
  }, {
    type: "scatter", mode: "markers", x: dead.map((c) => c.x), y: dead.map((c) => c.y), hovertext: dead.map((c) => `${c.of}<br>none of ${c.group.all} runs has a finite end`),
    hoverinfo: "text", marker: { symbol: "x", size: 14, color: css("--quiet") },
  }];
  const frame = (level) => ({ ...ticks(level), range: [edges(level.at)[0], edges(level.at).at(-1)], showgrid: false, zeroline: false });
  const best = cells.filter((c) => c.value !== null).sort((a, b) => (isHigh() ? -1 : 1) * (a.value - b.value))[0];
  chart("heat", traces, { xaxis: axis(x.name, frame(x)), yaxis: axis(y.name, { ...frame(y), ...(KEYS[STATE.y].number ? {} : { autorange: "reversed", range: undefined }) }) },
    `Map of ${what()} over ${x.name} (across) and ${y.name} (down). ${best ? `Best: ${short(best.value)} at ${best.of}.` : ""} ${dead.length ? `A cross marks ${plural(dead.length, "cell")} where no run has a finite end` : "No cell is without a finite end"}; “3 ×” in a cell: 3 of its runs diverged.${x.note}${y.note}`,
    Math.min(640, Math.max(300, 120 + 52 * Math.min(y.texts.length, 12))));
}

function band(x, low, high, tint, group, share = 0.15) {
  return { type: "scatter", mode: "lines", x: [...x, ...[...x].reverse()], y: [...high, ...[...low].reverse()], fill: "toself", fillcolor: faint(tint, share), line: { width: 0 }, hoverinfo: "skip", legendgroup: group, showlegend: false };
}

// Metric against one setting, a line for each value of another: optimizer by learning rate, say.
function lineChart() {
  const x = levels(STATE.x), y = STATE.y === null ? null : levels(STATE.y);
  const traces = [], every = [];
  const isCurve = KEYS[STATE.x].number;
  let ends = false;
  (y ? y.texts : [""]).slice(0, MOST_LINES).forEach((text, i) => {
    const inside = (s) => !y || y.of(s) === i;
    const groups = collect((s) => (inside(s) ? x.of(s) : null)), settings = settingsBy((s) => (inside(s) ? x.of(s) : -1));
    const at = x.texts.map((_, c) => c).filter((c) => groups.has(c) && worth(groups.get(c), settings.get(c) ?? []) !== null);
    ends ||= x.texts.some((_, c) => groups.has(c) && !at.includes(c));
    if (!at.length) return;
    const values = at.map((c) => worth(groups.get(c), settings.get(c)));
    const quartiles = at.map((c) => [...groups.get(c).values].sort(ascending));
    const name = y ? `${y.name}=${text}` : STATE.metric, places = at.map((c) => x.at[c]);
    every.push(...values);
    if (STATE.cell === "median" && isCurve) traces.push(band(places, quartiles.map((v) => quantile(v, 0.25)), quartiles.map((v) => quantile(v, 0.75)), colour(i), name));
    const lost = at.map((c) => groups.get(c).diverged);
    traces.push({ type: "scatter", mode: isCurve ? "lines+markers" : "markers", x: places, y: values, name, legendgroup: name, line: { color: colour(i), dash: dash(i), width: 2 }, marker: { color: colour(i), size: 8, symbol: i % 6 },
      hovertext: at.map((c, j) => `${name}<br>${x.name} ${x.texts[c]}<br>${short(values[j])}${lost[j] ? `<br>${lost[j]} diverged` : ""}`), hoverinfo: "text" });
  });
  chart("lines", traces, { xaxis: axis(x.name, { ...ticks(x), zeroline: false }), yaxis: valueAxis(STATE.metric, every), ...(y ? legendBelow() : {}) },
    `${what()[0].toUpperCase()}${what().slice(1)} against ${x.name}${y ? `, a line for each ${y.name}` : ""}${STATE.cell === "median" && isCurve ? "; the band holds the middle half of the runs" : ""}${isCurve && ends ? ". A line ends where every run diverged." : "."}${y && y.texts.length > MOST_LINES ? ` The first ${MOST_LINES} of ${y.texts.length} are drawn.` : ""}`, 440);
}

function effects() {
  const place = byId("effects");
  if (place.children.length !== KEYS.length) fill(place, ...KEYS.map((_, k) => el("div", { id: `effect-${k}` })));
  KEYS.forEach((key, k) => {
    const level = levels(k), groups = collect(level.of);
    const known = level.texts.map((_, c) => c).filter((c) => groups.get(c)?.values.length);
    const middles = new Map(known.map((c) => [c, medianOf(groups.get(c).values)]));
    const best = [...middles].sort((a, b) => (isHigh() ? -1 : 1) * (a[1] - b[1]))[0];
    const shown = known.slice(0, MOST_LEVELS), at = shown.map((c) => level.at[c]);
    const sorted = shown.map((c) => [...groups.get(c).values].sort(ascending));
    const part = (share) => sorted.map((v) => quantile(v, share));
    const lost = level.texts.map((_, c) => groups.get(c)?.diverged ?? 0);
    const text = level.texts.map((t, c) => t.replace("about ", "") + (lost[c] ? `<br>${lost[c]} ×` : ""));
    const box = { type: "box", x: shown.map((c) => level.at[c]), q1: part(0.25), median: part(0.5), q3: part(0.75), lowerfence: part(0.05), upperfence: part(0.95), line: { color: colour(k) }, fillcolor: faint(colour(k), 0.25), hoverinfo: "y", name: "" };
    const gap = level.at.length > 1 ? Math.min(...level.at.slice(1).map((v, i) => v - level.at[i])) : 1;
    chart(`effect-${k}`, [{ ...box, width: gap * 0.6 }], {
      xaxis: axis(key.name, { ...ticks({ ...level, texts: text }, 8), range: known.length > MOST_LEVELS ? [at[0] - gap * 0.6, at.at(-1) + gap * 0.6] : [level.at[0] - gap * 0.6, level.at.at(-1) + gap * 0.6], showgrid: false, zeroline: false }),
      yaxis: valueAxis(STATE.metric, [...part(0.05), ...part(0.95)]),
    }, `${STATE.metric} by ${key.name}, whatever the other settings: median, middle half and 5 to 95 % of the completed runs. ${best ? `${isHigh() ? "Highest" : "Lowest"} median: ${short(best[1])} at ${level.texts[best[0]]}.` : ""}${known.length > MOST_LEVELS ? ` The first ${MOST_LEVELS} of ${known.length} values are drawn.` : ""} ${lost.some(Boolean) ? "“3 ×”: 3 runs diverged there." : ""}${level.note}`, 340);
  });
  if (!KEYS.length) nothing("effects", "Nothing but seeds was swept.");
}
