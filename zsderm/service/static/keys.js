// Keys: which of them do what is said in the help. Letters and digits can be switched off, for those who speak to
// their computer, and they are never keys where text is typed.

import { $ } from "./dom.js";
import { kept, keep } from "./kept.js";

const TYPING = "input:not([type=checkbox]), textarea, select, [contenteditable]";
const views = new Map(); // the keys of each view: from a key to what it does

export const setKeys = (view, keys) => views.set(view, keys);

const pressed = (event) => {
  if (event.defaultPrevented || event.altKey || event.metaKey || event.ctrlKey || event.isComposing) return;
  if (document.querySelector("dialog[open]")) return;
  const view = [...views.keys()].find((id) => !$(id).hidden);
  const typing = event.target.closest?.(TYPING);
  if (typing && event.key !== "Escape") return;
  const letter = event.key.length === 1;
  if (letter && !$("single-keys").checked) return;
  if (event.key === "?") help();
  else {
    const act = views.get(view)?.[letter ? event.key.toLowerCase() : event.key];
    if (!act) return;
    if (act(event) === false) return; // the browser is to do what it does
  }
  event.preventDefault();
};

const help = () => $("keys").showModal();

export const prepareKeys = () => {
  $("single-keys").checked = kept("single-keys", true);
  $("single-keys").addEventListener("change", () => keep("single-keys", $("single-keys").checked));
  $("help").addEventListener("click", help);
  addEventListener("keydown", pressed);
};
