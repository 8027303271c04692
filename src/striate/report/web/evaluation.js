// The numbers of the cell under the pointer, in words.

const readout = /** @type {HTMLElement} */ (document.querySelector("#cell"));
const rest = readout.textContent ?? "";
const matrix = /** @type {Element} */ (document.querySelector(".matrix"));
matrix.addEventListener("pointerover", (e) => {
  const title = /** @type {Element} */ (e.target).querySelector?.("title");
  readout.textContent = title?.textContent ?? rest;
});
matrix.addEventListener("pointerleave", () => (readout.textContent = rest));
root.dataset.ready = "";
