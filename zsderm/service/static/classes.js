// The list of classes: how each name is understood, and what may be meant by those that are not known.

import { ask } from "./api.js";
import { prepareCombo } from "./combo.js";
import { $, announce, button, element } from "./dom.js";
import { keep, kept } from "./kept.js";
import { counted } from "./words.js";

const COMMAS = /[,，、\n;\t]/;
const ALIASES = 4; // that are shown of a class

let names = [];
let described = new Map(); // from a name to what the service says of it
let asking = null;

export const classNames = () => [...names];

const clean = (text) => text.split(COMMAS).map((name) => name.trim().replace(/\s+/g, " ")).filter(Boolean);

// Add one name, or several with commas.
export const addClasses = (text) => {
  const fresh = clean(text).filter((name, place, all) => all.indexOf(name) === place && !names.includes(name));
  if (!fresh.length) return;
  setClasses([...names, ...fresh]);
  announce(`${fresh.join(", ")} added, ${counted(names.length, "class", "classes")}`);
};

export const setClasses = (wanted) => {
  names = [...wanted];
  keep("classes", names);
  dispatchEvent(new Event("zsderm:classes"));
  draw();
  check();
};

const replace = (old, name) => setClasses([...new Set(names.map((one) => (one === old ? name : one)))]);

const remove = (name) => {
  const place = names.indexOf(name);
  setClasses(names.filter((one) => one !== name));
  announce(`${name} removed`);
  const rest = $("classes").querySelectorAll(".take-out");
  (rest[Math.min(place, rest.length - 1)] ?? $("class")).focus();
};

const check = async () => {
  asking?.abort();
  asking = new AbortController();
  if (!names.length) return say("");
  try {
    const found = await ask(`/v1/knowledge/classes?classes=${encodeURIComponent(names.join(","))}`, { signal: asking.signal });
    for (const one of found.classes) described.set(one.name, one);
    say(names.length > 1 ? found.error : ""); // one class is no mistake while more may follow
    draw();
  } catch (error) {
    if (error.name !== "AbortError") say(error.message);
  }
};

const say = (words) => ($("classes-error").textContent = words);

// What is known of a name, as the content of its row.
const understood = (name) => {
  const found = described.get(name);
  if (!found) return [element("span", { className: "muted" }, "looking it up …")];
  if (!found.known) {
    const words = found.ambiguous ? "✗ may mean several diseases: choose one." : found.detail ? "✗ not in the knowledge base: only its name is used." : "only its name is used";
    const better = found.suggestions.map((other) =>
      button(other, () => {
        replace(name, other);
        $("class").focus();
      }, { className: "small", aria: { label: `${other} instead of ${name}` } }),
    );
    return [element("span", { className: found.detail ? "bad" : "muted" }, words), ...(better.length ? [found.ambiguous ? " " : " Did you mean ", ...better] : [])];
  }
  const others = found.aliases.filter((alias) => alias.toLowerCase() !== name.toLowerCase() && alias !== found.disease);
  const also = others.length ? `; also called ${others.slice(0, ALIASES).join(", ")}${others.length > ALIASES ? " …" : ""}` : "";
  const own = found.disease === name ? "" : `is ${found.disease}, `;
  return [element("span", { className: "muted" }, `✓ ${own}${counted(found.descriptions, "description")}${also}`)];
};

const draw = () => {
  $("classes").replaceChildren(
    ...names.map((name) =>
      element(
        "li",
        {},
        element("span", { className: "class-words" }, element("b", {}, name), " ", ...understood(name)),
        button("×", () => remove(name), { className: "small take-out", aria: { label: `Remove ${name}` } }),
      ),
    ),
  );
  $("no-classes").hidden = $("save-list").hidden = !names.length;
};

export const prepareClasses = () => {
  prepareCombo(addClasses);
  $("no-classes").addEventListener("click", () => {
    setClasses([]);
    $("class").focus();
  });
  setClasses(kept("classes", []).filter((name) => typeof name === "string"));
};
