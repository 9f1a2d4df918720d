"use strict";
(() => {
  // classes; cells, the name of each photograph as it stands in a CSV file; labels, an index into classes or -1.
  const { classes, cells, labels, suggested } = JSON.parse(document.getElementById("labels").textContent);
  const LEFT_OUT = "none";
  let saved = true;
  const corrections = new Map(); // row -> name of a class, or "" for a photograph that is left out
  const cards = [...document.querySelectorAll(".card[data-row]")];
  const count = document.getElementById("count");
  const changed = document.getElementById("changed");

  const option = (value, text) => Object.assign(document.createElement("option"), { value, textContent: text });
  // A photograph may stand on the page twice: both cards show the same choice.
  const show = (row) => {
    const now = corrections.get(row);
    const value = now === undefined ? "" : now === "" ? LEFT_OUT : `c${classes.indexOf(now)}`;
    for (const card of cards.filter((one) => Number(one.dataset.row) === row)) {
      card.querySelector("select").value = value;
      card.classList.toggle("changed", value !== "");
    }
    const many = corrections.size;
    count.textContent = many === 0 ? "No corrections" : many === 1 ? "1 correction" : `${many} corrections`;
    changed.disabled = many === 0;
  };
  const choose = (row, value) => {
    if (value === "") corrections.delete(row);
    else corrections.set(row, value === LEFT_OUT ? "" : classes[Number(value.slice(1))]);
    show(row);
  };

  for (const card of cards) {
    const row = Number(card.dataset.row);
    const select = card.querySelector("select");
    const others = classes.map((name, index) => index).filter((index) => index !== labels[row]);
    others.sort((one, other) => (other === suggested[row]) - (one === suggested[row]));
    for (const index of others) select.add(option(`c${index}`, classes[index] + (index === suggested[row] ? " (suggested)" : "")));
    select.add(option(LEFT_OUT, "none of these: leave it out"));
    select.addEventListener("change", () => choose(row, select.value));
  }

  const quoted = (cell) => `"${cell.replaceAll('"', '""')}"`;
  const protectedCell = (name) => (/^'*[=+\-@\t\r＝＋－＠]/.test(name) ? `'${name}` : name); // no formula for a spreadsheet
  const download = (rows, name) => {
    const label = (row) => corrections.has(row) ? corrections.get(row) : labels[row] < 0 ? "" : classes[labels[row]];
    const lines = rows.map((row) => `${quoted(cells[row])},${quoted(protectedCell(label(row)))}\n`);
    const url = URL.createObjectURL(new Blob(["image,true_label\n", ...lines], { type: "text/csv" }));
    Object.assign(document.createElement("a"), { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60000);
    saved = true;
  };
  document.addEventListener("change", () => { saved = false; });
  changed.addEventListener("click", () => download([...corrections.keys()].sort((one, other) => one - other), "labels.csv"));
  document.getElementById("all").addEventListener("click", () => download([...cells.keys()], "all_labels.csv"));
  window.addEventListener("beforeunload", (event) => { if (!saved && corrections.size) event.preventDefault(); });
  document.querySelector(".bar").hidden = false;
})();
