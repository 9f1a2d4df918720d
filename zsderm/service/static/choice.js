// Which photographs are chosen and how they are put in order. What is chosen stands in the address.

export const SHOWN = {
  all: ["all", () => true],
  open: ["without a verdict", (row) => !row.verdict],
  said: ["with a verdict", (row) => Boolean(row.verdict)],
  corrected: ["✎ corrected", (row) => row.verdict === "correct"],
  unclear: ["? cannot tell", (row) => row.verdict === "cannot_tell"],
  close: ["lead below 10 percentage points", (row) => row.margin !== null && row.margin < 0.1],
  several: ["could be several classes", (row) => row.possible !== null && row.possible !== 1 && !row.error],
  abstained: ["none of these?", (row) => row.abstained],
  changed: ["answer changed", (row) => row.changed],
  failed: ["✗ not classified", (row) => Boolean(row.error)],
};

// Numbers that sort, the least first; what has none comes last.
const last = (value) => (value === null ? Infinity : value);

export const ORDERS = {
  given: { words: "in the given order", key: (row) => row.number },
  unsure: { words: "least probable first", key: (row) => last(row.probability) },
  sure: { words: "most probable first", key: (row) => (row.probability === null ? Infinity : -row.probability) },
  margin: { words: "smallest lead first", key: (row) => last(row.margin) },
  strange: { words: "least familiar first", key: (row) => last(row.familiarity), familiarity: true },
  errors: { words: "not classified first", key: (row) => (row.error ? 0 : 1) },
  class: { words: "by class", key: (row, classes) => (row.label ? classes.indexOf(row.label) : Infinity) },
  name: { words: "by name", key: null },
};

export const usual = { show: "all", answer: "", sort: "given", find: "", page: 1 };

// From the query of an address; what makes no sense is as usual.
export const chosenFrom = (query, classes) => {
  const found = { ...usual };
  for (const name of ["show", "answer", "sort", "find"]) if (query.has(name)) found[name] = query.get(name);
  if (!Object.hasOwn(SHOWN, found.show)) found.show = usual.show;
  if (!Object.hasOwn(ORDERS, found.sort)) found.sort = usual.sort;
  if (!/^\d+$/.test(found.answer) || !(Number(found.answer) < classes.length)) found.answer = "";
  found.page = Math.max(1, Math.trunc(Number(query.get("page"))) || 1);
  return found;
};

export const queryOf = (chosen) => {
  const differing = Object.entries(chosen).filter(([name, value]) => value !== usual[name]);
  return differing.length ? `?${new URLSearchParams(differing)}` : "";
};

const plain = (text) => text.normalize("NFC").toLowerCase();

export const chosenRows = (rows, chosen, classes) => {
  const words = plain(chosen.find).split(/\s+/).filter(Boolean);
  const found = rows.filter(
    (row) =>
      SHOWN[chosen.show][1](row) &&
      (chosen.answer === "" || row.label === classes[chosen.answer]) &&
      words.every((word) => plain([row.image, row.label, row.said, row.comment].join("\n")).includes(word)),
  );
  const { key } = ORDERS[chosen.sort];
  const names = new Intl.Collator(undefined, { numeric: true });
  const order = key ? (a, b) => key(a, classes) - key(b, classes) || 0 : (a, b) => names.compare(a.image, b.image);
  return found.sort((a, b) => order(a, b) || a.number - b.number);
};
