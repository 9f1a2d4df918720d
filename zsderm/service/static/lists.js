// Lists of classes: those that were saved in this browser, and those of public data sets.

import { ask } from "./api.js";
import { classNames, setClasses } from "./classes.js";
import { $, announce, element } from "./dom.js";
import { keep, kept } from "./kept.js";
import { counted } from "./words.js";

let sets = []; // of the service

const saved = () => kept("lists", {});

const option = (value, title, classes) => element("option", { value }, `${title} (${classes.length})`);

const group = (label, options) => (options.length ? [Object.assign(element("optgroup", {}, ...options), { label })] : []);

const draw = (chosen = "") => {
  $("lists").replaceChildren(
    element("option", { value: "" }, "choose a list"),
    ...group("Saved in this browser", Object.entries(saved()).map(([name, classes]) => option(`own:${name}`, name, classes))),
    ...group("Data sets", sets.map((set) => option(`set:${set.name}`, set.title, set.classes))),
  );
  $("lists").value = chosen;
  $("forget-list").hidden = !chosen.startsWith("own:");
};

const choose = () => {
  const [kind, name] = [$("lists").value.slice(0, 3), $("lists").value.slice(4)];
  $("forget-list").hidden = kind !== "own";
  const classes = kind === "own" ? saved()[name] : sets.find((set) => set.name === name)?.classes;
  if (!classes) return;
  setClasses(classes);
  announce(`${counted(classes.length, "class", "classes")} of ${name}`);
};

const save = () => {
  const dialog = $("name-list");
  $("list-name").value = "";
  dialog.returnValue = "no";
  dialog.showModal();
  const closed = () => {
    const name = $("list-name").value.trim();
    if (dialog.returnValue !== "yes" || !name) return;
    const fine = keep("lists", { ...saved(), [name]: classNames() });
    draw(fine ? `own:${name}` : "");
    announce(fine ? `saved as ${name}` : "this browser stores no data, so the list was not saved");
  };
  dialog.addEventListener("close", closed, { once: true });
};

const forget = () => {
  const lists = saved();
  delete lists[$("lists").value.slice(4)];
  keep("lists", lists);
  draw();
  $("lists").focus();
  announce("the list is deleted");
};

export const prepareLists = async () => {
  $("lists").addEventListener("change", choose);
  $("save-list").addEventListener("click", save);
  $("forget-list").addEventListener("click", forget);
  // Enter in the field saves: the first button of a form would otherwise be taken, which leaves it.
  $("list-name").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing) return;
    event.preventDefault();
    if ($("list-name").reportValidity()) $("name-list").close("yes");
  });
  draw();
  sets = await ask("/v1/knowledge/lists").catch(() => []);
  draw($("lists").value);
};
