// Learning curves: the median of each setting, the band of a chosen one, and three single runs.
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
  const traces = [noBand()], medians = [], ends = [], bands = new Map();
  shown.forEach((curve, i) => {
    const [middle, low, high] = curve.of[metric], group = String(curve.setting);
    const alone = DATA.stats[DATA.metrics[0].name][curve.setting][N] < 2;
    medians.push(...(worthOf(curve.setting) === null ? [] : middle));
    if (!alone) ends.push(...low, ...high);
    const both = curve.step.map((_, j) => j).filter((j) => low[j] !== null && high[j] !== null);
    if (!alone) bands.set(group, { x: both.map((j) => curve.step[j]), low: both.map((j) => low[j]), high: both.map((j) => high[j]), tint: colour(i) });
    traces.push({ type: "scatter", mode: "lines", x: curve.step, y: middle, name: wrapped(brief(curve.setting), isNarrow() ? 34 : 60), legendgroup: group, line: { color: colour(i), dash: dash(i), width: 2 }, hovertemplate: `${brief(curve.setting)}<br>step %{x}<br>%{y:.4g}<extra></extra>` });
  });
  traces.push(...edge(metric, shown));
  const box = chart("bands", traces, { xaxis: stepAxis(), yaxis: valueAxis(titled(metric, metric), inReach(medians, ends), { fixed: true }), ...legendBelow() },
    curvesText(metric, shown.length, bands.size), 440 + (isNarrow() ? 34 : 14) * shown.length);
  chooseBands(box, bands);
}

// The line at 1 of the relative sharpness: above it the steps of gradient descent grow along the
// sharpest direction.
function edge(metric, curves) {
  if (!metric.endsWith("/relative_sharpness") || !curves.length) return [];
  const last = Math.max(...curves.flatMap((curve) => curve.step));
  return [{ type: "scatter", mode: "lines", x: [0, last], y: [1, 1], name: "1: the edge of stability", line: { color: css("--text"), dash: "dash", width: 1 }, hoverinfo: "skip" }];
}

// The values that an axis shows: the medians, and the ends of bands that are not far off. A run
// on its way to infinity would leave nothing of the others.
const REACH = 100;
function inReach(medians, ends) {
  const known = medians.filter((v) => v !== null);
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const near = (v) => v !== null && (low > 0 ? v >= low / REACH && v <= high * REACH : Math.abs(v) <= REACH * Math.max(-low, high));
  return [...known, ...ends.filter(known.length ? near : (v) => v !== null)];
}

function curvesText(metric, count, banded) {
  const what = banded ? "the median over all runs, a diverged one being worse than any number" : "the run";
  const where = count > 1 ? "Point at a curve, click it or its name, or choose its setting under Show: the band is" : "The band is";
  const [here, all] = [DATA.curves.length, DATA.setting_count];
  const known = here === all ? "" : DATA.curve_limit === all
    ? ` ${here} of ${all} settings have a completed run, and so a curve.`
    : ` ${here} of ${all.toLocaleString("en")} settings have a curve here: the best, and others evenly spaced in the ranking.`;
  return `${metric} by step for ${plural(count, "setting")}: ${what}. ${banded ? `${where} from the first to the last tenth of its runs.` : ""}${known}`;
}

function stepAxis() {
  if (!byId("log-x").checked) return axis("step", { rangemode: "tozero" });
  const steps = [...DATA.curves, ...DATA.extremes].flatMap((curve) => curve.step).filter((step) => step > 0);
  return logAxis("step", Math.min(...steps), Math.max(...steps));
}

function extremesChart() {
  const metric = curveMetric(), kind = metric?.split("/").at(-1);
  const traces = [], every = [], drawn = new Set();
  DATA.extremes.forEach((run, i) => {
    Object.keys(run.of).filter((m) => m.split("/").at(-1) === kind).forEach((m) => {
      drawn.add(m);
      every.push(...run.of[m][0]);
      traces.push({ type: "scatter", mode: "lines", x: run.step, y: run.of[m][0], name: `${run.name} (job ${run.job}), ${m}`, line: { color: colour(i), dash: m === metric ? "solid" : "dot", width: 2 } });
    });
  });
  if (!traces.length) return nothing("extremes", "");
  traces.push(...edge(metric, DATA.extremes));
  const by = DATA.metrics[0].name;
  chart("extremes", traces, { xaxis: stepAxis(), yaxis: valueAxis(titled(drawn.size > 1 ? kind : metric, metric), every), ...legendBelow() },
    `${[...drawn].join(" and ")} of the best run of the best setting, and of the median and the worst of all runs by ${by}${DATA.extremes.some((r) => r.name === "median") ? "" : " (the median is a run that was lost)"}: ${DATA.extremes.map((r) => `${r.name} ${short(r.value)}, job ${r.job}, ${label(r.setting)}`).join("; ")}.`, 440);
}

function isolateChoices() {
  const box = byId("isolate");
  const many = DATA.curves.length > AT_FIRST;
  fill(box, ...(many ? [el("option", { value: "best" }, `the best ${AT_FIRST}`)] : []), el("option", { value: "all" }, `all ${DATA.curves.length}`),
    ...DATA.curves.map((curve, i) => el("option", { value: i }, brief(curve.setting))));
}
