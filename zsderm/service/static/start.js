// The first view: photographs and classes for a new job, and all jobs.

import { classNames, prepareClasses } from "./classes.js";
import { $, announce, show } from "./dom.js";
import { photographs, prepareIntake, takeNone } from "./intake.js";
import { drawJobs, prepareJobs } from "./jobs.js";
import { prepareLists } from "./lists.js";
import { send } from "./upload.js";
import { prepareWeights, weights } from "./weights.js";
import { lasting, size } from "./words.js";

let facts = {};
let stopping = null; // stops what is being sent

// Show it; a reader who comes from another view is put at its beginning.
export const openStart = (came) => {
  show("start", "zsderm");
  if (came) $("start").querySelector("h1").focus();
  drawJobs();
};

// The fields of the form, as the service takes them.
const fields = () => {
  const found = facts.fixed ? {} : { classes: classNames().join(", ") };
  for (const field of $("ask").querySelectorAll("[name]")) if (field.value !== "") found[field.name] = field.value;
  if (found.prior === "weights") found.prior = weights();
  return found;
};

// What is still missing: one sentence, and where to put the reader.
const missing = () => {
  if (!photographs().length) return ["Choose photographs first.", "choose-files"];
  if (photographs().length > facts.maxJobFiles) return [`A job can hold at most ${facts.maxJobFiles} photographs. Remove some of them.`, "choose-none"];
  if (!facts.fixed && classNames().length < 2) return ["Add at least two classes: one alone would be the answer for every photograph.", "class"];
  return null;
};

const begin = async (event) => {
  event.preventDefault();
  if (stopping) return;
  const problem = missing();
  $("ask-error").textContent = problem?.[0] ?? "";
  if (problem) return $(problem[1]).focus();
  const files = photographs();
  const all = files.reduce((sum, { file }) => sum + file.size, 0);
  const since = performance.now();
  const told = (bytes) => {
    $("sent").value = all ? bytes / all : 1;
    const left = bytes ? ((performance.now() - since) / 1000) * ((all - bytes) / bytes) : null;
    $("sent-words").textContent = `${size(bytes)} of ${size(all)}${left === null || bytes >= all ? "" : `, about ${lasting(left)} left`}`;
  };
  stopping = new AbortController();
  busy(true);
  told(0);
  announce("Uploading photographs");
  try {
    const id = await send(files, fields(), { signal: stopping.signal, told, maxFiles: facts.maxFiles });
    takeNone();
    if ($("narrative")) $("narrative").value = ""; // it is of this patient alone
    location.hash = `#/jobs/${id}`;
  } catch (error) {
    const stopped = error.name === "AbortError";
    $("ask-error").textContent = stopped ? "" : error.message;
    if (stopped) announce("Cancelled; the photographs sent so far are deleted");
    drawJobs();
  } finally {
    stopping = null;
    busy(false);
  }
};

const busy = (is) => {
  $("sending").hidden = !is;
  $("ask").querySelector("[type=submit]").disabled = is;
  if (is) $("stop-sending").focus();
};

export const prepareStart = (given) => {
  facts = given;
  prepareIntake(facts);
  prepareJobs();
  if (!facts.fixed) {
    prepareWeights();
    prepareClasses();
    prepareLists();
  }
  $("ask").addEventListener("submit", begin);
  // What was missing may be there now; what else is missing is said when it is asked for.
  for (const changed of ["zsderm:classes", "zsderm:photographs"]) addEventListener(changed, () => ($("ask-error").textContent = ""));
  $("stop-sending").addEventListener("click", () => stopping?.abort());
  // What is being sent would be lost with the page.
  addEventListener("beforeunload", (event) => stopping && event.preventDefault());
};
