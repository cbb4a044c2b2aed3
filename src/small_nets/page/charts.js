// One way to draw a chart: with a caption that says what it shows, in the colours of the theme.

// After Okabe and Ito's palette, distinct to colour-blind readers; each at least 3:1 on its ground.
const PALETTES = {
  light: ["#0072B2", "#D55E00", "#008F68", "#B8578F", "#3D8FC4", "#000000"],
  dark: ["#56B4E9", "#E69F00", "#2DC79A", "#CC79A7", "#F0E442", "#FFFFFF"],
};
const DASHES = ["solid", "dash", "dot", "dashdot"];
const isDark = () => document.documentElement.dataset.theme === "dark";
const colour = (i) => PALETTES[isDark() ? "dark" : "light"][i % 6];
const dash = (i) => DASHES[Math.floor(i / 6) % DASHES.length];
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function faint(hex, share) {
  const [r, g, b] = [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
  return `rgba(${r},${g},${b},${share})`;
}

const isNarrow = () => window.innerWidth < 640;

function axis(title, more = {}) {
  return {
    title: { text: title, standoff: 8 }, gridcolor: css("--line"), zerolinecolor: css("--line"),
    linecolor: css("--line"), automargin: true, exponentformat: "power", ...more,
  };
}

// 10⁻³, 2·10⁻³; near 1 as it is written.
function powerText(factor, exponent, plain) {
  if (plain || (factor === 1 && (exponent === 0 || exponent === 1))) return String(+(factor * 10 ** exponent).toPrecision(3));
  const raised = [...String(exponent)].map((c) => (c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[c])).join("");
  return `${factor === 1 ? "" : `${factor}·`}10${raised}`;
}

// Marks of a log axis: whole decades, and between them only where there are few. Each names its own.
function logTicks(low, high) {
  const from = Math.log10(low), to = Math.log10(high), decades = to - from;
  if (!(decades > 0.5)) return { tickmode: "auto", tickvals: null, ticktext: null, dtick: null, nticks: 6 };
  const every = Math.max(1, Math.ceil(decades / 8)), factors = decades > 2.5 ? [1] : [1, 2, 5];
  const plain = decades <= 2.5 && from > -3.5 && to < 4.5, marks = [];
  for (let e = Math.floor(from); e <= Math.ceil(to); e++) {
    if (e % every === 0) for (const factor of factors) marks.push([factor * 10 ** e, powerText(factor, e, plain)]);
  }
  return { tickmode: "array", tickvals: marks.map((m) => m[0]), ticktext: marks.map((m) => m[1]) };
}

const logAxis = (title, low, high, more = {}) => axis(title, { type: "log", ...logTicks(low / 2, high * 2), ...more });

// An axis for a loss: logarithmic where all of it is above 0 and spans more than one decade.
// fixed: its range is that of the values, whatever of them is drawn.
function valueAxis(title, values, { fixed = false } = {}) {
  const known = values.filter((v) => v !== null && Number.isFinite(v));
  const low = Math.min(...known), high = Math.max(...known), isLog = low > 0 && high / low > 10;
  const [from, to] = isLog ? [Math.log10(low), Math.log10(high)] : [low, high];
  const more = fixed && to > from ? { range: [from - 0.04 * (to - from), to + 0.04 * (to - from)] } : {};
  return isLog ? logAxis(title, low, high, more) : axis(title, more);
}

// Where a reader zooms into a log axis, or out again, its marks follow.
function followZoom(box) {
  box.on("plotly_relayout", (told) => {
    const found = {};
    for (const name of ["xaxis", "yaxis"]) {
      const { type, range } = box._fullLayout[name] ?? {};
      if (type !== "log" || !Object.keys(told).some((key) => key.startsWith(`${name}.`) && /range/.test(key))) continue;
      for (const [key, value] of Object.entries(logTicks(10 ** range[0], 10 ** range[1]))) found[`${name}.${key}`] = value;
    }
    if (Object.keys(found).length) Plotly.relayout(box, found);
  });
}

function caption(where, text) {
  const [box, words] = byId(where).querySelector("figure").children;
  words.textContent = text;
  box.setAttribute("aria-label", text);
}

// where: the id of the place. text: what the chart shows, for those who do not see it, and below it.
function chart(where, traces, layout, text, height = 420) {
  const place = byId(where);
  let figure = place.querySelector("figure");
  const isNew = !figure;
  if (isNew) {
    figure = el("figure", {}, el("div", { class: "chart" }), el("figcaption"));
    fill(place, figure);
  }
  const box = figure.children[0];
  box.setAttribute("role", "img");
  caption(where, text);
  const whole = {
    height, margin: { l: 60, r: 15, t: layout.title ? 40 : 15, b: 50 }, autosize: true,
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: css("--text"), family: getComputedStyle(document.body).fontFamily, size: 13 },
    hoverlabel: { namelength: -1 }, hovermode: "closest", showlegend: false, ...layout,
  };
  Plotly.react(box, traces, whole, { displayModeBar: false, responsive: true });
  if (isNew) followZoom(box);
  return box;
}

function legendBelow() {
  return {
    showlegend: true,
    legend: {
      orientation: "h", x: 0, y: -0.18, yanchor: "top", font: { size: 12 },
      itemclick: "toggleothers", itemdoubleclick: "toggle", maxheight: 0.9,
    },
  };
}

function nothing(where, text) {
  fill(byId(where), el("p", { class: "quiet" }, text));
}
