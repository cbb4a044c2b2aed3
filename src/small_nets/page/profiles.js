// Performance profiles: the share of each setting's runs that end at least as well as x.
function profileChart() {
  const { lines, bound } = DATA.profiles[STATE.metric];
  const every = lines.flatMap((line) => line[2]);
  if (!every.length) return nothing("profile", "");
  const words = isHigh() ? "at or above" : "at or below", values = bound ? [...every, bound[0]] : every;
  const across = valueAxis(titled(STATE.metric), values, { fixed: true });
  const ends = across.range ?? [Math.min(...values) - 0.5, Math.max(...values) + 0.5];
  const [from, to] = across.type === "log" ? ends.map((v) => 10 ** v) : ends;
  const traces = lines.map(([setting, n, places, shares], i) => {
    // To both ends of the axis: no run is better than the first, none is left behind the last.
    const x = [from, ...places, to], y = isHigh() ? [shares[0] ?? 0, ...shares, 0] : [0, ...shares, shares.at(-1) ?? 0];
    return { type: "scatter", mode: "lines", x, y, name: wrapped(brief(setting), isNarrow() ? 34 : 60), line: { color: colour(i), dash: dash(i), width: 2, shape: isHigh() ? "vh" : "hv" },
      hovertemplate: `${brief(setting)}<br>%{y:.0%} of ${n} ${words} %{x:.4g}<extra></extra>` };
  });
  if (bound) traces.push({ type: "scatter", mode: "lines", x: [bound[0], bound[0]], y: [0, 1], name: wrapped(`success: ${bound[1]}`, isNarrow() ? 34 : 60), line: { color: css("--quiet"), dash: "dot", width: 2 }, hoverinfo: "name" });
  const one = DATA.profile_of, lost = lines.some((line) => Math.max(0, ...line[3]) < 1);
  chart("profile", traces, { xaxis: { ...across, range: ends }, yaxis: axis(`share of ${one}`, { range: [0, 1.03], tickformat: ".0%" }), ...legendBelow() },
    `The share of the ${one} of a setting whose ${STATE.metric} ends ${words} a value, for ${lines.length === 1 ? "the first setting" : `the first ${lines.length} settings`} of the ranking.${one === "seeds" ? " The number of a seed is the mean over its folds." : ""}${lost ? " A run that diverged or failed ends at no value: such lines stay below 100 %." : ""}${bound ? " The upright line is where success begins." : ""}`,
    440 + (isNarrow() ? 34 : 14) * lines.length);
}
