// One way to draw a chart: with a caption that says what it shows, in the colours of the theme.

// Okabe and Ito's palette, distinct to colour-blind readers; black and white change places.
const PALETTES = {
  light: ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#000000"],
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

// An axis for a loss: logarithmic where all of it is above 0 and spans more than one decade.
function valueAxis(title, values, more = {}) {
  const known = values.filter((v) => v !== null && Number.isFinite(v));
  const low = Math.min(...known), high = Math.max(...known);
  return axis(title, low > 0 && high / low > 10 ? { type: "log", dtick: high / low > 100 ? 1 : "D2", ...more } : more);
}

// where: the id of the place. text: what the chart shows, for those who do not see it, and below it.
function chart(where, traces, layout, text, height = 420) {
  const place = byId(where);
  let figure = place.querySelector("figure");
  if (!figure) {
    figure = el("figure", {}, el("div", { class: "chart" }), el("figcaption"));
    fill(place, figure);
  }
  const [box, caption] = figure.children;
  caption.textContent = text;
  box.setAttribute("role", "img");
  box.setAttribute("aria-label", text);
  const whole = {
    height, margin: { l: 60, r: 15, t: layout.title ? 40 : 15, b: 50 }, autosize: true,
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: css("--text"), family: getComputedStyle(document.body).fontFamily, size: 13 },
    hoverlabel: { namelength: -1 }, showlegend: false, ...layout,
  };
  Plotly.react(box, traces, whole, { displayModeBar: false, responsive: true });
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
