// How much the seed decides: the runs of the best settings one by one.
const STRIPS = 16, STRIP_POINTS = 150;

// A long label on several lines, so that it leaves room for the chart.
function wrapped(text, width) {
  const lines = [""];
  for (const word of text.split(" ")) {
    if (lines.at(-1) && lines.at(-1).length + word.length >= width) lines.push("");
    lines[lines.length - 1] += (lines.at(-1) ? " " : "") + word;
  }
  return lines.join("<br>");
}

const brief = (setting) => KEYS.map((key, k) => `${BRIEF[k]}=${key.texts[SETTINGS[setting][k]]}`).join(" ") || "all runs";

// How many settings are drawn, and of how many. known: those with a completed run.
function stripsText(count, known) {
  if (count < known) return `the first ${count} settings of the ranking, of ${DATA.setting_count.toLocaleString("en")}`;
  return known === DATA.setting_count ? "every setting" : `the ${plural(known, "setting")} that ${known === 1 ? "has" : "have"} one`;
}

function strips() {
  const known = bestFirst().filter((s) => statsOf(s)[N] > 0), order = known.slice(0, STRIPS);
  if (!order.length) return nothing("strip", "No run has a finite end.");
  if (!order.some((s) => statsOf(s)[N] > 1)) return nothing("strip", "There is one run of each setting: sweep seeds, as in 'seed=range(20)', to see the spread.");
  const groups = collect((s) => (order.includes(s) ? s : null));
  const traces = [], every = [];
  let sampled = false;
  order.forEach((s, i) => {
    const found = groups.get(s);
    if (!found || !found.values.length) return;
    const sorted = [...found.values].sort(ascending), step = Math.ceil(found.values.length / STRIP_POINTS);
    const kept = found.values.map((_, j) => j).filter((j) => j % step === 0);
    sampled ||= step > 1;
    every.push(...found.values);
    const one = (share) => [quantile(sorted, share)];
    traces.push({ type: "box", orientation: "h", y: [i], q1: one(0.25), median: one(0.5), q3: one(0.75), lowerfence: one(0), upperfence: one(1), width: 0.6, line: { color: colour(0), width: 1 }, fillcolor: faint(colour(0), 0.15), hoverinfo: "skip" });
    traces.push({ type: "scatter", mode: "markers", x: kept.map((j) => found.values[j]), y: kept.map((j) => i + 0.22 * Math.sin(j * 2.4)), marker: { size: 5, color: colour(1), opacity: 0.7 },
      hovertext: kept.map((j) => `${label(s)}<br>job ${RUNS.job[found.places[j]]}, seed ${Object.values(RUNS.seeds).map((v) => v[found.places[j]]).join(", ")}<br>${short(found.values[j])}`), hoverinfo: "text" });
  });
  const narrow = isNarrow(), names = order.map((s, i) => wrapped(`${i + 1}. ${brief(s)}`, narrow ? 18 : 40));
  const lines = Math.max(...names.map((name) => name.split("<br>").length));
  chart("strip", traces, {
    xaxis: valueAxis(titled(STATE.metric), every),
    yaxis: axis("", { tickmode: "array", tickvals: order.map((_, i) => i), ticktext: names, autorange: "reversed", zeroline: false, tickfont: { size: narrow ? 10 : 12 } }),
    margin: { l: 20, r: 15, t: 15, b: 50 },
  }, `The completed runs of ${stripsText(order.length, known.length)}, one dot a run: the box holds the middle half and the line in it is the median.${sampled ? ` At most ${STRIP_POINTS} dots a setting.` : ""}`,
  Math.max(260, 80 + order.length * Math.max(34, 8 + lines * (narrow ? 14 : 16))));
}
