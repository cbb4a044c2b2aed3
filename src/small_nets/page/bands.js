// Bands: of many curves only that of the chosen one, so that the medians stay visible.
// It is the one under the pointer, or the one that was clicked, itself or its name in the legend.

// The trace that shows it: the first of a chart, below all lines.
const noBand = () => ({ type: "scatter", mode: "lines", x: [], y: [], fill: "toself", line: { width: 0 }, hoverinfo: "skip", showlegend: false, meta: "band" });

// bands: legendgroup of a curve -> {x, low, high, tint}. One alone is chosen from the beginning.
function chooseBands(box, bands) {
  const isKnown = Boolean(box.bands);
  box.bands = { bands, pinned: bands.size === 1 ? [...bands.keys()][0] : null, shown: null };
  if (!isKnown) listen(box);
  showBand(box, box.bands.pinned);
}

function showBand(box, key) {
  const found = box.bands.bands.get(key);
  if (box.bands.shown === (found ? key : null)) return;
  box.bands.shown = found ? key : null;
  const { x, low, high, tint } = found ?? { x: [], low: [], high: [], tint: "#000000" };
  Plotly.restyle(box, { x: [[...x, ...[...x].reverse()]], y: [[...high, ...[...low].reverse()]], fillcolor: faint(tint, 0.2) }, [0]);
}

function listen(box) {
  const keyOf = (curve) => box.data[curve].legendgroup ?? null;
  const pin = (key) => {
    box.bands.pinned = box.bands.pinned === key ? null : key;
    showBand(box, box.bands.pinned);
  };
  let leaving = 0;
  box.on("plotly_hover", (told) => {
    clearTimeout(leaving);
    showBand(box, keyOf(told.points[0].curveNumber));
  });
  box.on("plotly_unhover", () => {
    leaving = setTimeout(() => showBand(box, box.bands.pinned), 150);
  });
  box.on("plotly_click", (told) => pin(keyOf(told.points[0].curveNumber)));
  box.on("plotly_legendclick", (told) => { pin(keyOf(told.curveNumber)); });
}
