// Which runs a reader asks for: words in any order, each of which must hold.

// The words of a command, without the quotes of a shell.
function wordsOf(text) {
  const found = text.match(/(?:'[^']*'|"(?:\\.|[^"\\])*"|[^\s'"])+/g) ?? [];
  return found.map((word) => word.replace(/'([^']*)'|"((?:\\.|[^"\\])*)"/g, (_, one, two) => one ?? two.replace(/\\(.)/g, "$1")));
}

// What can be asked of a run: key -> values, as they are typed and as the tables show them.
function factsOf(i) {
  const facts = new Map();
  const add = (key, value) => facts.set(key.toLowerCase(), [...(facts.get(key.toLowerCase()) ?? []), String(value).toLowerCase()]);
  for (const word of wordsOf(RUNS.overrides[i])) {
    const at = word.indexOf("=");
    if (at > 0) add(word.slice(0, at).replace(/^[+~]+/, ""), word.slice(at + 1));
  }
  KEYS.forEach((key, k) => add(key.name, key.texts[SETTINGS[RUNS.setting[i]][k]]));
  for (const [key, values] of Object.entries(RUNS.seeds)) add(key, values[i]);
  add("job", RUNS.job[i]);
  add("status", STATUSES[RUNS.status[i]]);
  return facts;
}

const FACTS = [];
const facts = (i) => (FACTS[i] ??= factsOf(i));

// 0.001 is 1e-3, and 1 is neither 10 nor 1.5.
function isSame(asked, value) {
  return asked === value || (asked !== "" && value !== "" && Number(asked) === Number(value));
}

// width=1 asks for model.width, too. Nothing behind the "=": any value.
function hasPair(i, key, asked) {
  for (const [name, values] of facts(i)) {
    if ((name === key || name.endsWith(`.${key}`)) && (asked === "" || values.some((v) => isSame(asked, v)))) return true;
  }
  return false;
}

const hasWhole = (i, word) => [...facts(i)].some(([name, values]) => name === word || name.endsWith(`.${word}`) || values.includes(word));
const hasPart = (i, word) => [...facts(i)].some(([name, values]) => values.some((v) => `${name}=${v}`.includes(word)));

// The places of the runs for which every word holds. A number alone is a job. A word that is no
// whole value of any run may be a part of one: it may not be typed to its end yet.
function findRuns(text) {
  let places = RUNS.job.map((_, i) => i);
  for (const word of wordsOf(text.trim().toLowerCase())) {
    const at = word.indexOf("=");
    if (at > 0) places = places.filter((i) => hasPair(i, word.slice(0, at).replace(/^[+~]+/, ""), word.slice(at + 1)));
    else if (/^\d+$/.test(word)) places = places.filter((i) => RUNS.job[i] === Number(word));
    else places = places.filter((i) => hasWhole(i, word) || (!isWhole(word) && hasPart(i, word)));
  }
  return places;
}

const WHOLE = new Map();
function isWhole(word) {
  if (!WHOLE.has(word)) WHOLE.set(word, RUNS.job.some((_, i) => hasWhole(i, word)));
  return WHOLE.get(word);
}
