// The page comes together: head, controls, and a redraw whenever a choice or the theme changes.
function summary() {
  const count = HEAD.counts, total = count.completed + count.diverged + count.failed + count.stopped;
  byId("title").textContent = `${HEAD.experiments.join(", ")}: ${plural(total, "run")}`;
  byId("lead").textContent = [HEAD.date ? `begun ${HEAD.date.replace("T", " ")}` : null, HEAD.directory].filter(Boolean).join(" · ");
  const best = SETTINGS.length ? worthOf(bestFirst()[0]) : null;
  const tiles = [
    ["completed", count.completed.toLocaleString("en")], ["diverged", count.diverged.toLocaleString("en")],
    ["failed", count.failed.toLocaleString("en")], count.stopped ? ["stopped by halving", count.stopped.toLocaleString("en")] : null,
    ["trained alone", HEAD.alone.toLocaleString("en")],
    ["settings", DATA.setting_count.toLocaleString("en")],
    HEAD.seconds ? ["training took", duration(HEAD.seconds)] : null,
    HEAD.runs_per_second ? ["runs per second", short(+HEAD.runs_per_second.toPrecision(3))] : null,
    best === null ? null : [`best ${titled(worthName())}`, short(best)],
  ].filter(Boolean);
  fill(byId("tiles"), ...tiles.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
  if (HEAD.command) fill(byId("command"), commandBlock(HEAD.command));
  fill(byId("notes"), ...DATA.notes.map((note) => el("li", {}, note)));
  const versions = Object.entries(HEAD.versions).map(([name, version]) => `${name} ${version}`);
  const git = HEAD.git ? [`commit ${HEAD.git.commit.slice(0, 10)}${HEAD.git.dirty ? " with changes" : ""}`] : [];
  const engines = HEAD.engines.map(([name, runs]) => `${plural(runs, "run")} by ${name}`);
  byId("made").textContent = [...engines, ...versions, ...git].join(" · ");
}

function controls() {
  fill(byId("metric"), ...DATA.metrics.map((m) => el("option", { value: m.name }, m.name)));
  const isRate = KEYS.findIndex((key) => key.log), other = KEYS.findIndex((key, k) => k !== isRate && !key.number);
  STATE.x = isRate >= 0 ? isRate : 0;
  STATE.y = KEYS.length > 1 ? (other >= 0 && other !== STATE.x ? other : KEYS.findIndex((_, k) => k !== STATE.x)) : null;
  const options = () => KEYS.map((key, k) => el("option", { value: k }, key.name));
  fill(byId("x"), ...options());
  fill(byId("y"), el("option", { value: "" }, "nothing"), ...options());
  byId("x").value = STATE.x;
  byId("y").value = STATE.y ?? "";
  for (const name of ["x", "y"]) byId(name).disabled = KEYS.length < 2;
  byId("cell").disabled = !KEYS.length;
  byId("metric").addEventListener("change", (e) => { STATE.metric = e.target.value; drawAll(); });
  byId("cell").addEventListener("change", (e) => { STATE.cell = e.target.value; comparisons(); });
  const choose = (name, value) => {
    const swap = STATE[name];
    STATE[name] = value;
    const [one, two] = name === "x" ? ["y", "x"] : ["x", "y"];
    if (STATE.x === STATE.y) STATE[one] = swap; // both the same: they change places
    byId(one).value = STATE[one] ?? "";
    byId(two).value = STATE[two] ?? "";
    comparisons();
  };
  byId("x").addEventListener("change", (e) => choose("x", Number(e.target.value)));
  byId("y").addEventListener("change", (e) => choose("y", e.target.value === "" ? null : Number(e.target.value)));
  for (const id of ["isolate", "log-x"]) byId(id).addEventListener("change", () => { bandsChart(); extremesChart(); });
  byId("find").addEventListener("input", runsTable);
  for (const form of document.forms) form.addEventListener("submit", (e) => e.preventDefault());
  fill(byId("contents"), ...[...document.querySelectorAll("main > section")].map((section) =>
    el("li", {}, el("a", { href: `#${section.id}` }, section.dataset.name))));
}

function theme(name) {
  document.documentElement.dataset.theme = name;
  byId("theme").textContent = name === "dark" ? "Light colours" : "Dark colours";
}

function comparisons() {
  if (KEYS.length) {
    heatMap();
    lineChart();
  } else {
    nothing("heat", "Nothing but seeds was swept.");
    nothing("lines", "");
  }
}

function drawCharts() {
  comparisons();
  effects();
  mattersChart();
  strips();
  endings();
  profileChart();
  bandsChart();
  extremesChart();
  fitCharts();
  searchCharts();
}

function drawAll() {
  rankingTable();
  drawCharts();
}

const prefers = window.matchMedia("(prefers-color-scheme: dark)");
theme(prefers.matches ? "dark" : "light");
byId("theme").addEventListener("click", () => { theme(isDark() ? "light" : "dark"); drawCharts(); });
prefers.addEventListener("change", () => { theme(prefers.matches ? "dark" : "light"); drawCharts(); });
let again = 0;
// The numbers in the cells fit, or are left out: asked again once the window has its new width.
function mapsAgain() {
  clearTimeout(again);
  again = setTimeout(() => { comparisons(); fitCharts(); }, 200);
}
let width = window.innerWidth;
window.addEventListener("resize", () => {
  // Labels are wrapped and columns ordered by the width of the window: drawn anew where it crosses the limit.
  if ((width < 640) !== isNarrow()) drawAll();
  else if (width !== window.innerWidth) mapsAgain();
  width = window.innerWidth;
});
summary();
searchText();
controls();
isolateChoices();
drawAll();
runsTable();
confirmedTable();
lostTable();
