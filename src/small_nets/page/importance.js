// Which keys matter: the share of each, and of each pair, in the variance of the settings.
function mattersChart() {
  const found = DATA.importances[STATE.metric];
  byId("h-matters").hidden = !found;
  if (!found) return nothing("matters", "");
  if (found.why) return nothing("matters", found.why);
  const hasChance = found.chance !== null;
  const bars = [...found.effects, ...(hasChance ? [["chance", found.chance, null]] : [])];
  const names = bars.map(([name]) => wrapped(name, isNarrow() ? 18 : 48)), shares = bars.map((bar) => bar[1]);
  const tint = ([name, , told]) => (hasChance && name === "chance" ? css("--quiet") : told === false ? faint(colour(0), 0.35) : colour(0));
  const pale = found.effects.some((effect) => effect[2] === false);
  chart("matters", [{ type: "bar", orientation: "h", x: shares, y: names.map((_, i) => i), marker: { color: bars.map(tint) }, text: shares.map((s) => `${Math.round(100 * s)} %`), textposition: "outside", cliponaxis: false, hoverinfo: "none" }], {
    xaxis: axis("share of the variance", { rangemode: "tozero", range: [0, Math.max(...shares, 0.01) * (isNarrow() ? 1.35 : 1.15)], tickformat: ".0%" }),
    yaxis: axis("", { tickmode: "array", tickvals: names.map((_, i) => i), ticktext: names, autorange: "reversed", showgrid: false, zeroline: false }),
  }, `What sets the ${found.cells} settings apart: the share of each key, and of each pair beyond its two keys, in the variance of ${found.what} (functional analysis of variance of the grid).${found.is_rank ? " Of ranks, for some settings are worse than any number: they come last." : ""}${hasChance ? ` What ${plural(found.seeds, "seed")} make by chance, by a bootstrap, is taken off and has its own bar.${pale ? " A pale bar cannot be told from chance (at 5 %)." : ""}` : " Too few seeds tell how much of it is chance."}${found.more ? ` ${found.more} smaller ones are left out.` : ""}${found.left_out}`,
  Math.max(240, 110 + 36 * names.length));
}
