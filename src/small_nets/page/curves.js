// Learning curves: the median and the band of each setting, and three single runs.
const AT_FIRST = 8;

// The metric of the control where it has a curve; best/… is a number of its own curve.
function curveMetric() {
  const known = DATA.curves.length ? Object.keys(DATA.curves[0].of) : [];
  const wanted = STATE.metric.replace(/^best\//, "");
  return known.includes(wanted) ? wanted : known[0];
}

function bandsChart() {
  const metric = curveMetric(), choice = byId("isolate").value;
  if (!metric) return nothing("bands", "No run of this sweep has a curve.");
  const shown = DATA.curves.filter((_, i) => (choice === "best" ? i < AT_FIRST : choice === "all" ? true : i === Number(choice)));
  const traces = [], every = [];
  shown.forEach((curve, j) => {
    const i = choice === "best" || choice === "all" ? j : 0;
    const [middle, low, high] = curve.of[metric], name = wrapped(brief(curve.setting), isNarrow() ? 34 : 60), group = String(curve.setting);
    const alone = DATA.stats[DATA.metrics[0].name][curve.setting][0] < 2;
    every.push(...middle, ...(alone ? [] : [...low, ...high]));
    if (!alone) traces.unshift(band(curve.step, low, high, colour(i), group, shown.length > 4 ? 0.07 : 0.15)); // below all lines
    traces.push({ type: "scatter", mode: "lines", x: curve.step, y: middle, name, legendgroup: group, line: { color: colour(i), dash: dash(i), width: 2 }, hovertemplate: `${brief(curve.setting)}<br>step %{x}<br>%{y:.4g}<extra></extra>` });
  });
  const all = DATA.setting_count === DATA.curves.length ? "" : ` Of ${DATA.setting_count.toLocaleString("en")} settings ${DATA.curves.length} have a curve here: the best 20, and others evenly spaced in the ranking.`;
  chart("bands", traces, { xaxis: stepAxis(), yaxis: valueAxis(metric, every), ...legendBelow() },
    `${metric} by step for ${plural(shown.length, "setting")}: the median over completed runs and, as a band, the first to the last tenth of them. Click a legend entry to see it alone, twice to hide it.${all}`, 440 + (isNarrow() ? 34 : 14) * shown.length);
}

const stepAxis = () => axis("step", byId("log-x").checked ? { type: "log" } : { rangemode: "tozero" });

function extremesChart() {
  const metric = curveMetric();
  const traces = [], every = [];
  DATA.extremes.forEach((run, i) => {
    const others = Object.keys(run.of).filter((m) => m.endsWith("loss") === metric?.endsWith("loss"));
    others.forEach((m) => {
      every.push(...run.of[m][0]);
      traces.push({ type: "scatter", mode: "lines", x: run.step, y: run.of[m][0], name: `${run.name} (job ${run.job}), ${m}`, line: { color: colour(i), dash: m === metric ? "solid" : "dot", width: 2 } });
    });
  });
  if (!traces.length) return nothing("extremes", "");
  const by = DATA.metrics[0].name;
  chart("extremes", traces, { xaxis: stepAxis(), yaxis: valueAxis(metric, every), ...legendBelow() },
    `The best, the median and the worst completed run by ${by}: ${DATA.extremes.map((r) => `${r.name} ${short(r.value)}, job ${r.job}, ${label(r.setting)}`).join("; ")}.`, 440);
}

function isolateChoices() {
  const box = byId("isolate");
  const many = DATA.curves.length > AT_FIRST;
  fill(box, ...(many ? [el("option", { value: "best" }, `the best ${AT_FIRST}`)] : []), el("option", { value: "all" }, `all ${DATA.curves.length}`),
    ...DATA.curves.map((curve, i) => el("option", { value: i }, brief(curve.setting))));
}
