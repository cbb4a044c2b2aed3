// The search: how it went on, which settings mattered, and all trials side by side.
const SEARCH = DATA.search;
const LOST = -0.12, OVER = 1.1, MOST_TICKS = 6;
const isBetterTrial = (a, b) => (SEARCH.high ? a > b : a < b);

function searchText() {
  if (!SEARCH) return byId("search").remove();
  const best = SEARCH.best;
  byId("search-text").textContent = `${plural(SEARCH.count, "trial")}, for the ${SEARCH.high ? "greatest" : "least"} ${titled(SEARCH.objective, SEARCH.metric)}. ` +
    (best ? `The best is trial ${best.trial}, with ${short(best.value)}; its best run alone:` : "None has a finite objective.");
  if (best) fill(byId("search-best"), commandBlock(best.command));
  byId("search-x").addEventListener("change", progressChart);
}

function searchCharts() {
  if (!SEARCH) return;
  progressChart();
  importanceChart();
  coordinatesChart();
}

// The settings of a trial, one a line.
function trialText(i) {
  const { number, value, diverged, runs, state, params, stopped, reached } = SEARCH.trials;
  const ends = value[i] === null ? (state[i] === "FAIL" ? "failed" : stopped[i] !== null ? `stopped after epoch ${stopped[i].toLocaleString("en")} at ${short(reached[i])}` : "no finite objective") : short(value[i]);
  const some = diverged[i] ? `<br>${diverged[i]} of ${plural(runs[i], "run")} diverged` : "";
  return `trial ${number[i]}: ${ends}${some}${SEARCH.parameters.map((p) => (params[p.name][i] === null ? "" : `<br>${p.name}=${params[p.name][i]}`)).join("")}`;
}

function progressChart() {
  const { number, value, seconds, stopped, reached } = SEARCH.trials, bySeconds = byId("search-x").value === "seconds";
  const at = bySeconds ? seconds : number, all = number.map((_, i) => i);
  const known = all.filter((i) => value[i] !== null), lost = all.filter((i) => value[i] === null && stopped[i] === null);
  const halted = all.filter((i) => stopped[i] !== null);
  const finite = known.map((i) => value[i]), edge = SEARCH.high ? Math.min(...finite) : Math.max(...finite);
  const best = [];
  for (const i of known) best.push(best.length && !isBetterTrial(value[i], best.at(-1)) ? best.at(-1) : value[i]);
  const end = all.length - 1, line = known.map((i) => at[i]);
  if (known.length && known.at(-1) !== end) { line.push(at[end]); best.push(best.at(-1)); }
  const dots = (places, y, name, marker) => ({ type: "scatter", mode: "markers", x: places.map((i) => at[i]), y, name, marker, hovertext: places.map(trialText), hoverinfo: "text" });
  const traces = [
    dots(known, finite, "a trial", { color: colour(0), size: 6, opacity: 0.6 }),
    dots(halted, halted.map((i) => reached[i]), "stopped by halving, what it had reached", { color: colour(5), symbol: "circle-open", size: 6, opacity: 0.6 }),
    dots(lost, lost.map(() => (known.length ? edge : 1)), "no finite objective", { color: colour(1), symbol: "x", size: 8 }),
    { type: "scatter", mode: "lines", x: line, y: best, name: "best so far", line: { color: colour(2), width: 3, shape: "hv" }, hoverinfo: "x+y" },
  ];
  chart("progress", traces.filter((t) => t.x.length), { xaxis: axis(bySeconds ? "seconds since the search began" : "trial", { rangemode: "tozero" }), yaxis: valueAxis(titled(SEARCH.objective, SEARCH.metric), [...finite, ...halted.map((i) => reached[i])]), ...legendBelow() },
    `The objective of every trial ${bySeconds ? "when its batch was done" : "in the order they were asked"}, and the best so far.${SEARCH.best ? ` Best: ${short(SEARCH.best.value)}, trial ${SEARCH.best.trial}.` : ""}${lost.length ? ` A cross at the ${SEARCH.high ? "lower" : "upper"} edge marks ${plural(lost.length, "trial")} without a finite objective.` : " No trial is without a finite objective."}`, 440);
}

function importanceChart() {
  const found = SEARCH.importance;
  if (!found) return nothing("importance", "Too few trials have a finite objective to say which settings matter.");
  const names = found.shares.map(([name]) => name), shares = found.shares.map(([, share]) => share);
  const some = SEARCH.parameters.filter((p) => p.conditional).map((p) => p.name);
  chart("importance", [{ type: "bar", orientation: "h", x: shares, y: names.map((_, i) => i), marker: { color: colour(0) }, text: shares.map((s) => `${Math.round(100 * s)} %`), textposition: "outside", cliponaxis: false, hoverinfo: "none" }], {
    xaxis: axis("share of the importance", { rangemode: "tozero", range: [0, Math.max(...shares, 0.01) * 1.15], tickformat: ".0%" }),
    yaxis: axis("", { tickmode: "array", tickvals: names.map((_, i) => i), ticktext: names, autorange: "reversed", showgrid: false }),
  }, `How much each setting parts the best ${found.top} trials from the others that have a finite objective (PED-ANOVA). ${names.length ? `Most: ${names[0]}, ${Math.round(100 * shares[0])} %.` : ""}${some.length ? ` ${some.join(" and ")}: judged over the trials that have it.` : ""}`,
  Math.max(240, 110 + 36 * names.length));
}

// Where a value of a parameter lies on its axis, from 0 to 1; below it where a trial lacks the parameter.
function placeOf(p) {
  if (p.choices) return (v) => (v === null ? LOST : p.choices.length > 1 ? p.choices.indexOf(v) / (p.choices.length - 1) : 0.5);
  const scale = p.log ? Math.log10 : (v) => v, [low, high] = p.ends.map(scale);
  return (v) => (v === null ? LOST : (scale(v) - low) / (high - low || 1));
}

// Marks along an axis from low to high, round ones between the ends: [text, place].
function marks(low, high, log) {
  const scale = log ? Math.log10 : (v) => v, [from, to] = [scale(low), scale(high)], inner = [];
  const place = (v) => (scale(v) - from) / (to - from || 1);
  const round = (rough) => [1, 2, 5, 10].map((m) => m * 10 ** Math.floor(Math.log10(rough || 1))).find((v) => v >= rough);
  const decades = Math.max(1, Math.ceil((to - from) / MOST_TICKS)), step = round((high - low) / MOST_TICKS);
  if (!log) for (let i = Math.ceil(low / step); i * step <= high; i++) inner.push(i * step);
  else for (let e = Math.floor(from); e <= to; e += decades) inner.push(...(to - from < 2 ? [1, 2, 5] : [1]).map((m) => m * 10 ** e));
  const kept = inner.filter((v) => place(v) > 0.07 && place(v) < 0.93);
  return [low, ...kept, high].map((v) => [Math.abs(v) < 1e6 ? String(+v.toPrecision(3)) : v.toExponential(1), place(v)]);
}

function valuesAxis(known) {
  const [low, high] = known.length ? [Math.min(...known), Math.max(...known)] : [0, 1], log = low > 0 && high / low > 10;
  const scale = log ? Math.log10 : (v) => v;
  return { place: (v) => (v === null ? OVER : (scale(v) - scale(low)) / (scale(high) - scale(low) || 1)), ticks: marks(low, high, log) };
}

// A line for each trial across all settings, to its objective; the best ones on top.
function coordinatesChart() {
  const { value, params } = SEARCH.trials, known = value.filter((v) => v !== null), last = valuesAxis(known);
  const axes = SEARCH.parameters.map((p) => ({
    name: p.name, of: params[p.name].map(placeOf(p)), lacks: p.conditional,
    ticks: p.choices ? p.choices.map((c) => [c, placeOf(p)(c)]) : marks(...p.ends, p.log),
  }));
  const hasLost = known.length < value.length, over = SEARCH.trials.stopped.some((v) => v !== null) ? "stopped or not finite" : "not finite";
  axes.push({ name: DATA.standard.how === "bound" ? `bound of ${SEARCH.metric}` : `${DATA.standard.seeds > 1 ? `${DATA.standard.how} ` : ""}${SEARCH.metric}`, of: value.map(last.place), ticks: [...last.ticks, ...(hasLost ? [[over, OVER]] : [])] });
  const order = value.map((_, i) => i).filter((i) => value[i] !== null).sort((a, b) => (isBetterTrial(value[a], value[b]) ? -1 : 1));
  const tenth = Math.max(1, Math.round(order.length / 10)), half = Math.max(tenth, Math.ceil(order.length / 2));
  const lost = value.map((_, i) => i).filter((i) => value[i] === null);
  const lines = (places, name, line) => {
    const at = (i) => [...axes.map((a) => a.of[i]), null];
    return { type: "scatter", mode: "lines+markers", name, x: places.flatMap(() => [...axes.keys(), null]), y: places.flatMap(at), line, marker: { size: 5, color: line.color },
      hovertext: places.flatMap((i) => [...axes.map(() => trialText(i)), ""]), hoverinfo: "text", connectgaps: false };
  };
  const traces = [
    lines(lost, over, { color: faint(colour(1), 0.6), width: 1, dash: "dot" }),
    lines(order.slice(half), "the other half", { color: faint(colour(5), 0.12), width: 1 }),
    lines(order.slice(tenth, half), "the better half", { color: faint(colour(0), 0.4), width: 1 }),
    lines(order.slice(0, tenth), "the best tenth", { color: colour(2), width: 2 }),
  ].filter((t) => t.x.length);
  const ground = faint(css("--ground"), 0.8);
  const words = axes.flatMap((a, x) => [...a.ticks, ...(a.lacks ? [["none", LOST]] : [])].map(([text, y]) => ({ x, y, text: shortened(text, 14), showarrow: false, xanchor: "right", xshift: -5, font: { size: 11 }, bgcolor: ground, borderpad: 1 })));
  byId("coordinates").style.setProperty("--axes", axes.length);
  chart("coordinates", traces, {
    xaxis: axis("", { tickmode: "array", tickvals: [...axes.keys()], ticktext: axes.map((a) => wrapped(a.name.replaceAll(".", ". "), 14).replaceAll(". ", ".")), range: [-0.03, axes.length - 0.97], zeroline: false, side: "top", gridcolor: css("--quiet"), tickfont: { size: 12 } }),
    yaxis: { visible: false, range: [axes.some((a) => a.lacks) ? -0.17 : -0.05, hasLost ? 1.16 : 1.06] },
    annotations: words, ...legendBelow(), hovermode: "closest", margin: { l: 90, r: 35, t: 60, b: 40 },
  }, `A line for each of ${plural(value.length, "trial")} through its settings to its objective, ${SEARCH.high ? "greater" : "less"} being better.${hasLost ? ` Dotted lines end at “${over}”: ${plural(lost.length, "trial")}.` : ""}${axes.some((a) => a.lacks) ? " “none”: the trial's choices lack the setting." : ""} Click a legend entry to see it alone, twice to hide it.`, 520);
}

const shortened = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);
