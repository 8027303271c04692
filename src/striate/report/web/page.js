// The page itself: theme, opacity, the map alone, the layer table that folds; then the parts that read the data.

const root = document.documentElement;
document.querySelectorAll(".js").forEach((e) => (/** @type {HTMLElement} */ (e).hidden = false));

const theme = /** @type {HTMLElement} */ (document.querySelector("#theme"));
const isDark = () => (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
const nameTheme = () => (theme.textContent = isDark() ? "Light" : "Dark");
theme.addEventListener("click", () => {
  root.dataset.theme = isDark() ? "light" : "dark";
  nameTheme();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", nameTheme);
nameTheme();

const sliders = /** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll("[data-opacity]"));
sliders.forEach((slider) =>
  slider.addEventListener("input", () => {
    root.style.setProperty("--opacity", String(Number(slider.value) / 100));
    sliders.forEach((s) => (s.value = slider.value));
  }),
);

const rawButton = /** @type {HTMLElement} */ (document.querySelector("#raw"));
function toggleRaw() {
  rawButton.setAttribute("aria-pressed", String(root.classList.toggle("show-raw")));
}
rawButton.addEventListener("click", toggleRaw);
document.addEventListener("keydown", (e) => {
  if (e.key.toLowerCase() === "r" && !e.ctrlKey && !e.metaKey && !e.altKey) toggleRaw();
});

const folds = /** @type {HTMLElement[]} */ ([...document.querySelectorAll(".fold")]);
/** @param {HTMLElement} button @param {boolean} open */
function fold(button, open) {
  button.setAttribute("aria-expanded", String(open));
  /** @type {HTMLElement} */ (document.getElementById(button.getAttribute("aria-controls") ?? "")).classList.toggle("folded", !open);
}
folds.forEach((button) => {
  fold(button, false);
  button.addEventListener("click", () => fold(button, button.getAttribute("aria-expanded") !== "true"));
});
const openAll = /** @type {HTMLElement} */ (document.querySelector("#open-all"));
openAll.addEventListener("click", () => {
  const open = folds.some((b) => b.getAttribute("aria-expanded") !== "true");
  folds.forEach((b) => fold(b, open));
  openAll.textContent = open ? "Close all stages" : "Open all stages";
});
function openTarget() {
  const button = /** @type {HTMLElement|null} */ (document.querySelector(`${CSS.escape(location.hash.slice(1)) ? `#${CSS.escape(location.hash.slice(1))}` : "#none"} .fold`));
  if (button) fold(button, true);
}
addEventListener("hashchange", openTarget);
openTarget();

const data = JSON.parse(/** @type {Element} */ (document.querySelector("#data")).textContent ?? "{}");
const { height, width } = data.evidence;
/** @type {Promise<ImageData>|undefined} */
let seen;
const page = {
  colormaps: data.colormaps,
  overlay: data.overlay,
  height,
  width,
  seen: () => (seen ??= pixelsOf(/** @type {HTMLImageElement} */ (document.querySelector("#seen")), width, height)),
};
if (typeof DecompressionStream === "function") {
  Promise.all([startEvidence(data.evidence, page), startUnits(data.stages, page)]).then(() => {
    root.dataset.ready = "";
  });
}
