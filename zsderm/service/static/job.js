// One job: its progress, and once it is done what can be taken away and its photographs.

import { ask, job as at } from "./api.js";
import { $, announce, button, element, show } from "./dom.js";
import { openGrid, prepareGrid } from "./grid.js";
import { actionsOf, deletion, namesOf } from "./jobs.js";
import { counted, day, progress } from "./words.js";

const PAUSE = 700; // ms between looks at a job that runs
const STEP = 10; // percent after which those who listen hear how far it is

let timer = 0;
let heard = -1;

export const leaveJob = () => clearTimeout(timer);

// Show a job.
//   query: what is chosen of its photographs
//   before: the address that the reader comes from, to put them back where they were
export const openJob = async (id, query, before) => {
  const fresh = $("job").dataset.job !== id || $("job").hidden;
  show("job", "Job, zsderm");
  if (fresh) {
    $("job").dataset.job = id;
    for (const part of ["running", "done"]) $(part).hidden = true;
    $("job-facts").textContent = "";
    $("job-title").textContent = "Job";
    heard = -1;
  }
  $("job-error").textContent = "";
  await look(id, query, before, fresh);
};

const look = async (id, query, before, first = false) => {
  clearTimeout(timer);
  let job;
  try {
    job = await ask(at(id));
  } catch (problem) {
    if (!here(id)) return;
    $("job-error").textContent = problem.message;
    if (problem.status === 0) timer = setTimeout(() => here(id) && look(id, query, before), 4 * PAUSE);
    else for (const part of ["running", "done"]) $(part).hidden = true;
    return;
  }
  if (!here(id)) return;
  $("job-error").textContent = "";
  drawFacts(job);
  const done = job.state === "done";
  const was = !$("running").hidden;
  $("running").hidden = done;
  $("done").hidden = !done;
  if (!done) {
    drawProgress(job, () => look(id, query, before));
    if (["queued", "running"].includes(job.state)) timer = setTimeout(() => here(id) && look(id, query, before), PAUSE);
    if (first) $("job-title").focus();
    return;
  }
  drawDone(job);
  if (was) announce(`Done. ${progress(job.progress)}`);
  await openGrid(job, query, first ? before : null);
};

const here = (id) => !$("job").hidden && $("job").dataset.job === id;

const drawFacts = (job) => {
  const { total, failed } = job.progress;
  const title = `${counted(total, "photograph")}, ${counted(job.classes.length, "class", "classes")}`;
  if ($("job-title").textContent !== title) $("job-title").textContent = title;
  const other = job.method && job.method !== job.request.method ? ` (requested: ${job.request.method})` : "";
  const parts = [
    `Created ${day(job.created)}. Classes: ${namesOf(job)}.`,
    job.model ? `Encoder ${job.model}, method ${job.method}${other}, class prior ${job.prior}, ${job.calibrated ? "calibrated" : "not calibrated"}.` : "",
    failed && job.state === "done" ? `${failed} could not be read (the reason is shown with the photograph).` : "",
    job.deleted_after ? `Will be deleted after ${day(job.deleted_after)}.` : "",
  ];
  $("job-facts").textContent = parts.filter(Boolean).join(" ");
};

const TITLES = { open: "Not started", queued: "Waiting for other jobs", running: "Processing", failed: "✗ Failed", cancelled: "Cancelled" };

const drawProgress = (job, after) => {
  const { total, done } = job.progress;
  const embedded = total > 0 && done >= total;
  $("running-title").textContent = job.state === "running" && embedded ? "All photographs are processed; computing the answers" : TITLES[job.state];
  if (embedded && job.state === "running") $("progress").removeAttribute("value");
  else $("progress").value = total ? done / total : 0;
  $("progress-words").textContent = [progress(job.progress), job.reason].filter(Boolean).join(". ");
  const step = Math.floor((100 * done) / Math.max(1, total) / STEP);
  if (job.state === "running" && step > heard) {
    heard = step;
    announce(progress(job.progress));
  }
  if ($("running-actions").dataset.state !== job.state + job.id) {
    const focused = $("running-actions").contains(document.activeElement);
    $("running-actions").dataset.state = job.state + job.id;
    $("running-actions").replaceChildren(...actionsOf(job, after), deletion(job, () => (location.hash = "#/"), leaveJob));
    if (focused) $("running-actions").querySelector("button").focus();
  }
};

const KINDS = [
  ["csv", "Table (CSV)"],
  ["jsonl", "Table (JSON Lines)"],
  ["parquet", "Table (Parquet)"],
];

const drawDone = (job) => {
  $("job-notes").hidden = !job.notes.length;
  $("job-notes").querySelector("ul").replaceChildren(...job.notes.map((note) => element("li", {}, note)));
  drawReviewed(job.reviewed, job.progress.total);
  const file = (path, words, properties = {}) => element("a", { href: path, className: "button", ...properties }, words);
  $("exports").replaceChildren(
    file(`${at(job.id)}/labels.csv`, "labels.csv", { download: "labels.csv", id: "labels" }),
    file(`/jobs/${job.id}/report`, "Printable summary"),
    ...KINDS.map(([kind, words]) => file(`${at(job.id)}/result.${kind}`, words, { download: `predictions.${kind}` })),
    file(`${at(job.id)}/result.html`, "Report (HTML)", { download: "report.html" }),
    deletion(job, () => (location.hash = "#/")),
  );
};

export const drawReviewed = (reviewed, total) => {
  const none = "No verdicts yet: open a photograph and say what is right.";
  $("reviewed").textContent = reviewed ? `Verdicts on ${reviewed} of ${counted(total, "photograph")}.` : none;
};

prepareGrid(drawReviewed);
