// The page: which of its three views is shown is in the address, so that a reload, a bookmark and "back" work.
//   #/                            a new job, and all jobs
//   #/jobs/ID?show=...            one job, with what is chosen of it
//   #/jobs/ID/3?show=...          one photograph of it

import { $ } from "./dom.js";
import { openJob, leaveJob } from "./job.js";
import { prepareKeys } from "./keys.js";
import { openPhotograph, preparePhotograph } from "./photograph.js";
import { openStart, prepareStart } from "./start.js";
import { lock } from "./unlock.js";

const facts = JSON.parse($("main").dataset.facts);
let before = null;

const route = () => {
  const [path, query = ""] = location.hash.slice(1).split("?");
  if (path !== "" && !path.startsWith("/")) return; // the address of a place within the page
  const [, noun, id, number] = path.split("/");
  leaveJob();
  // "Back" leaves a question unanswered; only the key is still asked for.
  for (const dialog of document.querySelectorAll("dialog[open]:not(#unlock)")) dialog.close();
  if (noun === "jobs" && id && /^\d+$/.test(number ?? "")) openPhotograph(id, Number(number), new URLSearchParams(query));
  else if (noun === "jobs" && id) openJob(id, new URLSearchParams(query), before);
  else openStart(before !== null);
  before = path;
};

document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  $("main").focus();
});
$("lock")?.addEventListener("click", lock);
prepareKeys();
prepareStart(facts);
preparePhotograph();
addEventListener("hashchange", route);
route();
