// What three runs have learned: the fitted curve, the map of the predictions, or predicted against true.
function fitCharts() {
  const place = byId("fit-charts"), found = DATA.fits;
  if (!found.runs) return nothing("fit-charts", found.why);
  if (place.children.length !== found.runs.length) fill(place, ...found.runs.map((_, i) => el("div", { id: `fit-${i}` })));
  found.runs.forEach((run, i) => {
    const of = `${run.name} run (job ${run.job}): ${label(run.setting)}`;
    const title = { text: `${run.name}, job ${run.job}`, font: { size: 14 }, x: 0.02, xanchor: "left" };
    ({ curve: curveFit, map: mapFit, confusion: confusionFit, scatter: scatterFit })[run.kind](`fit-${i}`, run, title, of);
  });
}

const SPLITS = { train: ["training data", "circle"], val: ["validation data", "diamond"] };

function curveFit(where, run, title, of) {
  const traces = Object.entries(run.points).map(([split, p], i) => ({
    type: "scatter", mode: "markers", x: p.input[0], y: p.target, name: SPLITS[split][0], marker: { color: colour(i), symbol: SPLITS[split][1], size: p.target.length > 60 ? 4 : 8, opacity: p.target.length > 60 ? 0.5 : 1 }, hoverinfo: "x+y",
  }));
  traces.push({ type: "scatter", mode: "lines", x: run.x, y: run.y, name: "fit", line: { color: colour(2), width: 3 }, hoverinfo: "x+y" });
  const targets = Object.values(run.points).flatMap((p) => p.target);
  const [low, high] = [Math.min(...targets), Math.max(...targets)], span = high - low || 1;
  const wild = run.y.some((v) => v === null || Math.abs(v - low) > 20 * span);
  chart(where, traces, { title, xaxis: axis(run.inputs[0]), yaxis: axis(run.target, wild ? { range: [low - span, high + span] } : {}), ...legendBelow() },
    `The fit of the ${of}, over the data.`, 380);
}

function mapFit(where, run, title, of) {
  const values = run.z.flat().filter((v) => v !== null);
  const range = run.binary ? [0, 1] : [Math.min(...values), Math.max(...values)];
  const traces = [{ type: "heatmap", x: run.x, y: run.y, z: run.z, zmin: range[0], zmax: range[1], colorscale: "Cividis", colorbar: { thickness: 12, title: { text: run.target, side: "right" } }, showscale: !isNarrow() }];
  if (run.binary) traces.push({ type: "contour", x: run.x, y: run.y, z: run.z, contours: { start: 0.5, end: 0.5, size: 1, coloring: "none" }, line: { color: "#FFFFFF", width: 2 }, showscale: false, hoverinfo: "skip" });
  for (const [split, p] of Object.entries(run.points)) {
    traces.push({ type: "scatter", mode: "markers", x: p.input[0], y: p.input[1], name: SPLITS[split][0],
      marker: { color: p.target, cmin: range[0], cmax: range[1], colorscale: "Cividis", size: 8, symbol: run.binary ? p.target.map((t) => (t > 0.5 ? "triangle-up" : "circle")) : SPLITS[split][1], line: { color: split === "train" ? "#FFFFFF" : "#D55E00", width: 1.5 } },
      hovertext: p.target.map((t, i) => `target ${short(t)}, predicted ${short(p.prediction[i])}`), hoverinfo: "text" });
  }
  chart(where, traces, { title, xaxis: axis(run.inputs[0], { zeroline: false }), yaxis: axis(run.inputs[1], { zeroline: false }) },
    `What the ${of} predicts over the plane of its two inputs${run.binary ? "; the white line is where it says 0.5, triangles are targets of 1" : ""}. White rims: training data, orange rims: validation data.`, 400);
}

function scatterFit(where, run, title, of) {
  const traces = Object.entries(run.points).map(([split, p], i) => ({
    type: "scatter", mode: "markers", x: p.target, y: p.prediction, name: SPLITS[split][0], marker: { color: colour(i), symbol: SPLITS[split][1], size: 6, opacity: 0.7 }, hoverinfo: "x+y",
  }));
  const every = Object.values(run.points).flatMap((p) => p.target), ends = [Math.min(...every), Math.max(...every)];
  traces.push({ type: "scatter", mode: "lines", x: ends, y: ends, name: "right", line: { color: css("--quiet"), dash: "dot" }, hoverinfo: "skip" });
  chart(where, traces, { title, xaxis: axis(`${run.target} (true)`), yaxis: axis(`${run.target} (predicted)`), ...legendBelow() },
    `Predicted against true ${run.target} of the ${of}: right where it lies on the dotted line.`, 380);
}

// Which classes the run takes for which: counts, coloured by the share of the true class.
function confusionFit(where, run, title, of) {
  const shares = run.counts.map((row) => row.map((n) => n / Math.max(1, row.reduce((a, b) => a + b, 0))));
  const texts = run.counts.map((row, i) => row.map((n, j) => (n ? `${n.toLocaleString("en")}<br>${Math.round(100 * shares[i][j])} %` : "")));
  const right = run.counts.reduce((sum, row, i) => sum + row[i], 0), all = run.counts.flat().reduce((a, b) => a + b, 0);
  const [x, y] = ["predicted", "true"].map((word) => axis(`${run.target} (${word})`, { type: "category" }));
  const box = chart(where, [{ type: "heatmap", x: run.classes, y: run.classes, z: shares, zmin: 0, zmax: 1, colorscale: scaleOf(BLUES), showscale: false, xgap: 1, ygap: 1, hovertext: texts, hoverinfo: "x+y+text" }],
    { title, xaxis: x, yaxis: { ...y, autorange: "reversed" } },
    `Which classes the ${of} takes for which, of ${plural(all, `${run.which} row`)}: ${right.toLocaleString("en")} are right. The percentages are of the true class.`, 400);
  const way = (lines) => texts.flatMap((row, i) => row.map((text, j) => [run.classes[j], run.classes[i], text.split("<br>").slice(0, lines).join("<br>"), shares[i][j]]));
  const ends = run.classes.map((_, i) => i).concat(run.classes.length);
  writeCells(box, [way(2), way(1)], ends, ends, BLUES);
}
