// All jobs of the service: they outlive the page and the service itself.

import { ask, job as at } from "./api.js";
import { $, announce, button, confirmed, element } from "./dom.js";
import { STATES, counted, day, progress } from "./words.js";

const PAUSE = 2000; // ms between looks while a job runs
let timer = 0;

// What can be done with a job that is not done: its buttons. `after` is called when something was.
export const actionsOf = (job, after) => {
  const post = (what, words) => async () => {
    try {
      await ask(`${at(job.id)}/${what}`, { method: "POST" });
      announce(words);
    } catch (problem) {
      announce(problem.message);
    }
    after();
  };
  const found = [];
  if (job.state === "open" && job.progress.total) found.push(button("Start the job", post("start", "started")));
  if (["failed", "cancelled"].includes(job.state) && job.progress.total) found.push(button("Resume", post("resume", "the job continues")));
  if (["queued", "running"].includes(job.state)) found.push(button("Cancel", post("cancel", "cancelled"), { className: "cancel" }));
  return found;
};

// A button that deletes a job. `before` is called when it is wanted, `after` when it is done.
export const deletion = (job, after, before = () => {}) =>
  button(
    "Delete",
    async () => {
      const what = counted(job.progress.total, "photograph");
      const words = `This deletes ${what}, the answers and ${counted(job.reviewed, "verdict")}. Download labels.csv first if you need it.`;
      if (!(await confirmed("Delete this job?", words, "Delete"))) return;
      before();
      try {
        await ask(at(job.id), { method: "DELETE" });
        announce("the job is deleted");
      } catch (problem) {
        announce(problem.message);
      }
      after();
    },
    { className: "danger", aria: { label: `Delete the job of ${day(job.created)}` } },
  );

const MOST_CLASSES = 6; // that are named

export const namesOf = (job) => {
  const more = job.classes.length - MOST_CLASSES;
  return job.classes.slice(0, MOST_CLASSES).join(", ") + (more > 0 ? ` and ${more} more` : "");
};

const row = (job) => {
  const { total, failed } = job.progress;
  const facts = job.state === "done" ? counted(total, "photograph") + (failed ? `, ${failed} could not be read` : "") : progress(job.progress);
  const said = job.reviewed ? `, ${job.reviewed} with a verdict` : "";
  const gone = job.deleted_after ? ` Will be deleted after ${day(job.deleted_after)}.` : "";
  const name = element("a", { href: `#/jobs/${job.id}` }, day(job.created));
  return element(
    "li",
    { className: "panel", data: { job: job.id } },
    element(
      "div",
      {},
      element("p", {}, element("b", { className: "state" }, STATES[job.state]), " ", name, ` ${facts}${said}`),
      element("p", { className: "muted" }, namesOf(job), ".", gone, job.reason ? ` ${job.reason}` : ""),
    ),
    element("p", { className: "row" }, ...actionsOf(job, drawJobs), deletion(job, drawJobs)),
  );
};

export const drawJobs = async () => {
  clearTimeout(timer);
  let found;
  try {
    found = (await ask("/v1/jobs")).jobs;
  } catch (problem) {
    $("jobs-none").hidden = false;
    $("jobs-none").textContent = problem.message;
    timer = setTimeout(again, 2 * PAUSE);
    return;
  }
  $("jobs-none").hidden = found.length > 0;
  $("jobs-none").textContent = "There are no jobs yet.";
  // Where the reader is stays where it is: the list is drawn anew only where something has changed.
  const state = JSON.stringify(found);
  if ($("jobs").dataset.state !== state) {
    const focused = $("jobs").contains(document.activeElement);
    const id = document.activeElement?.closest("[data-job]")?.dataset.job;
    const place = [...(document.activeElement?.closest("[data-job]")?.querySelectorAll("a, button") ?? [])].indexOf(document.activeElement);
    $("jobs").dataset.state = state;
    $("jobs").replaceChildren(...found.map(row));
    if (focused) {
      const own = [...$("jobs").children].find((item) => item.dataset.job === id);
      const controls = own?.querySelectorAll("a, button") ?? [];
      (controls[Math.min(place, controls.length - 1)] ?? $("jobs-title")).focus();
    }
  }
  if (found.some((job) => ["queued", "running"].includes(job.state))) timer = setTimeout(again, PAUSE);
};

const again = () => $("start").hidden || drawJobs();

export const prepareJobs = () => {
  // Another window may have changed something meanwhile.
  addEventListener("focus", again);
};
