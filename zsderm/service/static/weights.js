// How common the classes are, where the reader says so: a number beside each of them.

import { classNames } from "./classes.js";
import { $, element } from "./dom.js";

const given = new Map(); // from a name to what was typed

const draw = () => {
  const wanted = $("ask").elements.prior.value === "weights";
  $("weights").hidden = !wanted;
  if (!wanted) return;
  const fields = classNames().map((name) => {
    const field = element("input", { type: "number", min: "0", step: "any", value: given.get(name) ?? "1", required: true });
    field.addEventListener("input", () => given.set(name, field.value));
    return element("label", {}, name, field);
  });
  const none = fields.length ? "" : element("p", { className: "muted" }, "Add classes first.");
  $("weights").replaceChildren($("weights").querySelector("legend"), ...fields, none);
};

// The weights as the service takes them.
export const weights = () => JSON.stringify(Object.fromEntries(classNames().map((name) => [name, Number(given.get(name) ?? 1)])));

export const prepareWeights = () => {
  $("ask").elements.prior.addEventListener("change", draw);
  addEventListener("zsderm:classes", draw);
};
