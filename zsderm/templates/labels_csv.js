"use strict";
// What people say of photographs, and the table labels.csv of it.
const LabelsCsv = {
  UNCLEAR: -1, // looked at, and nobody can tell

  // The text of the file: one row an image, the columns image and true_label, as zsderm reads them, and those that the table of labels had besides.
  //   photos: {image, label, others}, the cell of its name, the class that was given (-1: none), and the other cells
  //   marks: a Map from the place of a photo to the class that was chosen, or UNCLEAR
  //   cells: the name of each class as a cell
  //   columns: the names of the other columns as cells
  //   given: whether the labels that were given are written as well
  //   every: whether photos of which nothing is said have a row too
  text(photos, marks, cells, columns, given, every = false) {
    const quoted = (cell) => `"${cell.replaceAll('"', '""')}"`;
    const others = new Map();
    const rows = new Map(); // by image: one that is on the page twice has one row
    photos.forEach((photo, place) => {
      if (!others.has(photo.image)) others.set(photo.image, photo.others);
      if (marks.has(place)) rows.set(photo.image, marks.get(place));
      else if (given && (every || photo.label >= 0) && !rows.has(photo.image)) rows.set(photo.image, photo.label);
    });
    const lines = [...rows].map(([image, label]) => {
      const last = others.get(image).map((cell) => (cell === "" ? "" : quoted(cell)));
      return [quoted(image), label < 0 ? "" : quoted(cells[label]), ...last].join(",");
    });
    return [["image", "true_label", ...columns.map(quoted)].join(","), ...lines, ""].join("\n");
  },

  // Hand the text to the browser as a file.
  download(text, name = "labels.csv") {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  },

  // As they stand in the address of the page, so that a reload keeps them: "12.0,57.3", "12.x" for UNCLEAR.
  packed(marks) {
    return [...marks].map(([place, label]) => `${place}.${label < 0 ? "x" : label}`).join(",");
  },

  // What `packed` made; what is not of this page is left out.
  unpacked(text, photos, classes) {
    const marks = new Map();
    for (const [, place, label] of text.matchAll(/(\d+)\.(\d+|x)/g)) {
      const chosen = label === "x" ? LabelsCsv.UNCLEAR : Number(label);
      if (Number(place) < photos && chosen < classes) marks.set(Number(place), chosen);
    }
    return marks;
  },
};
