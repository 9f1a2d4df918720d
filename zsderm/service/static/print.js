// The page for paper: its one button.

document.getElementById("print").addEventListener("click", () => print());
