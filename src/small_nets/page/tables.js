// Tables with sortable columns, a page of rows at a time.
const ROWS = 25;
const CLIPPED = 24; // letters of a cell, beyond which the rest is shown when it is asked for

// One line, which ends in an ellipsis where there is more: pressed, it shows the whole text.
function clip(whole, line = whole, name = "clip") {
  const node = el("button", { type: "button", class: name, title: whole, "aria-expanded": "false" }, line);
  node.addEventListener("click", () => {
    const opens = node.getAttribute("aria-expanded") === "false";
    node.setAttribute("aria-expanded", String(opens));
    node.textContent = opens ? whole : line;
  });
  return node;
}

// A table in a box that scrolls, and shows on which side there is more.
function scrollBox(caption, whole) {
  const hint = el("p", { class: "hint", "aria-hidden": "true" }, "Scroll sideways for more columns →");
  const box = el("div", { class: "scroll", role: "region", "aria-label": caption }, whole);
  const frame = el("div", { class: "frame" }, box);
  const look = () => {
    const rest = box.scrollWidth - box.clientWidth;
    frame.classList.toggle("left", box.scrollLeft > 1);
    frame.classList.toggle("right", rest > 1 && box.scrollLeft < rest - 1);
    hint.hidden = rest <= 1;
    if (rest > 1) box.setAttribute("tabindex", "0"); // so that the arrow keys scroll it
    else box.removeAttribute("tabindex");
  };
  box.addEventListener("scroll", look, { passive: true });
  const watch = new ResizeObserver(look);
  watch.observe(box);
  watch.observe(whole);
  return [hint, frame];
}

// columns: {name, number, value(row), cell(row)}; rows: anything. order: a column's place or null.
function table(where, caption, columns, rows, { order = null, down = false, mark = null } = {}) {
  const view = { order, down, page: 0 };
  const place = byId(where);
  const body = el("tbody"), info = el("span", { "aria-live": "polite" });
  const step = (by, text) => el("button", { type: "button", onclick: () => { view.page += by; draw(); } }, text);
  const [before, after] = [step(-1, "◀ Back"), step(1, "More ▶")];
  const heads = columns.map((column, c) => {
    const button = el("button", { type: "button", title: column.title }, column.name);
    button.addEventListener("click", () => {
      view.down = view.order === c ? !view.down : false;
      view.order = c;
      view.page = 0;
      draw();
    });
    return el("th", { scope: "col", class: column.number ? "number" : null, title: column.title }, column.value ? button : column.name);
  });
  const sorted = () => {
    if (view.order === null) return rows;
    const value = columns[view.order].value, sign = view.down ? -1 : 1;
    const lacks = (v) => v === null || v === undefined || v === "";
    return [...rows].sort((a, b) => {
      const [p, q] = [value(a), value(b)];
      if (lacks(p) || lacks(q)) return lacks(p) - lacks(q); // what is not there comes last
      return sign * (typeof p === "number" && typeof q === "number" ? p - q : String(p).localeCompare(String(q), "en", { numeric: true }));
    });
  };
  const draw = () => {
    const all = sorted(), first = view.page * ROWS, shown = all.slice(first, first + ROWS);
    fill(body, ...shown.map((row) => el("tr", { class: mark && mark(row) ? "alike" : null },
      ...columns.map((column) => {
        const content = column.cell ? column.cell(row) : column.value(row);
        const clipped = typeof content === "string" && content.length > CLIPPED;
        return el("td", { class: column.number ? "number" : null }, clipped ? clip(content) : content ?? "");
      }))));
    heads.forEach((head, c) => (view.order === c
      ? head.setAttribute("aria-sort", view.down ? "descending" : "ascending") : head.removeAttribute("aria-sort")));
    info.textContent = `${(first + 1).toLocaleString("en")} to ${(first + shown.length).toLocaleString("en")} of ${all.length.toLocaleString("en")}`;
    before.disabled = view.page === 0;
    after.disabled = first + ROWS >= all.length;
  };
  if (!rows.length) return nothing(where, "None.");
  const whole = el("table", {}, el("caption", { class: "quiet" }, el("span", {}, caption)),
    el("thead", {}, el("tr", {}, ...heads)), body);
  fill(place, ...scrollBox(caption, whole));
  if (rows.length > ROWS) place.append(el("div", { class: "pages" }, before, info, after));
  draw();
}

// Only the last word of each key, where no two keys have the same.
const BRIEF = (() => {
  const last = KEYS.map((key) => key.name.split(".").at(-1));
  return new Set(last).size === last.length ? last : KEYS.map((key) => key.name);
})();

// A column for each swept key. settingOf: row -> setting.
const keyColumns = (settingOf) => KEYS.map((key, k) => ({
  name: BRIEF[k], title: key.name === BRIEF[k] ? null : key.name, number: key.number,
  value: (row) => (key.number ? key.values : key.texts)[SETTINGS[settingOf(row)][k]],
  cell: (row) => key.texts[SETTINGS[settingOf(row)][k]],
}));

function rankingTable() {
  const rows = bestFirst(), seeded = isSeeded(), first = rows[0];
  const rank = new Map(rows.map((s, i) => [s, i + 1]));
  const overrides = new Map(RUNS.job.map((job, i) => [job, RUNS.overrides[i]]));
  const of = (i) => ({ number: true, value: (s) => statsOf(s)[i], cell: (s) => short(statsOf(s)[i]) });
  const interval = { name: DATA.standard.interval.replace("%", " %"), number: true, value: (s) => statsOf(s)[LOW],
    cell: (s) => statsOf(s)[INTERVAL] };
  const counts = [
    { name: "n", title: "runs that have an end, lost ones included", ...of(N) },
    { name: "diverged", number: true, value: (s) => DATA.diverged[s] + DATA.failed[s],
      cell: (s) => [[DATA.diverged[s], ""], [DATA.failed[s], " failed"]].filter(([n]) => n).map(([n, word]) => `${n}${word}`).join(", ") },
  ];
  const judged = [
    ...(HOW === "success" ? [] : [{ name: seeded ? HOW : STATE.metric, title: worthName(), number: true, value: worthOf,
      cell: (s) => (worthOf(s) === null && statsOf(s)[N] && !DATA.stopped[s] ? "lost" : short(worthOf(s))) }]),
    ...(seeded && HOW !== "success" ? [interval] : []), ...successColumns(seeded),
  ];
  const more = [...(seeded && HOW !== "median" ? [{ name: "median", ...of(MEDIAN) }] : []), ...(HOW === "mean" ? [{ name: "sd", ...of(SD) }] : [])];
  const place = { name: "rank", number: true, value: (s) => rank.get(s) };
  const settings = keyColumns((s) => s);
  const columns = [
    // A narrow window shows what counts before one scrolls.
    ...(isNarrow() ? [place, ...judged, ...settings, ...more, ...counts] : [place, ...settings, ...judged, ...more, ...counts]),
    ...(DATA.stopped.some(Boolean) ? [{ name: "stopped", number: true,
      value: (s) => (DATA.stopped[s] ? 1e9 * -DATA.stopped[s][0] + DATA.stopped[s][1] : 0),
      cell: (s) => (DATA.stopped[s] ? `epoch ${DATA.stopped[s][0].toLocaleString("en")}, place ${DATA.stopped[s][1].toLocaleString("en")}` : "") }] : []),
    ...(seeded ? [{ name: "like the best", value: (s) => (statsOf(s)[ALIKE] ? 0 : 1),
      cell: (s) => (s === first ? "the best" : statsOf(s)[ALIKE] ? "yes" : statsOf(s)[ALIKE] === null ? "cannot be said" : "") }] : []),
    { name: "best run", number: true, value: (s) => statsOf(s)[BEST],
      cell: (s) => (statsOf(s)[BEST] === null ? "" : el("span", { class: "run" }, String(statsOf(s)[BEST]), overrides.has(statsOf(s)[BEST]) ? copyButton(commandOf(overrides.get(statsOf(s)[BEST])), null, "Copy") : "")) },
  ];
  fill(byId("ranking-text"), ...rankingText(seeded).filter(Boolean).map((text) => el("p", {}, text)));
  table("ranking-table", `Settings by ${titled(worthName())}`, columns, rows, { order: 0, mark: (s) => seeded && statsOf(s)[ALIKE] });
}

// How many runs succeeded, between which shares that may lie, and after how many epochs they did.
function successColumns(seeded) {
  const known = SETTINGS.map((_, s) => s).filter((s) => statsOf(s)[SUCCEEDED] !== null);
  if (!known.length) return [];
  const shares = (low, high) => [low, high].map((share) => `${(100 * share).toFixed(high - low < 0.02 ? 1 : 0)} %`).join(" to ");
  const share = (s) => (statsOf(s)[SUCCEEDED] === null ? null : statsOf(s)[SUCCEEDED] / statsOf(s)[N]);
  const epochs = (s) => statsOf(s)[EPOCHS];
  return [
    { name: "success", title: DATA.standard.success, number: true, value: share,
      cell: (s) => (share(s) === null ? "" : `${statsOf(s)[SUCCEEDED]} of ${statsOf(s)[N]}`) },
    ...(seeded ? [{ name: "share", title: "Wilson's interval, which holds 95 % on average over all shares", number: true, value: (s) => statsOf(s)[SHARE_LOW],
      cell: (s) => (statsOf(s)[SHARE_LOW] === null ? "" : shares(statsOf(s)[SHARE_LOW], statsOf(s)[SHARE_HIGH])) }] : []),
    ...(known.some((s) => epochs(s) !== null) ? [{ name: "epochs to it", title: "median over all runs", number: true,
      value: (s) => (epochs(s) === "never" ? Infinity : epochs(s)), cell: (s) => (epochs(s) === "never" ? "never" : short(epochs(s))) }] : []),
  ];
}

// Paragraphs: how settings are ordered; what can be told; what the runs differ in, and the test.
function rankingText(seeded) {
  const best = STATE.metric.startsWith("best/") ? `, each run's at the logged point where the loss that judges it was lowest` : "";
  const order = `Ordered by the ${titled(worthName())}${best}; ${isWorthHigh() ? "highest" : "lowest"} first. A run that diverged or failed is worse than any number.`;
  const success = SETTINGS.some((_, s) => statsOf(s)[SUCCEEDED] !== null) ? ` Success: ${DATA.standard.success}.` : "";
  // Those are of the metric by which the best setting was chosen.
  const runs = STATE.metric === DATA.metrics[0].name ? DATA.runs_said.join(" ") : "";
  const said = seeded ? DATA.said[STATE.metric].join(" ") : "There is one run of each setting, so nothing can be said of the spread over seeds.";
  return [order + success, said, runs, seeded && "“Copy” copies the command that trains the best run alone."];
}

// The best settings under seeds that nobody had seen, beside what they were chosen by.
function confirmedTable() {
  const place = byId("confirmed");
  if (!DATA.confirmed) return place.remove();
  const worth = DATA.metrics[0].name, named = (value) => (value === null ? "lost" : short(value));
  fill(place, el("h3", {}, "Confirmed under fresh seeds"), el("p", {}, DATA.confirmed.said.join(" ")), el("div", { id: "confirmed-table" }));
  const column = (name, i, more = {}) => ({ name, number: true, value: (row) => row[i], cell: (row) => named(row[i]), ...more });
  const setting = { name: "setting", value: (row) => row[0] }, narrow = isNarrow();
  table("confirmed-table", `What settings were chosen by, and what they are worth: ${HOW === "success" ? "share of runs that succeeded" : `${HOW} ${worth}`}`, [
    ...(narrow ? [] : [setting]), column("when chosen", 1), column("confirmed", 2), ...(narrow ? [setting] : []),
    { name: DATA.standard.interval.replace("%", " %"), number: true, value: (row) => row[3] }, column("n", 4),
    { name: "success", number: true, value: (row) => (row[5] === null ? null : row[5] / row[4]), cell: (row) => (row[5] === null ? "" : `${row[5]} of ${row[4]}`) },
  ], DATA.confirmed.rows);
}

function runsTable() {
  const asked = byId("find").value, places = findRuns(asked);
  const columns = [
    { name: "job", number: true, value: (i) => RUNS.job[i], cell: (i) => String(RUNS.job[i]) },
    { name: "status", value: (i) => STATUSES[RUNS.status[i]] },
    ...Object.entries(RUNS.seeds).map(([key, values]) => ({ name: key, number: true, value: (i) => values[i], cell: (i) => String(values[i] ?? "") })),
    ...keyColumns((i) => RUNS.setting[i]),
    ...DATA.metrics.map((m) => ({ name: m.name, title: titled(m.name, m.name), number: true, value: (i) => RUNS.metrics[m.name][i], cell: (i) => short(RUNS.metrics[m.name][i]) })),
    { name: "alone", cell: (i) => copyButton(commandOf(RUNS.overrides[i]), null, "Copy") },
  ];
  if (!places.length) return nothing("runs-table", `No run matches ${asked.trim()}.`);
  table("runs-table", asked.trim() ? `${plural(places.length, "run")} with ${asked.trim()}` : "Every run; “Copy” copies the command that trains it alone", columns, places, { order: 0 });
}

function lostTable() {
  // What all runs have in common would leave no room for what sets them apart.
  const words = DATA.lost.map((r) => wordsOf(r[4])), rest = new Set(words[0]);
  for (const mine of words) for (const word of rest) if (!mine.includes(word)) rest.delete(word);
  const apart = new Map(DATA.lost.map((r, i) => [r, words[i].filter((word) => words.length === 1 || !rest.has(word)).join(" ")]));
  const swept = [...rest].filter((word) => KEYS.some((key) => word.replace(/^\++/, "").startsWith(`${key.name}=`)));
  const common = swept.length ? ` All have ${swept.join(" ")}.` : "";
  const why = (r) => r[3] ?? "the loss or a parameter is not finite";
  const columns = [
    { name: "job", number: true, value: (r) => r[0], cell: (r) => String(r[0]) },
    { name: "status", value: (r) => r[1] },
    { name: "step", number: true, value: (r) => r[2], cell: (r) => short(r[2]) },
    { name: "run", value: (r) => apart.get(r), cell: (r) => el("span", { class: "run" }, clip(commandOf(r[4]), apart.get(r), "clip code"), copyButton(commandOf(r[4]), null, "Copy")) },
    { name: "what happened", value: why, cell: (r) => clip(why(r)) },
  ];
  table("lost-table", `Runs that failed or diverged.${common} Press a text to see it whole: the run's command, or what happened`, columns, DATA.lost, { order: 0 });
}
