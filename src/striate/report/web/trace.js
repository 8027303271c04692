// The page of a trace: which layer, which place, playing or not.

const trace = JSON.parse(/** @type {HTMLElement} */ (document.querySelector("#data")).textContent ?? "");
const $ = (/** @type {string} */ id) => /** @type {any} */ (document.getElementById(id));
let current = 0, place = 0, asLinear = false, view = null, timer = 0;

const tabs = trace.layers.map((layer, number) => {
  const button = document.createElement("button");
  button.type = "button";
  const name = document.createElement("span"), shape = document.createElement("small");
  name.textContent = layer.name;
  shape.textContent = times(layer.output);
  button.append(name, shape);
  button.addEventListener("click", () => open(number));
  return button;
});
$("layers").append(...tabs.flatMap((tab, number) => {
  const arrow = document.createElement("span");
  arrow.className = "arrow";
  arrow.textContent = number ? "→" : `${times(trace.input)} →`;
  return [arrow, tab];
}));

function build(layer) {
  const stage = $("stage");
  const last = current === trace.layers.length - 1;
  switch (layer.kind) {
    case "convolution": return asLinear ? linearView(layer, go, stage) : convolutionView(layer, go, stage);
    case "pooling": return poolingView(layer, go, stage);
    case "linear": return fullView(layer, go, stage, last ? trace.probabilities : null);
    default: return elementView(layer, go, stage);
  }
}

/** Show a layer. @param {number} number @param {number} at */
function open(number, at = 0) {
  stop();
  if (number !== current) asLinear = false;
  current = number;
  const layer = trace.layers[current];
  tabs.forEach((tab, i) => (i === current ? tab.setAttribute("aria-current", "true") : tab.removeAttribute("aria-current")));
  $("name").textContent = `${layer.name} `;
  const code = document.createElement("code");
  code.textContent = layer.text;
  $("name").append(code);
  const sizes = layer.sizes ?? [];
  const same = sizes.length === 2 && sizes[0].numbers === sizes[1].numbers;
  $("formula").textContent = sizes.slice(0, same ? 1 : 2).map((s) => `${same ? "rows and columns" : s.axis}: o = ${s.symbols} = ${s.numbers}`).join(" · ");
  view = build(layer);
  $("place").max = String(view.count - 1);
  $("linear").hidden = layer.kind !== "convolution" || layer.groups > 1;
  $("linear").setAttribute("aria-pressed", String(asLinear));
  $("filter-choice").hidden = view.filters < 2;
  $("filter-choice").firstChild.textContent = layer.kind === "pooling" ? "Channel " : "Filter ";
  $("filter").replaceChildren(...Array.from({ length: view.filters }, (_, k) => new Option(String(k), String(k))));
  $("steps").replaceChildren(...(asLinear ? [] : (layer.steps ?? [])).map((text) => {
    const item = document.createElement("li");
    item.textContent = text;
    return item;
  }));
  go(at);
}

/** Show a place of the layer. @param {number} to */
function go(to) {
  place = Math.max(0, Math.min(to, view.count - 1));
  const [before, sum, value, after] = view.show(place);
  const strong = document.createElement("b");
  strong.textContent = value;
  $("sentence").replaceChildren(before + sum, strong, after);
  $("place").value = String(place);
  $("count").textContent = `${place + 1} of ${view.count}`;
  $("filter").value = String(view.filterOf(place));
  [...$("steps").children].forEach((item, i) => (i === view.step(place) - 1 ? item.setAttribute("aria-current", "step") : item.removeAttribute("aria-current")));
}

function stop() {
  clearInterval(timer);
  timer = 0;
  $("play").setAttribute("aria-pressed", "false");
  $("play").textContent = "Play";
}
function play() {
  if (timer) return stop();
  if (place === view.count - 1) go(0);
  const pace = matchMedia("(prefers-reduced-motion: reduce)").matches ? 1400 : Math.max(120, Math.min(900, 24000 / view.count));
  timer = setInterval(() => (place === view.count - 1 ? stop() : go(place + 1)), pace);
  $("play").setAttribute("aria-pressed", "true");
  $("play").textContent = "Pause";
}

$("back").addEventListener("click", () => { stop(); go(place - 1); });
$("forward").addEventListener("click", () => { stop(); go(place + 1); });
$("play").addEventListener("click", play);
$("place").addEventListener("input", () => { stop(); go(Number($("place").value)); });
$("filter").addEventListener("change", () => { stop(); go((Number($("filter").value) * view.count) / view.filters); });
$("linear").addEventListener("click", () => { asLinear = !asLinear; open(current); });
document.addEventListener("keydown", (e) => {
  if (e.ctrlKey || e.metaKey || e.altKey) return;
  const target = /** @type {HTMLElement} */ (e.target);
  if (target.matches("select, input") && e.key !== " ") return;
  const act = { ArrowRight: () => { stop(); go(place + 1); }, ArrowLeft: () => { stop(); go(place - 1); }, Home: () => go(0), End: () => go(view.count - 1), ArrowDown: () => open(Math.min(current + 1, tabs.length - 1)), ArrowUp: () => open(Math.max(current - 1, 0)) }[e.key];
  if (act) { e.preventDefault(); act(); }
  else if (e.key === " " && !target.matches("button")) { e.preventDefault(); play(); }
});
addEventListener("resize", () => open(current, place));
open(0);
