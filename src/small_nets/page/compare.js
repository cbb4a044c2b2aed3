// Settings against each other: lines over any two of them, and the effect of each alone.
const MOST_LINES = 24;

// Metric against one setting, a line for each value of another: optimizer by learning rate, say.
function lineChart() {
  const x = levels(STATE.x), y = STATE.y === null ? null : levels(STATE.y);
  const traces = [noBand()], every = [], bands = new Map();
  const isCurve = KEYS[STATE.x].number && !KEYS[STATE.x].lacks;
  let ends = false;
  (y ? y.texts : [""]).slice(0, MOST_LINES).forEach((text, i) => {
    const inside = (s) => !y || y.of(s) === i;
    const groups = collect((s) => (inside(s) ? x.of(s) : null)), settings = settingsBy((s) => (inside(s) ? x.of(s) : -1));
    const at = x.texts.map((_, c) => c).filter((c) => groups.has(c) && worth(groups.get(c), settings.get(c) ?? []) !== null);
    ends ||= x.texts.some((_, c) => groups.has(c) && !at.includes(c));
    if (!at.length) return;
    const values = at.map((c) => worth(groups.get(c), settings.get(c)));
    const name = y ? `${y.name}=${text}` : STATE.metric, places = at.map((c) => x.at[c]);
    every.push(...values);
    const ranges = at.map((c) => spreadOf(groups.get(c), settings.get(c)));
    if (isCurve && ranges.every(Boolean)) {
      bands.set(name, { x: places, low: ranges.map((r) => r[0]), high: ranges.map((r) => r[1]), tint: colour(i) });
      every.push(...ranges.flat());
    }
    const lost = at.map((c) => groups.get(c).diverged);
    traces.push({ type: "scatter", mode: isCurve ? "lines+markers" : "markers", x: places, y: values, name, legendgroup: name, line: { color: colour(i), dash: dash(i), width: 2 }, marker: { color: colour(i), size: 8, symbol: i % 6 },
      hovertext: at.map((c, j) => `${name}<br>${x.name} ${x.texts[c]}<br>${short(values[j])}${lost[j] ? `<br>${lost[j]} diverged` : ""}`), hoverinfo: "text" });
  });
  const apart = STATE.y === null ? [STATE.x] : [STATE.x, STATE.y];
  const banded = bands.size ? ` ${bands.size > 1 ? "Point at a line, click it or its name for its band" : "The band"}: ${STATE.cell === "median" ? "the middle half of its runs" : "its interval"}.` : "";
  const box = chart("lines", traces, { xaxis: axis(x.name, { ...ticks(x), zeroline: false }), yaxis: valueAxis(titled(drawn()), every, { fixed: true }), ...(y ? legendBelow() : {}) },
    `${capital(summarised(apart))} against ${x.name}${y ? `, a line for each ${y.name}` : ""}.${banded}${isCurve && ends ? " A line ends where no run can be compared." : ""}${y && y.texts.length > MOST_LINES ? ` The first ${MOST_LINES} of ${y.texts.length} are drawn.` : ""}`, 440);
  chooseBands(box, bands);
}

// How far what `worth` says may be off: between which values, or nothing where that is not known.
function spreadOf(group, settings) {
  if (STATE.cell === "median") {
    const ends = [quantileOf(group, 0.25), quantileOf(group, 0.75)];
    return group.all > 1 && !ends.includes(null) ? ends : null;
  }
  const stats = statsOf(bestFirst(settings)[0]);
  return stats[LOW] === null || stats[HIGH] === null ? null : [stats[LOW], stats[HIGH]];
}

function effects() {
  const place = byId("effects");
  if (place.children.length !== KEYS.length) fill(place, ...KEYS.map((_, k) => el("div", { id: `effect-${k}` })));
  KEYS.forEach((key, k) => {
    const over = [...KEYS.filter((_, other) => other !== k).map((other) => other.name), ...Object.keys(RUNS.seeds)];
    const level = levels(k), groups = collect(level.of);
    const known = level.texts.map((_, c) => c).filter((c) => groups.get(c)?.values.length);
    const middles = known.map((c) => [c, quantileOf(groups.get(c), 0.5)]).filter(([, middle]) => middle !== null);
    const best = middles.length < 2 ? null : [...middles].sort((a, b) => (isHigh() ? -1 : 1) * (a[1] - b[1]))[0];
    const shown = known.slice(0, MOST_LEVELS), at = shown.map((c) => level.at[c]);
    const sorted = shown.map((c) => [...groups.get(c).values].sort(ascending));
    const part = (share) => sorted.map((v) => quantile(v, share));
    const lost = level.texts.map((_, c) => groups.get(c)?.diverged ?? 0);
    const some = lost.find(Boolean) ?? 0;
    const text = level.texts.map((t, c) => t.replace("about ", "") + (lost[c] ? `<br>${lost[c]} ×` : ""));
    const box = { type: "box", x: shown.map((c) => level.at[c]), q1: part(0.25), median: part(0.5), q3: part(0.75), lowerfence: part(0.05), upperfence: part(0.95), line: { color: colour(k) }, fillcolor: faint(colour(k), 0.25), hoverinfo: "y", name: "" };
    const gap = level.at.length > 1 ? Math.min(...level.at.slice(1).map((v, i) => v - level.at[i])) : 1;
    chart(`effect-${k}`, [{ ...box, width: gap * 0.6 }], {
      xaxis: axis(key.name, { ...ticks({ ...level, texts: text }, KEYS.length > 1 || isNarrow() ? 260 : 760), range: known.length > MOST_LEVELS ? [at[0] - gap * 0.6, at.at(-1) + gap * 0.6] : [level.at[0] - gap * 0.6, level.at.at(-1) + gap * 0.6], showgrid: false, zeroline: false }),
      yaxis: valueAxis(titled(STATE.metric), [...part(0.05), ...part(0.95)]),
    }, `${STATE.metric} by ${key.name}: the median, middle half and 5 to 95 % of the completed runs${over.length ? ` over ${listed(over)}` : ""}. ${best ? `${isHigh() ? "Highest" : "Lowest"} median over all runs: ${short(best[1])} at ${level.texts[best[0]]}.` : ""}${known.length > MOST_LEVELS ? ` The first ${MOST_LEVELS} of ${known.length} values are drawn.` : ""}${timesText(some)}${level.note}`, 340);
  });
  if (!KEYS.length) nothing("effects", "Nothing but seeds was swept.");
}
