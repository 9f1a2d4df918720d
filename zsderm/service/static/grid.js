// The photographs of a job that is done: chosen, put in order, and gone through by keys.

import { ask, photograph } from "./api.js";
import { $, announce, button, element } from "./dom.js";
import { setKeys } from "./keys.js";
import { ORDERS, SHOWN, chosenFrom, chosenRows, queryOf, usual } from "./choice.js";
import { agree, cannotTell, undoLast } from "./review.js";
import { percent, verdict } from "./words.js";

const PER_PAGE = 48;

let job = null;
let rows = []; // a short one for each photograph; see zsderm/service/pages/summaries.py
let found = []; // those that are chosen, in order
let folder = ""; // in which all photographs lie: it tells none from another
let chosen = { ...usual };
let tellReviewed = () => {};

// Of one photograph: those before and after it among the chosen ones, for the view of one.
export const neighbours = (id, number) => {
  if (job?.id !== id) return null;
  const place = found.findIndex((row) => row.number === number);
  if (place < 0) return { before: found[0] ?? null, after: found[0] ?? null, place: -1, of: found.length };
  return { before: found[place - 1] ?? null, after: found[place + 1] ?? null, place, of: found.length };
};

export const query = () => queryOf(chosen);

// Load the rows of a job, where they are not there yet.
export const load = async (which, asked) => {
  if (job?.id !== which.id) rows = [];
  job = which;
  if (!rows.length) rows = await ask(`/page/jobs/${job.id}/summary`);
  folder = sharedFolder();
  chosen = chosenFrom(asked, job.classes);
  found = chosenRows(rows, chosen, job.classes);
};

const sharedFolder = () => {
  const first = rows[0]?.image ?? "";
  let shared = first.slice(0, first.lastIndexOf("/") + 1);
  for (const { image } of rows) while (!image.startsWith(shared)) shared = shared.slice(0, shared.lastIndexOf("/", shared.length - 2) + 1);
  return shared;
};

// A verdict was given or taken away: the row says so, and stays where it is until something is chosen anew.
export const updated = (id, photo) => {
  const row = job?.id === id && rows.find((one) => one.number === photo.number);
  if (!row) return;
  row.verdict = photo.review?.verdict ?? null;
  row.said = photo.review?.label ?? "";
  row.comment = photo.review?.comment ?? "";
};

export const openGrid = async (which, asked, before) => {
  rows = []; // another window may have changed something meanwhile
  try {
    await load(which, asked);
  } catch (problem) {
    $("job-error").textContent = problem.message;
    return;
  }
  fillTools();
  draw();
  if (before === null) return;
  const came = /^\/jobs\/[^/]+\/(\d+)$/.exec(before ?? "");
  const place = came ? found.findIndex((row) => row.number === Number(came[1])) : -1;
  if (place >= 0) {
    turnTo(Math.floor(place / PER_PAGE) + 1);
    tile(Number(came[1]))?.focus();
  } else $("job-title").focus();
};

const options = (select, entries, value) => {
  select.replaceChildren(...entries.map(([key, words]) => element("option", { value: key }, words)));
  select.value = value;
};

const fillTools = () => {
  const { show, answer, sort, find } = $("tools").elements;
  const some = (name) => rows.filter(SHOWN[name][1]).length;
  options(show, Object.keys(SHOWN).filter((name) => name === chosen.show || some(name)).map((name) => [name, `${SHOWN[name][0]} (${some(name)})`]), chosen.show);
  const answers = (name) => rows.filter((row) => row.label === name).length;
  options(answer, [["", "all"], ...job.classes.map((name, place) => [String(place), `${name} (${answers(name)})`])], chosen.answer);
  const known = rows.some((row) => row.familiarity !== null);
  options(sort, Object.entries(ORDERS).filter(([, order]) => known || !order.familiarity).map(([name, order]) => [name, order.words]), chosen.sort);
  find.value = chosen.find;
};

const change = () => {
  chosen.page = 1;
  found = chosenRows(rows, chosen, job.classes);
  keepAddress();
  draw();
};

const keepAddress = () => history.replaceState(null, "", `#/jobs/${job.id}${query()}`);

// Signs and words, so that colour is never all that says something.
const signs = (row) =>
  [
    row.error && ["bad", `✗ ${row.error}`],
    row.verdict && ["said", verdict(row.verdict, row.said)],
    row.comment && ["muted", "has a comment"],
    row.abstained && ["doubt", "none of these?"],
    row.possible !== null && row.possible !== 1 && !row.error && ["doubt", row.possible ? `could be ${row.possible} classes` : "could be none of the classes"],
    row.changed && ["doubt", "answer changed"],
  ].filter(Boolean);

const card = (row, current) => {
  const picture = row.error
    ? element("span", { className: "none", aria: { hidden: "true" } }, "no picture")
    : element("img", { src: `${photograph(job.id, row.number)}/picture`, alt: "", loading: "lazy", decoding: "async" });
  const link = element(
    "a",
    { href: `#/jobs/${job.id}/${row.number}${query()}`, className: "tile", tabIndex: current ? 0 : -1, data: { number: row.number } },
    picture,
    element("span", { className: "tile-name", title: row.image }, element("bdi", {}, row.image.slice(folder.length))),
    row.label ? element("span", { className: "tile-answer" }, element("b", {}, row.label), ` ${percent(row.probability)}`) : null,
    ...signs(row).map(([kind, words]) => element("span", { className: `sign ${kind}` }, words)),
  );
  return element("li", {}, link);
};

const tile = (number) => $("grid").querySelector(`[data-number="${number}"]`);
const tiles = () => [...$("grid").querySelectorAll(".tile")];

const draw = () => {
  const pages = Math.max(1, Math.ceil(found.length / PER_PAGE));
  chosen.page = Math.min(Math.max(1, chosen.page), pages);
  const from = (chosen.page - 1) * PER_PAGE;
  const part = found.slice(from, from + PER_PAGE);
  $("grid").replaceChildren(...part.map((row, place) => card(row, place === 0)));
  const where = part.length === found.length ? "" : `, ${from + 1} to ${from + part.length} on this page`;
  const limits = [
    chosen.show === "all" ? "" : SHOWN[chosen.show][0],
    chosen.answer === "" ? "" : `answered ${job.classes[chosen.answer]}`,
    chosen.find ? `with “${chosen.find}”` : "",
    ORDERS[chosen.sort].words,
  ];
  $("status").textContent = `${found.length} of ${rows.length} photographs${where}: ${limits.filter(Boolean).join(", ")}.`;
  for (const pager of $("done").querySelectorAll(".pager")) {
    pager.hidden = pages === 1;
    pager.replaceChildren(
      button("← Previous", () => turned(chosen.page - 1), { disabled: chosen.page === 1 }),
      element("span", {}, `Page ${chosen.page} of ${pages}`),
      button("Next →", () => turned(chosen.page + 1), { disabled: chosen.page === pages }),
    );
  }
};

const turnTo = (page) => {
  chosen.page = page;
  keepAddress();
  draw();
};

const turned = (page) => {
  turnTo(page);
  $("grid-title").focus();
};

// ---- keys

const focused = () => tiles().indexOf(document.activeElement);

const go = (step) => () => {
  const all = tiles();
  const place = focused();
  if (place < 0) {
    if (document.activeElement !== document.body && document.activeElement?.id !== "job-title" && document.activeElement?.id !== "grid-title") return false;
    focusOn(all[0]);
    return true;
  }
  const next = place + (typeof step === "function" ? step(all) : step);
  if (all[next]) return focusOn(all[next]);
  // Over the edge of the page to the next one.
  const pages = Math.ceil(found.length / PER_PAGE);
  if (next >= all.length && chosen.page < pages) turnTo(chosen.page + 1), focusOn(tiles()[0]);
  else if (next < 0 && chosen.page > 1) turnTo(chosen.page - 1), focusOn(tiles().at(-1));
  return true;
};

const focusOn = (one) => {
  if (!one) return;
  for (const other of tiles()) other.tabIndex = other === one ? 0 : -1;
  one.focus();
};

const columns = (all) => all.findIndex((one) => one.offsetTop > all[0].offsetTop + 4);
const rowLength = (all) => (columns(all) > 0 ? columns(all) : all.length);

// A verdict on the photograph that has the focus.
const judge = (act) => async () => {
  const one = document.activeElement?.closest?.(".tile");
  if (!one) return false;
  const number = Number(one.dataset.number);
  try {
    const photo = await act(job.id, number);
    updated(job.id, photo);
    refresh(number);
    announce(verdict(photo.review?.verdict, photo.review?.label) || "no verdict");
  } catch (problem) {
    announce(problem.message);
    $("job-error").textContent = problem.message;
  }
};

const refresh = (number) => {
  const old = tile(number);
  const row = rows.find((one) => one.number === number);
  if (old && row) {
    const had = old === document.activeElement;
    const fresh = card(row, old.tabIndex === 0);
    old.parentElement.replaceWith(fresh);
    if (had) fresh.firstChild.focus();
  }
  tellReviewed(rows.filter((one) => one.verdict).length, rows.length);
};

const undo = async () => {
  try {
    const photo = await undoLast();
    if (!photo) return announce("nothing to undo");
    updated(photo.job, photo);
    refresh(photo.number);
    focusOn(tile(photo.number));
    announce(`undone: ${verdict(photo.review?.verdict, photo.review?.label) || "no verdict"}`);
  } catch (problem) {
    announce(problem.message);
  }
};

export const prepareGrid = (reviewed) => {
  tellReviewed = reviewed;
  const tools = $("tools");
  tools.addEventListener("submit", (event) => event.preventDefault());
  tools.addEventListener("input", () => {
    for (const name of ["show", "answer", "sort", "find"]) chosen[name] = tools.elements[name].value;
    change();
  });
  tools.addEventListener("reset", (event) => {
    event.preventDefault();
    chosen = { ...usual };
    fillTools();
    change();
  });
  const first = (all) => -focused() + 0 * all.length;
  const last = (all) => all.length - 1 - focused();
  setKeys("job", {
    ArrowRight: go(1),
    ArrowLeft: go(-1),
    ArrowDown: go((all) => rowLength(all)),
    ArrowUp: go((all) => -rowLength(all)),
    Home: () => focused() >= 0 && go(first)(),
    End: () => focused() >= 0 && go(last)(),
    a: judge(agree),
    x: judge(cannotTell),
    z: undo,
    "/": () => tools.elements.find.focus(),
    Escape: () => document.activeElement?.closest("#tools") && ($("grid-title").focus(), true),
  });
};
