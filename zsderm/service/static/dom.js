// Elements of the page. Whatever comes from a file, a reader or the service becomes text, never markup.

export const $ = (id) => document.getElementById(id);

// A new element: its properties, then its content (text or elements).
export const element = (name, properties = {}, ...content) => {
  const { data, aria, ...own } = properties;
  const made = Object.assign(document.createElement(name), own);
  for (const [key, value] of Object.entries(data ?? {})) made.dataset[key] = value;
  for (const [key, value] of Object.entries(aria ?? {})) made.setAttribute(key === "role" ? "role" : `aria-${key}`, value);
  made.append(...content.filter((part) => part !== null && part !== undefined && part !== ""));
  return made;
};

export const button = (words, pressed, properties = {}) => {
  const made = element("button", { type: "button", ...properties }, words);
  made.addEventListener("click", pressed);
  return made;
};

// Said to those who listen to the page; the same words twice are said twice.
export const announce = (words) => {
  $("news").textContent = "";
  setTimeout(() => ($("news").textContent = words), 50);
};

// Show one of the views of the page and put the reader at its beginning.
export const show = (view, title) => {
  for (const id of ["start", "job", "photograph"]) $(id).hidden = id !== view;
  document.title = title;
};

// A bar beside a number. The width is set by script, for the page allows no styles inside it.
export const bar = (share) => {
  const fill = element("span", { className: "fill" });
  fill.style.width = `${(100 * share).toFixed(1)}%`;
  return element("span", { className: "track", aria: { hidden: "true" } }, fill);
};

// Ask before something is gone; true where it is wanted.
export const confirmed = (question, words, yes) =>
  new Promise((answer) => {
    const dialog = $("confirm");
    $("confirm-title").textContent = question;
    $("confirm-words").textContent = words;
    $("confirm-yes").textContent = yes;
    dialog.returnValue = "no";
    dialog.addEventListener("close", () => answer(dialog.returnValue === "yes"), { once: true });
    dialog.showModal();
  });
