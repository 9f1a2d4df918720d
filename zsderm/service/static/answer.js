// The answer for one photograph in words: classes with bars, what it could be, how usual it is, and why.

import { $, bar, element } from "./dom.js";
import { percent } from "./words.js";

const line = (...content) => element("p", { className: "set" }, ...content);
const muted = (words) => element("span", { className: "muted" }, words);

// What is said of a photograph.
//   job: with the facts of all its answers
//   answer: see Answer in /openapi.json; null where there is none
export const drawAnswer = (job, answer) => {
  if (!answer?.ok) {
    $("answer").replaceChildren(element("p", { className: "bad" }, `✗ Not classified: ${answer?.error ?? "there is no answer yet"}`));
    return;
  }
  const [first, second] = answer.top;
  $("answer").replaceChildren(
    element(
      "ol",
      { className: "ranked" },
      ...answer.top.map((one, place) =>
        element(
          "li",
          {},
          element("span", { className: "class" }, place < 9 ? element("kbd", { aria: { hidden: "true" } }, String(place + 1)) : "", " ", one.class),
          element("span", { className: "number" }, percent(one.probability)),
          bar(one.probability),
        ),
      ),
    ),
    answer.abstained ? element("p", { className: "abstained" }, "None of these? ", element("span", {}, "The photograph is unlike all the listed classes.")) : "",
    answer.words ? told(answer) : "",
    couldBe(answer),
    second ? line(muted("Lead: "), `${(100 * (first.probability - second.probability)).toFixed(1)} percentage points ahead of ${second.class}`) : "",
    answer.familiarity === null ? line(muted("Familiarity: "), "not measured") : line(muted("Familiarity: "), `${signed(answer.familiarity)}, ${familiar(answer.familiarity)}`),
    ...(answer.note && !answer.abstained && !changed(answer) ? [line(answer.note)] : []), // else it repeats what is said here
  );
};

// What the patient's words did: the classes above are by photograph and words.
const told = (answer) => {
  const words = answer.words;
  const shares = words.label_by_words ? `${words.label_by_words}, ${percent(words.probability_by_words)}` : "they say nothing about these classes";
  return element(
    "div",
    { className: "told" },
    line(muted("By the photograph alone: "), `${words.label_by_image}, ${percent(words.probability_by_image)}`),
    line(muted("By the patient's words alone: "), shares),
    ...words.matched.map((one) => line(muted(`Similar to a sentence about ${one.disease}: `), one.sentence)),
    words.masked.length ? line(muted("Disease names removed from the words: "), words.masked.join(", ")) : "",
    words.narrative_note ? line(words.narrative_note) : "",
  );
};

const changed = (answer) => answer.unrefined_label !== null && answer.unrefined_label !== answer.label;

const couldBe = (answer) => {
  const words = muted("Could be: ");
  if (answer.prediction_set === null) return line(words, "not available, because there is no calibration for these classes and settings");
  return line(words, answer.prediction_set.length ? answer.prediction_set.join(", ") : "none of the listed classes");
};

const signed = (value) => value.toFixed(2).replace("-", "−");

const familiar = (value) => {
  if (value > -0.3) return "usual for the encoder";
  return `about ${(10 ** -value).toFixed(0)} times as far as usual from what the encoder knows`;
};

const sentences = (title, texts, none) => [
  element("h3", {}, title),
  texts.length
    ? element(
        "ul",
        {},
        ...texts.map((text) =>
          element(
            "li",
            {},
            element("span", { className: "aspect" }, text.aspect + (text.modality === "dermoscopic" ? ", dermoscopy" : "")),
            element("span", { className: "text" }, text.text),
            element("span", { className: "score" }, signed(text.score)),
          ),
        ),
      )
    : element("p", { className: "muted" }, none),
];

// The sentences beside an answer, and whether the other photographs had a say in it.
export const drawSentences = (job, answer) => {
  $("evidence").hidden = !answer?.ok;
  if (!answer?.ok) return;
  const second = answer.top[1]?.class;
  const none = (name) => `There is no sentence for ${name}: the knowledge base does not describe it, or the method uses no sentences.`;
  $("for-answer").replaceChildren(...sentences(`Typical of ${answer.label}`, answer.evidence, none(answer.label)));
  $("for-runner-up").replaceChildren(...(second ? sentences(`Typical of the runner-up, ${second}`, answer.runner_up_evidence, none(second)) : []));
  $("refinement").textContent = refinement(job, answer);
  $("notes").replaceChildren(...job.notes.map((note) => element("li", {}, note)));
  $("notes").previousElementSibling.hidden = $("notes").hidden = !job.notes.length;
};

const refinement = (job, answer) => {
  const before = answer.unrefined_label;
  if (before === null) {
    const asked = job.request.method === "kpl" ? "" : `Method ${job.request.method} classifies each photograph separately.`;
    return ["Not refined by other photographs.", asked].filter(Boolean).join(" ");
  }
  if (job.prior === "home")
    return changed(answer) ? `Prior home changed the answer: ${before} by the sentences alone, ${answer.label} with it.` : "Prior home did not change the answer.";
  if (!changed(answer)) return "Refined: the information from many photographs together did not change the answer.";
  return `Refined: the information from many photographs together changed the answer: ${before} by the sentences alone, ${answer.label} after refinement.`;
};
