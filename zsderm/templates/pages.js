"use strict";
{
  // A correction: {caption, modality, keep} of a card that says something else than it did when the page was written.
  const cards = [...document.querySelectorAll(".card[data-file]")];
  const place = `zsderm pages ${document.body.dataset.key}`; // in the store of the browser, so that a reload keeps them
  const count = document.getElementById("count");
  const save = document.getElementById("save");
  let stored = {};
  try {
    stored = JSON.parse(localStorage.getItem(place) ?? "{}");
  } catch {} // where there is no store the page works without
  let saved = true;
  const corrections = new Map();

  const quoted = (text) => `"${(/^'*[=+\-@\t\r＝＋－＠]/.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`;
  const csv = () => {
    const rows = [...corrections].map(([file, said]) => [file, said.caption, said.modality, said.keep ? "yes" : "no"].map(quoted).join(","));
    return ["filename,caption,modality,keep", ...rows, ""].join("\n");
  };
  const show = () => {
    const many = corrections.size;
    count.textContent = many === 0 ? "No corrections" : many === 1 ? "1 correction" : `${many} corrections`;
    save.disabled = many === 0;
    try {
      localStorage.setItem(place, JSON.stringify(Object.fromEntries(corrections)));
    } catch {}
  };

  for (const card of cards) {
    const [words, modality, strike] = ["textarea", "select", "input"].map((name) => card.querySelector(name));
    const before = { caption: words.value, modality: modality.value, keep: true };
    const look = () => {
      const now = { caption: words.value.trim(), modality: modality.value, keep: !strike.checked };
      const same = now.caption === before.caption.trim() && now.modality === before.modality && now.keep;
      if (same) corrections.delete(card.dataset.file);
      else corrections.set(card.dataset.file, now);
      card.classList.toggle("changed", !same);
      card.classList.toggle("struck", !now.keep);
    };
    const kept = stored[card.dataset.file];
    if (kept) {
      words.value = kept.caption;
      modality.value = kept.modality;
      strike.checked = !kept.keep;
      look();
    }
    for (const part of [words, modality, strike]) {
      part.addEventListener("input", () => {
        look();
        saved = false;
        show();
      });
    }
  }
  save.addEventListener("click", () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([csv()], { type: "text/csv;charset=utf-8" }));
    link.download = "corrections.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    saved = true;
  });
  addEventListener("beforeunload", (event) => saved || corrections.size === 0 || event.preventDefault());
  document.querySelector(".bar").hidden = false;
  show();
}
