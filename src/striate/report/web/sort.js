// Tables sort by a click on the head of a column: numbers by their exact value, names as people sort them.

for (const table of document.querySelectorAll("table.sortable")) {
  const body = /** @type {HTMLElement} */ (table.querySelector("tbody"));
  const heads = [...table.querySelectorAll("thead th")];
  heads.forEach((head, column) => {
    const kind = /** @type {HTMLElement} */ (head).dataset.sort;
    if (!kind) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === (kind === "number" ? "ascending" : "descending") || !head.hasAttribute("aria-sort");
      const ascending = kind === "number" ? !down : down;
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      const value = (/** @type {Element} */ row) => {
        const cell = /** @type {HTMLElement} */ (row.children[column]);
        return kind === "number" ? Number(cell.dataset.value) : cell.textContent ?? "";
      };
      const compare = (/** @type {any} */ a, /** @type {any} */ b) => (kind === "number" ? a - b : a.localeCompare(b, undefined, { numeric: true }));
      const rows = [...body.children].map((row) => ({ row, key: value(row) }));
      rows.sort((a, b) => (ascending ? 1 : -1) * compare(a.key, b.key));
      body.replaceChildren(...rows.map((entry) => entry.row));
    });
  });
}
