// One photograph: the picture, the answer with its reasons, and the reader's verdict.

import { ask, job as at, photograph as of } from "./api.js";
import { drawAnswer, drawSentences } from "./answer.js";
import { $, announce, element, show } from "./dom.js";
import { load, neighbours, query, updated } from "./grid.js";
import { kept, keep } from "./kept.js";
import { setKeys } from "./keys.js";
import * as review from "./review.js";
import { verdict } from "./words.js";

let job = null;
let photo = null;
let heat = false; // stays on from one photograph to the next
const drafts = new Map(); // comments that are not kept yet, by address

const address = (number) => `#/jobs/${job.id}/${number}${query()}`;

export const openPhotograph = async (id, number, asked) => {
  show("photograph", "Photograph, zsderm");
  clear();
  try {
    const [which, one] = await Promise.all([job?.id === id && job.state === "done" ? job : ask(at(id)), ask(of(id, number))]);
    await load(which, asked);
    [job, photo] = [which, one];
  } catch (problem) {
    $("photograph-error").textContent = problem.message;
    $("back").href = `#/jobs/${id}`;
    return;
  }
  if (location.hash !== address(number) && !location.hash.startsWith(`#/jobs/${id}/${number}`)) return; // gone on meanwhile
  draw();
  $("photograph-title").focus({ preventScroll: true });
  scrollTo({ top: 0 });
};

const clear = () => {
  $("photograph-error").textContent = "";
  $("picture").removeAttribute("src");
  $("picture").alt = "";
};

const draw = () => {
  const near = neighbours(job.id, photo.number);
  $("photograph-title").replaceChildren(element("bdi", {}, photo.image));
  document.title = `${photo.image}, zsderm`;
  $("back").href = `#/jobs/${job.id}${query()}`;
  $("before").disabled = !near?.before;
  $("after").disabled = !near?.after;
  $("place").textContent = near && near.place >= 0 ? `${near.place + 1} of ${near.of}` : "";
  drawPicture();
  drawAnswer(job, photo.answer);
  drawSentences(job, photo.answer);
  drawReview();
};

const answered = () => photo.answer?.ok === true;

const drawPicture = () => {
  const failed = photo.state === "failed";
  $("figure").hidden = failed;
  $("no-picture").hidden = !failed;
  $("heat").disabled = !answered();
  $("heat").parentElement.hidden = failed;
  const on = heat && answered();
  $("heat").setAttribute("aria-pressed", String(on));
  $("heat-legend").hidden = !on;
  if (failed) return;
  const size = photo.width ? `${photo.width} × ${photo.height} pixels.` : "";
  const [first, second] = photo.answer?.top ?? [];
  if (on) {
    $("heat-answer").textContent = first.class;
    $("heat-runner-up").textContent = second?.class ?? "other classes";
  }
  const path = `${of(job.id, photo.number)}/${on ? "heat" : "picture?large=true"}`;
  $("picture").alt = on ? `Heat map: where the encoder sees ${first.class}${second ? ` rather than ${second.class}` : ""}` : photo.image;
  $("picture-words").textContent = on ? "Computing the heat map …" : size;
  $("picture").onload = () => ($("picture-words").textContent = on ? "The photograph in grey under its heat map, as the encoder sees it." : size);
  $("picture").onerror = () => why(path);
  $("picture").src = path;
};

// A picture that did not come does not say why; asking again does.
const why = async (path) => {
  const words = await ask(path).then(() => "", (problem) => problem.message);
  $("picture-words").textContent = words || "The picture could not be shown.";
  announce($("picture-words").textContent);
};

const drawReview = () => {
  const said = photo.review;
  $("verdict").textContent = said ? `${verdict(said.verdict, said.label)}.` : "No verdict yet.";
  $("agree").disabled = !answered();
  for (const [id, one] of [["agree", "agree"], ["cannot-tell", "cannot_tell"], ["correct", "correct"]])
    $(id).setAttribute("aria-pressed", String(said?.verdict === one));
  $("undo").disabled = !said;
  const others = job.classes.filter((name) => !answered() || name !== photo.answer.label);
  $("correct-to").replaceChildren(element("option", { value: "" }, "choose a class"), ...others.map((name) => element("option", { value: name }, name)));
  $("correct-to").value = said?.verdict === "correct" ? said.label : "";
  $("comment").value = drafts.get(key()) ?? said?.comment ?? "";
  drawKeepComment();
};

const key = () => `${job.id}/${photo.number}`;
const drawKeepComment = () => ($("keep-comment").hidden = !photo.review || $("comment").value.trim() === photo.review.comment);

// Give a verdict, say it, and go on to the next photograph where that is wanted.
const judge = async (act, goesOn = true) => {
  const own = key();
  $("photograph-error").textContent = "";
  try {
    const found = await act(job.id, photo.number, $("comment").value.trim());
    drafts.delete(own);
    updated(job.id, found);
    if (own !== key()) return;
    photo = found;
    drawReview();
    const words = verdict(found.review?.verdict, found.review?.label) || "no verdict";
    const next = goesOn && $("go-on").checked ? neighbours(job.id, photo.number)?.after : null;
    announce(next ? `${words}. Next: ${next.image}` : words);
    if (next) location.hash = address(next.number);
  } catch (problem) {
    $("photograph-error").textContent = problem.message;
  }
};

const agree = () => (answered() ? judge(review.agree) : announce("There is no answer to agree with."));
const cannotTell = () => judge(review.cannotTell);

const correct = () => {
  const label = $("correct-to").value;
  if (!label) return $("correct-to").focus();
  return judge((id, number, comment) => review.correct(id, number, label, comment));
};

const byNumber = (place) => () => {
  const label = photo?.answer?.top?.[place]?.class;
  if (!label) return false;
  if (place === 0) agree();
  else judge((id, number, comment) => review.correct(id, number, label, comment));
};

const keepComment = () => photo.review && judge((id, number, comment) => review.sayAgain(id, number, photo.review, comment), false);

// The verdict on this photograph, else the last one that was given in this window.
const undo = async (here) => {
  try {
    const found = here ? await review.undo(job.id, photo.number) : await review.undoLast();
    if (!found) return announce("nothing to undo");
    updated(found.job, found);
    drafts.delete(`${found.job}/${found.number}`);
    announce(`undone: ${verdict(found.review?.verdict, found.review?.label) || "no verdict"}`);
    if (found.job === job.id && found.number === photo.number) {
      photo = found;
      drawReview();
    } else location.hash = `#/jobs/${found.job}/${found.number}${query()}`;
  } catch (problem) {
    $("photograph-error").textContent = problem.message;
  }
};

const go = (which) => () => {
  const next = job && photo && neighbours(job.id, photo.number)?.[which];
  if (next) location.hash = address(next.number);
};

const switchHeat = () => {
  if (!answered()) return;
  heat = !heat;
  drawPicture();
  announce(heat ? "heat map on" : "heat map off");
};

export const preparePhotograph = () => {
  const clicks = { before: go("before"), after: go("after"), heat: switchHeat, agree, "cannot-tell": cannotTell, correct, undo: () => undo(true), "keep-comment": keepComment };
  for (const [id, act] of Object.entries(clicks)) $(id).addEventListener("click", act);
  $("review").addEventListener("submit", (event) => event.preventDefault());
  $("correct-to").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !$("correct-to").value) return;
    event.preventDefault();
    correct();
  });
  $("comment").addEventListener("input", () => {
    drafts.set(key(), $("comment").value);
    drawKeepComment();
  });
  $("comment").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    if (photo.review) keepComment();
    else announce("Give a verdict first; the comment is saved with it.");
  });
  $("go-on").checked = kept("go-on", true);
  $("go-on").addEventListener("change", () => keep("go-on", $("go-on").checked));
  const leave = (event) => {
    if (event.target.closest?.("textarea, select")) return $("photograph-title").focus();
    location.hash = $("back").hash;
  };
  const digits = Object.fromEntries([...Array(9).keys()].map((place) => [String(place + 1), byNumber(place)]));
  setKeys("photograph", {
    ArrowLeft: go("before"),
    ArrowRight: go("after"),
    a: agree,
    x: cannotTell,
    c: () => $("correct-to").focus(),
    z: () => undo(false),
    m: () => $("comment").focus(),
    h: switchHeat,
    Escape: leave,
    ...digits,
  });
};
