// Photographs that are dropped or chosen, as files or as folders. Nothing is sent here.

import { $, element } from "./dom.js";
import { counted, size } from "./words.js";

let facts = {};
const chosen = new Map(); // from a name to a file
let tooLarge = []; // names
let otherKinds = new Map(); // from a suffix to how many

const NAMES = new Intl.Collator(undefined, { numeric: true });

// By name: a browser hands out the files of a folder in no order that people know.
export const photographs = () => [...chosen].map(([name, file]) => ({ name, file })).sort((a, b) => NAMES.compare(a.name, b.name));

export const takeNone = () => {
  chosen.clear();
  tooLarge = [];
  otherKinds = new Map();
  draw();
};

const suffix = (name) => /\.[^./\\]+$/.exec(name)?.[0].toLowerCase() ?? "";

// Files of a folder that are no photographs by their suffix are passed over, as the command line does; a file that was
// chosen by itself is taken as it is, and the service says what is wrong with it.
const take = (name, file, fromFolder) => {
  const kind = suffix(name);
  if (fromFolder && (!facts.suffixes.includes(kind) || name.split("/").pop().startsWith("."))) {
    otherKinds.set(kind || "no suffix", (otherKinds.get(kind || "no suffix") ?? 0) + 1);
    return;
  }
  if (file.size > (kind === ".zip" ? facts.maxRequestBytes - 1e5 : facts.maxFileBytes)) {
    if (!tooLarge.includes(name)) tooLarge.push(name);
    return;
  }
  let own = name;
  for (let number = 2; chosen.has(own) && !same(chosen.get(own), file); number++) own = name.replace(/(\.[^.]*)?$/, ` (${number})$1`);
  chosen.set(own, file);
};

const same = (one, other) => one.size === other.size && one.lastModified === other.lastModified;

const MOST_NAMES = 200; // that are listed

const draw = () => {
  const files = photographs();
  dispatchEvent(new Event("zsderm:photographs"));
  const bytes = files.reduce((sum, { file }) => sum + file.size, 0);
  const archives = files.filter(({ name }) => suffix(name) === ".zip").length;
  const alone = files.length - archives;
  const words = [alone ? counted(alone, "photograph") : "", archives ? `${counted(archives, "archive")} of photographs` : ""].filter(Boolean);
  $("chosen").textContent = files.length ? `${words.join(" and ")}, ${size(bytes)}.` : "No photographs yet.";
  $("chosen-details").hidden = !files.length;
  $("chosen-names").replaceChildren(
    ...files.slice(0, MOST_NAMES).map(({ name, file }) => {
      const out = element("button", { type: "button", className: "small", aria: { label: `Remove ${name}` } }, "remove");
      out.addEventListener("click", () => {
        chosen.delete(name);
        draw();
        $("chosen-details").querySelector("summary").focus();
      });
      return element("li", {}, element("bdi", {}, name), element("span", { className: "muted" }, ` ${size(file.size)} `), out);
    }),
    ...(files.length > MOST_NAMES ? [element("li", { className: "muted" }, `and ${files.length - MOST_NAMES} more`)] : []),
  );
  const over = [...otherKinds].map(([kind, count]) => `${count} ${kind}`);
  const left = [
    over.length ? `Skipped in folders, because they are not image files: ${over.join(", ")}.` : "",
    tooLarge.length ? `Not added, because the limit is ${size(facts.maxFileBytes)} for a photograph and ${size(facts.maxRequestBytes - 1e5)} for an archive: ${tooLarge.slice(0, 5).join(", ")}${tooLarge.length > 5 ? ` and ${tooLarge.length - 5} more` : ""}.` : "",
    files.length > facts.maxJobFiles ? `A job can hold at most ${facts.maxJobFiles} photographs.` : "",
  ].filter(Boolean);
  $("chosen-not").hidden = !left.length;
  $("chosen-not").textContent = left.join(" ");
};

// Folders that are dropped are gone through; a browser hands out their entries a hundred at a time.
const entriesOf = async (folder) => {
  const reader = folder.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((resolve) => reader.readEntries(resolve, () => resolve([])));
    if (!some.length) return found;
    found.push(...some);
  }
};

const fileOf = (entry) => new Promise((resolve) => entry.file(resolve, () => resolve(null)));

const takeEntry = async (entry, fromFolder) => {
  if (entry.isDirectory) for (const inner of await entriesOf(entry)) await takeEntry(inner, true);
  else {
    const file = await fileOf(entry);
    if (file) take(entry.fullPath.replace(/^\//, ""), file, fromFolder);
  }
};

const dropped = async (event) => {
  event.preventDefault();
  $("drop").classList.remove("over");
  const items = [...event.dataTransfer.items].filter((item) => item.kind === "file");
  const entries = items.map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile()); // before the event is over
  $("chosen").textContent = "Looking for photographs …";
  for (const entry of entries) {
    if (entry instanceof File) take(entry.name, entry, false);
    else if (entry) await takeEntry(entry, false);
  }
  draw();
};

export const prepareIntake = (given) => {
  facts = given;
  $("choose-files").addEventListener("click", () => $("files").click());
  $("choose-folder").addEventListener("click", () => $("folder").click());
  $("choose-none").addEventListener("click", () => {
    takeNone();
    $("choose-files").focus();
  });
  for (const id of ["files", "folder"]) {
    $(id).addEventListener("change", () => {
      for (const file of $(id).files) take(file.webkitRelativePath || file.name, file, id === "folder");
      $(id).value = ""; // so that the same can be chosen again
      draw();
    });
  }
  // A photograph that misses the place must not replace the page.
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => event.preventDefault());
  $("drop").addEventListener("dragenter", () => $("drop").classList.add("over"));
  $("drop").addEventListener("dragleave", (event) => $("drop").contains(event.relatedTarget) || $("drop").classList.remove("over"));
  $("drop").addEventListener("drop", dropped);
};
