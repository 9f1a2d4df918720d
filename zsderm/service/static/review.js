// Verdicts on answers, and the order in which they were given, so that the last one can be undone wherever it was.

import { ask, photograph } from "./api.js";

const given = []; // [job, number], the last one last

const put = async (job, number, said) => {
  const photo = await ask(`${photograph(job, number)}/review`, { method: "PUT", body: said });
  given.push([job, number]);
  return { job, ...photo };
};

// The comment that is there already stays where none is given.
export const agree = (job, number, comment = "") => put(job, number, { verdict: "agree", comment });
export const cannotTell = (job, number, comment = "") => put(job, number, { verdict: "cannot_tell", comment });
export const correct = (job, number, label, comment = "") => put(job, number, { verdict: "correct", label, comment });
export const sayAgain = (job, number, { verdict, label }, comment) =>
  put(job, number, { verdict, label: verdict === "correct" ? label : "", comment });

export const undo = async (job, number) => {
  const photo = await ask(`${photograph(job, number)}/review`, { method: "DELETE" });
  const place = given.findLastIndex(([own, one]) => own === job && one === number);
  if (place >= 0) given.splice(place, 1);
  return { job, ...photo };
};

// Undo what was said last in this window; null where nothing was.
export const undoLast = async () => {
  const last = given.at(-1);
  return last ? undo(...last) : null;
};
