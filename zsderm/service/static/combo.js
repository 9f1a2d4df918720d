// The field in which a class is typed, with suggestions below it (the pattern "combobox" of ARIA 1.2).

import { ask } from "./api.js";
import { $, element } from "./dom.js";

const MOST = 8; // suggestions
const PAUSE = 250; // ms without a key after which the service is asked what a misspelt name may mean

let known = null; // all diseases: [name, ...aliases]
let active = -1;
let options = []; // {name, words}
let timer = 0;

const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

// Diseases of which a name or an alias begins with what is typed, or has a word that does.
const beginning = (typed) => {
  const wanted = plain(typed);
  const found = [];
  for (const all of known) {
    let best = null;
    all.forEach((alias, place) => {
      const text = plain(alias);
      const at = text === wanted ? 0 : text.startsWith(wanted) ? 1 : ` ${text.replace(/[-/(]/g, " ")}`.includes(` ${wanted}`) ? 2 : null;
      if (at !== null && (best === null || 2 * at + (place > 0) < best.rank)) best = { rank: 2 * at + (place > 0), alias };
    });
    if (best) found.push({ name: all[0], words: best.alias === all[0] ? "" : best.alias, rank: best.rank, names: all.length });
  }
  // What many names are known of is what most people mean.
  return found.sort((a, b) => a.rank - b.rank || b.names - a.names).slice(0, MOST);
};

const suggest = async () => {
  clearTimeout(timer);
  const typed = $("class").value.trim();
  if (typed.length < 2) return close();
  try {
    known ??= await ask("/page/names");
  } catch {
    return close(); // what is typed can be added without suggestions
  }
  if ($("class").value.trim() !== typed) return;
  const found = beginning(typed);
  if (found.length || typed.length < 3) return open(found);
  close();
  timer = setTimeout(async () => {
    const meant = await ask(`/v1/knowledge/classes?classes=${encodeURIComponent(typed)}`).catch(() => null);
    if (!meant || $("class").value.trim() !== typed) return;
    open((meant.classes[0]?.suggestions ?? []).map((name) => ({ name, words: "did you mean" })));
  }, PAUSE);
};

const open = (found) => {
  options = found;
  active = -1;
  const list = $("suggestions");
  list.hidden = !found.length;
  $("class").setAttribute("aria-expanded", String(found.length > 0));
  $("class").removeAttribute("aria-activedescendant");
  list.replaceChildren(
    ...found.map(({ name, words }, place) => {
      const option = element("li", { id: `suggestion-${place}`, aria: { role: "option", selected: "false" } }, name);
      if (words) option.append(" ", element("span", { className: "muted" }, words));
      option.addEventListener("mousedown", (event) => event.preventDefault()); // the field keeps the focus
      option.addEventListener("click", () => take(place));
      return option;
    }),
  );
};

const close = () => open([]);

const activate = (place) => {
  active = place;
  [...$("suggestions").children].forEach((option, own) => {
    option.setAttribute("aria-selected", String(own === active));
    if (own === active) option.scrollIntoView({ block: "nearest" });
  });
  if (active < 0) $("class").removeAttribute("aria-activedescendant");
  else $("class").setAttribute("aria-activedescendant", `suggestion-${active}`);
};

let add = () => {};

const take = (place) => {
  add(place >= 0 ? options[place].name : $("class").value);
  $("class").value = "";
  close();
};

const pressed = (event) => {
  const count = options.length;
  if (event.isComposing) return;
  if (event.key === "ArrowDown" && count) activate((active + 1) % count);
  else if (event.key === "ArrowUp" && count) activate((active + count) % (count + 1) === count ? -1 : (active - 1 + count) % count);
  else if (event.key === "Enter" && $("class").value.trim()) take(active);
  else if (event.key === "Enter") return event.preventDefault(); // not the whole form
  else if (event.key === "Escape" && count) close();
  else return;
  event.preventDefault();
};

export const prepareCombo = (added) => {
  add = added;
  const field = $("class");
  field.addEventListener("input", () => {
    if (/[,，、;\n]/.test(field.value)) take(-1);
    else suggest();
  });
  field.addEventListener("paste", (event) => {
    const text = event.clipboardData.getData("text");
    if (!/[,，、;\n]/.test(text)) return;
    event.preventDefault(); // lines of a pasted list would run together
    add(field.value + text);
    field.value = "";
    close();
  });
  field.addEventListener("keydown", pressed);
  field.addEventListener("blur", close);
};
