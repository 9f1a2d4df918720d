{
  // report: which page this is; classes; cells, the name of each class as it stands in a CSV file; columns and photos, as
  // LabelsCsv takes them; suggested, an index into classes or -1.
  const { report, classes, cells, columns, photos, suggested } = JSON.parse(document.getElementById("labels").textContent);
  const asked = new URLSearchParams(location.hash.slice(1));
  const marks = asked.get("of") === report ? LabelsCsv.unpacked(asked.get("marks") ?? "", photos.length, classes.length) : new Map();
  let saved = LabelsCsv.packed(marks);
  const cards = [...document.querySelectorAll(".card[data-row]")];
  const count = document.getElementById("count");
  const changed = document.getElementById("changed");

  const option = (value, text) => Object.assign(document.createElement("option"), { value, textContent: text });
  // A photograph may stand on the page twice: both cards show the same choice.
  const show = (row) => {
    const now = marks.get(row);
    for (const card of cards.filter((one) => Number(one.dataset.row) === row)) {
      card.querySelector("select").value = now ?? "";
      card.classList.toggle("changed", now !== undefined);
      const said = card.querySelector(".said"); // what a print says, which has no choice to make
      said.hidden = now === undefined;
      said.textContent = now === undefined ? "" : now < 0 ? "✎ Left out here: none of these" : `✎ Corrected here: ${classes[now]}`;
    }
    const many = marks.size;
    count.textContent = many === 0 ? "No corrections" : many === 1 ? "1 correction" : `${many} corrections`;
    changed.disabled = many === 0;
  };
  const choose = (row, value) => {
    if (value === "") marks.delete(row);
    else marks.set(row, Number(value));
    const words = marks.size ? new URLSearchParams({ of: report, marks: LabelsCsv.packed(marks) }) : "";
    try {
      history.replaceState(null, "", `#${words}`); // a reload or a bookmark brings it back
    } catch {} // where a page may not change its address it works without
    show(row);
  };

  for (const card of cards) {
    const row = Number(card.dataset.row);
    const select = card.querySelector("select");
    const others = classes.map((name, index) => index).filter((index) => index !== photos[row].label);
    others.sort((one, other) => (other === suggested[row]) - (one === suggested[row]));
    for (const index of others) select.add(option(index, classes[index] + (index === suggested[row] ? " (suggested)" : "")));
    select.add(option(LabelsCsv.UNCLEAR, "none of these: leave it out"));
    select.addEventListener("change", () => choose(row, select.value));
    show(row);
  }

  const download = (all, name) => {
    LabelsCsv.download(LabelsCsv.text(photos, marks, cells, columns, all, all), name);
    saved = LabelsCsv.packed(marks);
  };
  changed.addEventListener("click", () => download(false, "labels.csv"));
  document.getElementById("all").addEventListener("click", () => download(true, "all_labels.csv"));
  addEventListener("beforeunload", (event) => LabelsCsv.packed(marks) !== saved && event.preventDefault());
  document.querySelector(".bar").hidden = false;
}
