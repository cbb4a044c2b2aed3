// Tables with sortable columns, a page of rows at a time.
const ROWS = 25;

// columns: {name, number, value(row), cell(row)}; rows: anything. order: a column's place or null.
function table(where, caption, columns, rows, { order = null, down = false, mark = null } = {}) {
  const view = { order, down, page: 0 };
  const place = byId(where);
  const body = el("tbody"), info = el("span", { "aria-live": "polite" });
  const step = (by, text) => el("button", { type: "button", onclick: () => { view.page += by; draw(); } }, text);
  const [before, after] = [step(-1, "◀ Back"), step(1, "More ▶")];
  const heads = columns.map((column, c) => {
    const button = el("button", { type: "button" }, column.name);
    button.addEventListener("click", () => {
      view.down = view.order === c ? !view.down : false;
      view.order = c;
      view.page = 0;
      draw();
    });
    return el("th", { scope: "col", class: column.number ? "number" : null }, column.value ? button : column.name);
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
        return el("td", { class: column.number ? "number" : column.text ? "text" : null }, content ?? "");
      }))));
    heads.forEach((head, c) => (view.order === c
      ? head.setAttribute("aria-sort", view.down ? "descending" : "ascending") : head.removeAttribute("aria-sort")));
    info.textContent = `${(first + 1).toLocaleString("en")} to ${(first + shown.length).toLocaleString("en")} of ${all.length.toLocaleString("en")}`;
    before.disabled = view.page === 0;
    after.disabled = first + ROWS >= all.length;
  };
  if (!rows.length) return nothing(where, "None.");
  const whole = el("table", {}, el("caption", { class: "quiet" }, caption),
    el("thead", {}, el("tr", {}, ...heads)), body);
  fill(place, el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption }, whole));
  if (rows.length > ROWS) place.append(el("div", { class: "pages" }, before, info, after));
  draw();
}

function rankingTable() {
  const stats = DATA.stats[STATE.metric], sign = isHigh() ? -1 : 1;
  const [N, MEAN, SD, LOW, HIGH, MEDIAN, ALIKE, BEST] = [0, 1, 2, 3, 4, 5, 6, 7];
  const rows = SETTINGS.map((_, s) => s).sort((a, b) => {
    const [p, q] = [stats[a], stats[b]];
    return (p[N] === 0) - (q[N] === 0) || (p[N] === 0 ? a - b : sign * (p[MEAN] - q[MEAN]));
  });
  const rank = new Map(rows.map((s, i) => [s, i + 1]));
  const overrides = new Map(RUNS.job.map((job, i) => [job, RUNS.overrides[i]]));
  const of = (i) => ({ number: true, value: (s) => stats[s][i], cell: (s) => short(stats[s][i]) });
  const lost = (s) => DATA.diverged[s] + DATA.failed[s];
  const isSeeded = SETTINGS.some((_, s) => stats[s][N] > 1);
  const columns = [
    { name: "rank", number: true, value: (s) => rank.get(s) },
    ...KEYS.map((key, k) => ({
      name: key.name, number: key.number,
      value: (s) => (key.number ? key.values[SETTINGS[s][k]] : key.texts[SETTINGS[s][k]]),
      cell: (s) => key.texts[SETTINGS[s][k]],
    })),
    { name: "n", ...of(N) }, { name: "mean", ...of(MEAN) },
    ...(isSeeded ? [
      { name: "sd", ...of(SD) },
      { name: "95 % of the mean", number: true, value: (s) => stats[s][LOW],
        cell: (s) => (stats[s][LOW] === null ? "" : `${short(stats[s][LOW])} to ${short(stats[s][HIGH])}`) },
      { name: "median", ...of(MEDIAN) },
    ] : []),
    { name: "diverged", number: true, value: lost,
      cell: (s) => [[DATA.diverged[s], ""], [DATA.failed[s], " failed"]].filter(([n]) => n).map(([n, word]) => `${n}${word}`).join(", ") },
    ...(DATA.stopped.some(Boolean) ? [{ name: "stopped", number: true,
      value: (s) => (DATA.stopped[s] ? 1e9 * -DATA.stopped[s][0] + DATA.stopped[s][1] : 0),
      cell: (s) => (DATA.stopped[s] ? `epoch ${DATA.stopped[s][0].toLocaleString("en")}, place ${DATA.stopped[s][1].toLocaleString("en")}` : "") }] : []),
    ...(isSeeded ? [{ name: "like the best", value: (s) => (stats[s][ALIKE] ? 0 : 1),
      cell: (s) => (rank.get(s) === 1 ? "the best" : stats[s][ALIKE] ? "not distinguishable" : stats[s][ALIKE] === null ? "cannot be said" : "") }] : []),
    { name: "best run", number: true, value: (s) => stats[s][BEST], cell: (s) => (stats[s][BEST] === null ? "" : String(stats[s][BEST])) },
    { name: "alone", cell: (s) => (overrides.has(stats[s][BEST]) ? copyButton(commandOf(overrides.get(stats[s][BEST]))) : "") },
  ];
  const alike = rows.filter((s) => stats[s][ALIKE] && rank.get(s) > 1).length;
  byId("ranking-text").textContent = `Ordered by the mean of ${STATE.metric} over completed runs, ${isHigh() ? "highest" : "lowest"} first. ` +
    (isSeeded ? `The interval is a 95 % bootstrap interval of the mean. ${alike
      ? `${plural(alike, "more setting")} cannot be told from the best: paired over the seeds that both have, the 95 % interval of the difference holds 0. They are marked.`
      : "Every other setting can be told from the best, paired over the seeds that both have, or shares too few seeds with it."}`
      : "There is one run of each setting, so nothing can be said of the spread over seeds.");
  table("ranking-table", `Settings by mean ${STATE.metric}`, columns, rows, { order: 0, mark: (s) => isSeeded && stats[s][ALIKE] });
}

function runsTable() {
  const wanted = byId("find").value.trim().toLowerCase();
  const places = RUNS.job.map((_, i) => i).filter((i) => !wanted ||
    (/^\d+$/.test(wanted) ? String(RUNS.job[i]) === wanted : RUNS.overrides[i].toLowerCase().includes(wanted)));
  const metrics = DATA.metrics.map((m) => m.name);
  const columns = [
    { name: "job", number: true, value: (i) => RUNS.job[i], cell: (i) => String(RUNS.job[i]) },
    { name: "status", value: (i) => ["completed", "diverged", "failed", "stopped"][RUNS.status[i]] },
    ...Object.entries(RUNS.seeds).map(([key, values]) => ({ name: key, number: true, value: (i) => values[i], cell: (i) => String(values[i] ?? "") })),
    ...KEYS.map((key, k) => ({ name: key.name, number: key.number, value: (i) => key.values[SETTINGS[RUNS.setting[i]][k]], cell: (i) => key.texts[SETTINGS[RUNS.setting[i]][k]] })),
    ...metrics.map((m) => ({ name: m, number: true, value: (i) => RUNS.metrics[m][i], cell: (i) => short(RUNS.metrics[m][i]) })),
    { name: "alone", cell: (i) => copyButton(commandOf(RUNS.overrides[i])) },
  ];
  if (!places.length) return nothing("runs-table", `No run matches ${wanted}.`);
  table("runs-table", "Every run with its command", columns, places, { order: 0 });
}

function lostTable() {
  const columns = [
    { name: "job", number: true, value: (r) => r[0], cell: (r) => String(r[0]) },
    { name: "status", value: (r) => r[1] },
    { name: "step", number: true, value: (r) => r[2], cell: (r) => short(r[2]) },
    { name: "what happened", text: true, value: (r) => r[3] ?? "the loss or a parameter is not finite" },
    { name: "alone", text: true, cell: (r) => commandBlock(commandOf(r[4])) },
  ];
  table("lost-table", "Runs that failed or diverged", columns, DATA.lost, { order: 0 });
}
