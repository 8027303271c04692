// The page itself: opacity, the map alone, the layer table that folds; then the parts that read the data.

const sliders = /** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll("[data-opacity]"));
sliders.forEach((slider) =>
  slider.addEventListener("input", () => {
    root.style.setProperty("--opacity", String(Number(slider.value) / 100));
    sliders.forEach((s) => (s.value = slider.value));
  }),
);

const rawButton = document.querySelector("#raw"); // absent where no map lies over the picture
function toggleRaw() {
  rawButton?.setAttribute("aria-pressed", String(root.classList.toggle("show-raw")));
}
rawButton?.addEventListener("click", toggleRaw);
document.addEventListener("keydown", (e) => {
  if (e.key.toLowerCase() === "r" && !e.ctrlKey && !e.metaKey && !e.altKey) toggleRaw();
});

// A stage opens to its blocks, a block to its layers.
const isOpen = (/** @type {Element} */ button) => button.getAttribute("aria-expanded") === "true";
const folds = /** @type {HTMLElement[]} */ ([...document.querySelectorAll(".stage-head .fold")]);
/** @param {HTMLElement} button @param {boolean} open */
function fold(button, open) {
  button.setAttribute("aria-expanded", String(open));
  document.getElementById(button.getAttribute("aria-controls") ?? "")?.classList.toggle("folded", !open);
}
folds.forEach((button) => {
  fold(button, false);
  button.addEventListener("click", () => fold(button, !isOpen(button)));
});
/** Show the rows whose containers are all open. @param {Element} rows */
function showRows(rows) {
  let shut = Infinity;
  for (const row of /** @type {NodeListOf<HTMLElement>} */ (rows.querySelectorAll("tr[data-level]"))) {
    const level = Number(row.dataset.level);
    if (level <= shut) shut = Infinity;
    row.hidden = level > shut;
    const button = row.querySelector(".fold");
    if (button && !isOpen(button) && shut === Infinity) shut = level;
  }
}
const rowFolds = /** @type {HTMLElement[]} */ ([]);
document.querySelectorAll(".stage-rows").forEach((rows) => {
  rows.querySelectorAll("tr.holder").forEach((row) => {
    const name = /** @type {Element} */ (row.querySelector("th code"));
    const button = Object.assign(document.createElement("button"), { type: "button", className: "fold" });
    const deep = Number(/** @type {HTMLElement} */ (row.nextElementSibling)?.dataset.level) > 1 && row.nextElementSibling?.matches(".holder");
    button.setAttribute("aria-expanded", String(Boolean(deep))); // open down to the blocks
    name.replaceWith(button);
    button.append(name);
    rowFolds.push(button);
    button.addEventListener("click", () => {
      button.setAttribute("aria-expanded", String(!isOpen(button)));
      showRows(rows);
    });
  });
  showRows(rows);
});
const openAll = /** @type {HTMLElement} */ (document.querySelector("#open-all"));
openAll.addEventListener("click", () => {
  const open = ![...folds, ...rowFolds].every(isOpen);
  folds.forEach((b) => fold(b, open));
  rowFolds.forEach((b) => b.setAttribute("aria-expanded", String(open)));
  document.querySelectorAll(".stage-rows").forEach(showRows);
  openAll.textContent = open ? "Close all" : "Open all";
});
function openTarget() {
  const button = document.getElementById(location.hash.slice(1))?.querySelector(".fold");
  if (button) fold(/** @type {HTMLElement} */ (button), true);
}
addEventListener("hashchange", openTarget);
openTarget();

const data = JSON.parse(/** @type {Element} */ (document.querySelector("#data")).textContent ?? "{}");
const { height, width, block } = data.view;
/** @type {Promise<ImageData>|undefined} */
let seen;
const page = {
  colormaps: data.colormaps,
  overlay: data.overlay,
  height,
  width,
  block,
  seen: () => (seen ??= pixelsOf(/** @type {HTMLImageElement} */ (document.querySelector("#seen")), Math.ceil(width / block), Math.ceil(height / block))),
};
if (typeof DecompressionStream === "function") {
  const parts = [startWays(data.ways, page), startUnits(data.stages, page)];
  if (data.evidence) parts.push(startEvidence(data.evidence, page));
  Promise.all(parts).then(() => {
    root.dataset.ready = "";
  });
}
