// The data, and what all parts of the page share.
const DATA = JSON.parse(document.getElementById("data").textContent);
const { keys: KEYS, settings: SETTINGS, runs: RUNS, head: HEAD } = DATA;
const STATUSES = ["completed", "diverged", "failed", "stopped"];
const COMPLETED = 0;
const byId = (id) => document.getElementById(id);

// What the one control says; every chart reads it, and draws itself anew when it changes.
const STATE = { metric: DATA.metrics[0].name, x: 0, y: null, cell: "setting" };
const metricOf = (name) => DATA.metrics.find((m) => m.name === name);
const isHigh = () => metricOf(STATE.metric).high;
const HOW = DATA.standard.how;
const isWorthHigh = () => HOW === "success" || isHigh(); // of what settings are compared by

// A row of the statistics, one for each setting and metric.
const [N, WORTH, LOW, HIGH, SUCCEEDED, SHARE_LOW, SHARE_HIGH, MEDIAN, SD, EPOCHS, ALIKE, BEST, INTERVAL] = DATA.statistics.map((_, i) => i);
const statsOf = (setting) => DATA.stats[STATE.metric][setting];
const worthOf = (setting) => statsOf(setting)[WORTH];
const isSeeded = () => SETTINGS.some((_, s) => statsOf(s)[N] > 1);

// The one order of settings: the ranking, the map and the search ask it what is best.
function bestFirst(settings = SETTINGS.map((_, s) => s)) {
  const sign = isWorthHigh() ? -1 : 1;
  // What a race told from the best had fewer seeds: its place is behind, whatever its number.
  if (DATA.standard.race && STATE.metric === DATA.metrics[0].name) return [...settings].sort((a, b) => a - b);
  return [...settings].sort((a, b) => {
    const [p, q] = [worthOf(a), worthOf(b)];
    // Equal ones stay as the ranking has them, which settles ties.
    return (p === null) - (q === null) || (p === null ? a - b : sign * (p - q)) || a - b;
  });
}

// What settings are compared by, in words: median val/loss, or what a search is for.
function worthName() {
  const { seeds } = DATA.standard;
  if (HOW === "success") return "share of runs that succeeded";
  if (seeds ? seeds < 2 : !isSeeded()) return STATE.metric;
  if (HOW.startsWith("quantile:")) return `${Math.round(100 * HOW.slice(9))} % quantile of ${STATE.metric}`;
  return `${HOW === "bound" ? "worse end of the interval of the mean" : HOW} ${STATE.metric}`;
}

// What an axis draws: a loss of normalised targets is none in the target's unit.
function titled(text, metric = STATE.metric) {
  const normalised = metricOf(metric)?.normalised;
  return normalised ? `${text} (${normalised === "some" ? "normalised in some runs" : "normalised"})` : text;
}

function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined) node.setAttribute(key, value);
  }
  node.append(...children.filter((c) => c !== null));
  return node;
}

function fill(node, ...children) {
  node.replaceChildren(...children);
  return node;
}

const capital = (text) => text[0].toUpperCase() + text.slice(1);
const plural = (count, word) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;

// Four digits, as a reader compares them.
function short(value, digits = 4) {
  if (value === null || value === undefined) return "";
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return value.toLocaleString("en");
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-3 || size >= 1e6) ? value.toExponential(Math.min(2, digits - 1)) : String(+value.toPrecision(digits));
}

function duration(seconds) {
  if (seconds < 120) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  return seconds < 7200 ? `${(seconds / 60).toFixed(0)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

// The settings that differ, as they are typed: optimizer=adam optimizer.lr=0.01
function label(setting, leave = []) {
  const words = KEYS.map((key, k) => (leave.includes(k) ? null : `${key.name}=${key.texts[SETTINGS[setting][k]]}`));
  return words.filter((w) => w !== null).join(" ") || "all runs";
}

function quantile(sorted, share) {
  if (!sorted.length) return null;
  const place = share * (sorted.length - 1), low = Math.floor(place), rest = place - low;
  return rest ? sorted[low] * (1 - rest) + sorted[low + 1] * rest : sorted[low];
}
const ascending = (a, b) => a - b;

// A quantile of a group's runs, of which those that were lost are worse than any number; null there.
function quantileOf(group, share) {
  const sorted = [...group.values].sort(ascending), lost = Array(group.diverged + group.failed).fill(null);
  const all = isHigh() ? [...lost, ...sorted] : [...sorted, ...lost];
  if (!all.length) return null;
  const place = share * (all.length - 1), ends = [all[Math.floor(place)], all[Math.ceil(place)]];
  return ends.includes(null) ? null : ends[0] + (place - Math.floor(place)) * (ends[1] - ends[0]);
}

// The runs that a condition holds for: the metric's values, and how many diverged.
function collect(groupOf, metric = STATE.metric) {
  const values = RUNS.metrics[metric], groups = new Map();
  for (let i = 0; i < RUNS.job.length; i++) {
    const group = groupOf(RUNS.setting[i], i);
    if (group === null) continue;
    if (!groups.has(group)) groups.set(group, { values: [], places: [], diverged: 0, failed: 0, stopped: 0, all: 0 });
    const found = groups.get(group);
    found.all += 1;
    if (RUNS.status[i] === COMPLETED && values[i] !== null) {
      found.values.push(values[i]);
      found.places.push(i);
    } else if (RUNS.status[i] !== COMPLETED) found[STATUSES[RUNS.status[i]]] += 1;
  }
  return groups;
}

const commandOf = (overrides) => `${HEAD.train} ${overrides}`;

// A button that copies a command; where it is not written beside it, it says what it copies.
function copyButton(text, code = null, word = code ? "Copy" : "Copy command") {
  const button = el("button", { type: "button", "aria-label": `Copy the command ${text}`, title: code ? null : text }, word);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      say(`Copied: ${text}`);
    } catch {
      // A page from a file may not write to the clipboard in every browser: show it, selected.
      const shown = code ?? el("code", {}, text);
      if (!code) button.after(shown);
      window.getSelection().selectAllChildren(shown);
      say("The command is selected: copy it with Ctrl+C");
    }
  });
  return button;
}

function commandBlock(text) {
  const code = el("code", {}, text);
  return el("div", { class: "command" }, code, copyButton(text, code));
}

// For a moment at the foot of the window, and to screen readers.
let silence = 0;
function say(text) {
  byId("said").textContent = text;
  clearTimeout(silence);
  silence = setTimeout(() => fill(byId("said")), 4000);
}
