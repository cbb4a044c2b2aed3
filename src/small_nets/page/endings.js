// Stacked bars would list the last one first.
const legendInOrder = () => { const below = legendBelow(); return { ...below, legend: { ...below.legend, traceorder: "normal" } }; };

// Where runs end: of each setting, how many of its runs at which loss.
function endings() {
  const found = DATA.endings;
  if (!found || STATE.metric !== found.metric) return byId("endings").replaceChildren();
  const narrow = isNarrow(), order = bestFirst().filter((s) => found.settings.includes(s)).slice(0, STRIPS);
  const rows = order.map((s) => found.counts[found.settings.indexOf(s)]);
  const spread = ([middle, low, high]) => (high / low < 1.05 ? short(middle) : `${short(low)} to ${short(high)}`);
  const names = [...found.endings.map(spread), "elsewhere", "lost"];
  const total = (j) => rows.reduce((sum, row) => sum + row[j], 0);
  // The share that a bar is labelled with, where it is wide enough; 100 % is all of the runs.
  const share = (some, row) => {
    const part = (100 * some) / row.reduce((sum, count) => sum + count, 0);
    if (part < (narrow ? 16 : 5)) return "";
    return `${part < 100 && part >= 99.5 ? Math.min(part, 99.9).toFixed(1) : part.toFixed(0)} %`;
  };
  const labels = order.map((s, i) => wrapped(`${i + 1}. ${brief(s)}`, narrow ? 18 : 40));
  const traces = names.map((name, j) => ({ name, j })).filter(({ j }) => total(j) > 0).map(({ name, j }) => ({
    type: "bar", orientation: "h", name, y: order.map((_, i) => i), width: 0.7,
    x: rows.map((row) => (100 * row[j]) / row.reduce((sum, count) => sum + count, 0)),
    text: rows.map((row) => share(row[j], row)), textposition: "inside", insidetextanchor: "middle", textangle: 0, constraintext: "none",
    marker: { color: j < found.endings.length ? colour(j) : css(j === names.length - 1 ? "--text" : "--quiet"), opacity: j < found.endings.length ? 1 : 0.4 },
    hovertext: rows.map((row, i) => `${label(order[i])}<br>${name}: ${row[j]} of ${row.reduce((sum, count) => sum + count, 0)} runs`), hoverinfo: "text",
  }));
  const count = found.endings.length, several = `${count} endings that lie a fifth or more apart`;
  chart("endings", traces, {
    barmode: "stack", xaxis: axis("% of the runs", { range: [0, 100] }),
    yaxis: axis("", { tickmode: "array", tickvals: order.map((_, i) => i), ticktext: labels, autorange: "reversed", zeroline: false, tickfont: { size: narrow ? 10 : 12 } }),
    margin: { l: 20, r: 15, t: 15, b: 50 }, ...legendInOrder(),
  }, `Where the runs end: their ${titled(found.metric)} has ${several}, the lowest first.`, Math.max(300, 150 + order.length * 34 + (narrow ? 20 * names.length : 0)));
}
