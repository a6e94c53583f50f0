"use strict";

// A box around a table scrolls only where the table is wider than the page.
const fit = (box) => box.classList.toggle("fits", box.firstElementChild.offsetWidth <= box.clientWidth);
const watcher = new ResizeObserver((entries) => entries.forEach((entry) => fit(entry.target)));
document.querySelectorAll(".scroll").forEach((box) => watcher.observe(box));

// Tables are sorted by a click on a heading, or by Enter and the space bar: headings are turned into buttons.
for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];

  const content = (row, place) => row.cells[place].dataset.sort ?? row.cells[place].textContent.trim();

  const compared = (left, right, numeric) => {
    if (left === "–" || right === "–") return (left === "–") - (right === "–");
    return numeric ? left - right : left.localeCompare(right, undefined, { numeric: true });
  };

  const sort = (place) => {
    const heading = headings[place];
    const numeric = heading.classList.contains("n");
    const before = heading.getAttribute("aria-sort");
    const descending = before ? before === "ascending" : numeric;
    const sign = descending ? -1 : 1;
    const rows = [...body.rows];
    rows.sort((a, b) => sign * compared(content(a, place), content(b, place), numeric));
    body.append(...rows);
    headings.forEach((other) => other.removeAttribute("aria-sort"));
    heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
  };

  headings.forEach((heading, place) => {
    if (heading.classList.contains("unsorted")) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    button.addEventListener("click", () => sort(place));
    heading.append(button);
  });
}
