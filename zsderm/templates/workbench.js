// Photographs are chosen, put in order, enlarged and corrected. Without this script the page shows all of them in order.
// Beyond the first, each photograph waits as text that only a page without scripts shows, and is drawn when its page of PER_PAGE is turned to.
{
  const PER_PAGE = 48;
  const $ = (name) => document.getElementById(name);
  const [form, store, shown, status, large] = ["tools", "store", "shown", "status", "large"].map($);
  const { report, classes, cells, columns, labelled } = JSON.parse(store.dataset.facts);
  const photos = [...store.children].map((slot, place) => {
    const photo = { ...JSON.parse(slot.dataset.photo), place, ready: slot.querySelector("article") };
    if (photo.label >= 0 && photo.answer >= 0) photo.verdict = photo.label === photo.answer ? "right" : "wrong";
    photo.text = slot.querySelector("noscript");
    photo.words = [photo.name, photo.image, classes[photo.answer], classes[photo.label]].join("\n").normalize().toLowerCase();
    return photo;
  });
  store.hidden = true;

  // ---- what is chosen: kept in the address, so that a reload or a bookmark brings it back

  const SHOWN = {
    all: ["all", () => true],
    wrong: ["✗ wrong", (photo) => photo.verdict === "wrong"],
    right: ["✓ right", (photo) => photo.verdict === "right"],
    unlabelled: ["without a label", (photo) => photo.label < 0],
    abstained: ["none of these?", (photo) => photo.is.includes("abstained")],
    below: ["less probable than was asked for", (photo) => photo.is.includes("below")],
    changed: ["answer changed", (photo) => photo.is.includes("changed")],
    failed: ["not classified", (photo) => photo.is.includes("failed")],
    marked: ["corrected or confirmed here", (photo) => marks.has(photo.place)],
  };
  // Numbers that sort, the least first; what has none comes last.
  const last = (value) => (value === null ? Infinity : value);
  const least = (name) => (photo) => last(photo[name]);
  const most = (name) => (photo) => (photo[name] === null ? Infinity : -photo[name]);
  const badness = (photo) => ({ wrong: 0 - photo.probability, right: 3 + photo.probability })[photo.verdict] ?? 2;
  const ORDERS = {
    wrong: ["wrong first, the surest first", badness],
    given: ["as they were given", (photo) => photo.place],
    unsure: ["least probable first", least("probability")],
    sure: ["most probable first", most("probability")],
    margin: ["smallest lead first", least("margin")],
    lead: ["largest lead first", most("margin")],
    strange: ["least familiar first", least("familiarity")],
    familiar: ["most familiar first", most("familiarity")],
    name: ["by name", null],
  };
  if (!labelled) delete ORDERS.wrong;
  if (photos.every((photo) => photo.familiarity === null)) ["strange", "familiar"].forEach((name) => delete ORDERS[name]);
  const usual = { show: "all", answer: "", label: "", sort: labelled ? "wrong" : "given", find: "", page: "1" };
  let chosen = { ...usual };
  let found = [];
  const asked = new URLSearchParams(location.hash.slice(1));
  const marks = asked.get("of") === report ? LabelsCsv.unpacked(asked.get("marks") ?? "", photos.length, classes.length) : new Map();
  let saved = LabelsCsv.packed(marks);

  const read = (address) => {
    const given = new URLSearchParams(address);
    chosen = { ...usual };
    for (const name of Object.keys(usual)) if (given.has(name)) chosen[name] = given.get(name);
    if (!Object.hasOwn(SHOWN, chosen.show)) chosen.show = usual.show;
    if (!Object.hasOwn(ORDERS, chosen.sort)) chosen.sort = usual.sort;
    for (const name of ["answer", "label"]) if (!/^\d+$/.test(chosen[name]) || !(chosen[name] < classes.length)) chosen[name] = "";
  };

  const keep = () => {
    const differing = Object.entries(chosen).filter(([name, value]) => value !== usual[name]);
    const words = new URLSearchParams(differing);
    if (marks.size) words.set("of", report), words.set("marks", LabelsCsv.packed(marks));
    try {
      history.replaceState(null, "", `#${words}`);
    } catch {} // where a page may not change its address it works without
  };

  // ---- one photograph

  const article = (photo) => {
    if (photo.ready) return photo.ready;
    const template = document.createElement("template");
    template.innerHTML = photo.text.textContent; // escaped as the rest of the page is, and scripts in it would not run
    return template.content.querySelector("article");
  };

  const element = (name, properties, ...content) => {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...content);
    return made;
  };

  const selectOfClasses = (photo) => {
    const options = [element("option", { value: "" }, photo.label >= 0 ? "keep the label" : "not looked at")];
    classes.forEach((name, index) => options.push(element("option", { value: index }, index === photo.answer ? `${name} (as answered)` : name)));
    options.push(element("option", { value: LabelsCsv.UNCLEAR }, "nobody can tell"));
    const select = element("select", {}, ...options);
    select.value = marks.get(photo.place) ?? "";
    select.addEventListener("change", () => mark(photo, select.value));
    return element("label", { className: "mark" }, "Correct answer ", select);
  };

  // The card with what needs the script: pictures that enlarge, the right answers beside it, and the choice of an answer.
  const dressed = (photo) => {
    const card = article(photo);
    if (!card.querySelector(".mark")) {
      for (const image of card.querySelectorAll(".picture img")) {
        const button = element("button", { type: "button", className: "zoom" });
        button.setAttribute("aria-label", `Enlarge ${image.alt}`);
        button.addEventListener("click", () => enlarge(photo));
        image.replaceWith(button);
        button.append(image);
      }
      for (const link of card.querySelectorAll(".near a")) {
        const other = article(photos[Number(link.hash.slice("#photo-".length)) - 1]).querySelector(".picture img");
        if (other) link.prepend(Object.assign(other.cloneNode(), { alt: "" }));
      }
      card.querySelector(".answer").append(selectOfClasses(photo));
    }
    card.querySelector(".mark select").value = marks.get(photo.place) ?? "";
    said(card, photo);
    return card;
  };

  const said = (card, photo) => {
    const choice = marks.get(photo.place);
    card.querySelector(".said")?.remove();
    if (choice === undefined) return;
    const words = choice < 0 ? "Marked here: nobody can tell" : choice === photo.answer ? "Confirmed here" : `Corrected here: ${classes[choice]}`;
    card.querySelector(".mark").after(element("p", { className: "said" }, `✎ ${words}`));
  };

  const mark = (photo, value) => {
    if (value === "") marks.delete(photo.place);
    else marks.set(photo.place, Number(value));
    for (const card of [photo.ready, ...shown.children, ...$("enlarged").children]) {
      if (card && Number(card.dataset.place ?? -1) === photo.place && card.querySelector(".mark")) {
        card.querySelector(".mark select").value = value;
        said(card, photo);
      }
    }
    keep();
    count();
  };

  const count = () => {
    const right = [...marks].filter(([place, label]) => label === photos[place].answer).length;
    const unclear = [...marks.values()].filter((label) => label < 0).length;
    const parts = [`${marks.size - right - unclear} corrected`, `${right} confirmed`, `${unclear} that nobody can tell`];
    $("marked").textContent = marks.size ? `${parts.join(", ")}.` : "No answer has been corrected or confirmed.";
    const option = form.show.querySelector("[value=marked]");
    if (option) option.textContent = `${SHOWN.marked[0]} (${marks.size})`;
  };

  // ---- all of them

  const choose = () => {
    const wanted = chosen.find.normalize().toLowerCase().split(/\s+/).filter(Boolean);
    found = photos.filter(
      (photo) =>
        SHOWN[chosen.show][1](photo) &&
        (chosen.answer === "" || photo.answer === Number(chosen.answer)) &&
        (chosen.label === "" || photo.label === Number(chosen.label)) &&
        wanted.every((word) => photo.words.includes(word)),
    );
    const key = ORDERS[chosen.sort][1];
    const names = new Intl.Collator(undefined, { numeric: true });
    found.sort((a, b) => (key ? key(a) - key(b) || 0 : names.compare(a.name, b.name)) || a.place - b.place);
  };

  const draw = (whole = false) => {
    const pages = Math.max(1, Math.ceil(found.length / PER_PAGE));
    const page = Math.min(Math.max(1, Math.trunc(Number(chosen.page)) || 1), pages);
    chosen.page = String(page);
    const from = whole ? 0 : (page - 1) * PER_PAGE;
    const part = whole ? found : found.slice(from, from + PER_PAGE);
    shown.replaceChildren(
      ...part.map((photo) => {
        const card = dressed(photo);
        card.dataset.place = photo.place;
        return card;
      }),
    );
    const where = part.length === found.length ? "" : `, ${from + 1} to ${from + part.length} on this page`;
    const limits = [
      chosen.show === "all" ? "" : SHOWN[chosen.show][0],
      chosen.answer === "" ? "" : `answered ${classes[chosen.answer]}`,
      chosen.label === "" ? "" : `labelled ${classes[chosen.label]}`,
      chosen.find.trim() === "" ? "" : `with “${chosen.find.trim()}”`,
      ORDERS[chosen.sort][0],
    ];
    status.textContent = `${found.length} of ${photos.length} photographs${where}: ${limits.filter(Boolean).join(", ")}.`;
    for (const pager of document.querySelectorAll(".pager")) {
      pager.hidden = whole || pages === 1;
      pager.replaceChildren(
        turn("← Previous", page - 1, page > 1),
        element("span", {}, `Page ${page} of ${pages}`),
        turn("Next →", page + 1, page < pages),
      );
    }
  };

  const turn = (words, page, possible) => {
    const button = element("button", { type: "button", disabled: !possible }, words);
    button.addEventListener("click", () => {
      chosen.page = String(page);
      keep();
      draw();
      $("photographs-title").focus({ preventScroll: true });
      status.scrollIntoView({ block: "start" });
    });
    return button;
  };

  const show = () => {
    for (const [name, value] of Object.entries(chosen)) if (form.elements[name]) form.elements[name].value = value;
    choose();
    draw();
  };

  // ---- one of them, large

  let open = null;
  const enlarge = (photo) => {
    open = photo;
    const card = dressed(photo).cloneNode(true);
    card.removeAttribute("id");
    card.dataset.place = photo.place;
    card.querySelector(".mark").replaceWith(selectOfClasses(photo));
    for (const button of card.querySelectorAll(".zoom")) button.replaceWith(...button.childNodes);
    for (const details of card.querySelectorAll("details")) details.open = true;
    const rule = $("reading-rule")?.cloneNode(true);
    if (rule && card.querySelector(".heat")) rule.removeAttribute("id"), card.querySelector(".picture").after(rule);
    $("large-title").textContent = photo.name;
    $("enlarged").replaceChildren(card);
    const place = found.indexOf(photo);
    $("before").disabled = place <= 0;
    $("after").disabled = place < 0 || place === found.length - 1;
    if (!large.open) large.showModal();
    large.scrollTop = 0;
    $("large-title").focus();
  };
  const step = (by) => {
    const place = found.indexOf(open);
    if (place >= 0 && found[place + by]) enlarge(found[place + by]);
  };
  $("before").addEventListener("click", () => step(-1));
  $("after").addEventListener("click", () => step(1));
  $("close").addEventListener("click", () => large.close());
  large.addEventListener("click", (event) => event.target === large && large.close()); // beside it
  large.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by && event.target.tagName !== "SELECT") step(by);
  });

  // ---- what people do

  const options = (select, entries) => select?.replaceChildren(...entries.map(([value, words]) => element("option", { value }, words)));
  const counted = Object.entries(SHOWN).map(([name, [words, fits]]) => [name, words, photos.filter(fits).length]);
  options(form.show, counted.filter(([name, , many]) => many || name === "all" || name === "marked").map(([name, words, many]) => [name, `${words} (${many})`]));
  for (const name of ["answer", "label"]) {
    const many = classes.map((_, index) => photos.filter((photo) => photo[name] === index).length);
    const there = classes.map((words, index) => [index, `${words} (${many[index]})`]).filter(([index]) => many[index]);
    options(form.elements[name], [["", "any"], ...there]);
  }
  options(form.sort, Object.entries(ORDERS).map(([name, [words]]) => [name, words]));
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", (event) => {
    chosen[event.target.name] = event.target.value;
    chosen.page = "1";
    keep();
    choose();
    draw();
  });
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    chosen = { ...usual };
    keep();
    show();
  });
  for (const cell of document.querySelectorAll("[data-go]")) {
    const link = element("a", { href: `#${cell.dataset.go}` }, ...cell.childNodes);
    link.title = "Show these photographs";
    cell.append(link);
  }
  addEventListener("hashchange", () => {
    const address = location.hash.slice(1);
    const single = /^photo-(\d+)$/.exec(address);
    if (single) {
      const photo = photos[Number(single[1]) - 1];
      keep();
      if (photo) enlarge(photo);
      return;
    }
    large.close();
    read(address);
    keep();
    show();
    $("photographs").scrollIntoView();
    $("photographs-title").focus({ preventScroll: true });
  });
  addEventListener("beforeprint", () => draw(true));
  addEventListener("afterprint", () => draw());
  $("save").addEventListener("click", () => {
    LabelsCsv.download(LabelsCsv.text(photos, marks, cells, columns, $("given")?.checked ?? false));
    saved = LabelsCsv.packed(marks);
  });
  addEventListener("beforeunload", (event) => LabelsCsv.packed(marks) !== saved && event.preventDefault());

  for (const photo of photos) photo.ready?.remove(); // into the page that is drawn, and out of it
  [form, $("marks"), status, shown].forEach((part) => (part.hidden = false));
  read(location.hash.slice(1));
  count();
  show();
  const first = /^#photo-(\d+)$/.exec(location.hash);
  if (first && photos[Number(first[1]) - 1]) enlarge(photos[Number(first[1]) - 1]);
}
