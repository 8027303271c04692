// One picture large, the photo laid over a part of it; any picture of the sheet can be chosen.

const wipe = /** @type {HTMLElement} */ (document.querySelector("#wipe"));
const large = /** @type {HTMLImageElement} */ (document.querySelector("#large"));
const words = /** @type {HTMLElement} */ (document.querySelector("#large-words"));
const share = /** @type {HTMLInputElement} */ (document.querySelector("#share"));
const samples = /** @type {HTMLButtonElement[]} */ ([...document.querySelectorAll(".sample")]);

const setShare = (percent) => {
  wipe.style.setProperty("--share", `${percent}%`);
  share.value = String(Math.round(percent));
};
share.addEventListener("input", () => setShare(Number(share.value)));
wipe.addEventListener("pointermove", (event) => {
  const box = wipe.getBoundingClientRect();
  setShare(Math.min(Math.max((100 * (event.clientX - box.left)) / box.width, 0), 100));
});

const choose = (button) => {
  for (const sample of samples) sample.setAttribute("aria-pressed", String(sample === button));
  const image = /** @type {HTMLImageElement} */ (button.querySelector("img"));
  large.src = image.src;
  large.alt = image.alt;
  const [layer, rest] = button.dataset.words.split("|");
  const name = document.createElement("b");
  name.textContent = layer;
  words.replaceChildren(name, rest);
};
for (const sample of samples) sample.addEventListener("click", () => choose(sample));
document.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!step || event.target === share || event.altKey || event.ctrlKey || event.metaKey) return;
  const at = samples.findIndex((sample) => sample.getAttribute("aria-pressed") === "true");
  choose(samples[(at + step + samples.length) % samples.length]);
});
document.documentElement.dataset.ready = "yes";
