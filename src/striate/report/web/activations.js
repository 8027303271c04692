// All activations: layers at the left, channels as tiles, one of them larger with what each unit sees.

const { layers, colormaps, bars, height, width } = JSON.parse(/** @type {Element} */ (document.querySelector("#data")).textContent ?? "{}");
const find = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const [tiles, dialog, map] = [find("tiles"), /** @type {HTMLDialogElement} */ (find("unit")), find("map")];
const links = /** @type {HTMLAnchorElement[]} */ ([...document.querySelectorAll("#layers a")]);
/** @type {Map<number, Promise<Values>>} */
const unpacked = new Map();
let [layer, unit] = [-1, 0];
let at = { y: 0, x: 0 };
/** @type {Float32Array} */
let values = new Float32Array();

/** Numbers of a layer, unpacked when it is first shown. @param {number} number */
function numbersOf(number) {
  const kept = unpacked.get(number) ?? unpack(layers[number].maps);
  unpacked.set(number, kept);
  if (unpacked.size > 12) unpacked.delete(/** @type {number} */ (unpacked.keys().next().value));
  return kept;
}

const sizeOf = (/** @type {any} */ one) => one.maps.shape.slice(1);
const valueAt = (/** @type {number} */ channel, /** @type {number} */ y, /** @type {number} */ x) => {
  const [h, w] = sizeOf(layers[layer]);
  return values[(channel * h + y) * w + x];
};

/** @param {number} channel */
function limitsFor(channel) {
  const one = layers[layer];
  if (/** @type {HTMLSelectElement} */ (find("own")).value === "") return one.limits;
  const [h, w] = sizeOf(one);
  return limitsOf(values.subarray(channel * h * w, (channel + 1) * h * w), one.signed);
}

/** @param {HTMLCanvasElement} canvas @param {number} channel */
function paint(canvas, channel) {
  const one = layers[layer];
  const [h, w] = sizeOf(one);
  const [table, limits] = [colormaps[one.colormap], limitsFor(channel)];
  const image = new ImageData(w, h);
  for (let i = 0; i < h * w; i++) {
    const color = 3 * place(values[channel * h * w + i], limits);
    image.data.set([table[color], table[color + 1], table[color + 2], 255], 4 * i);
  }
  [canvas.width, canvas.height] = [w, h];
  /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d")).putImageData(image, 0, 0);
}

/** The channels in the order that was chosen. */
function ordered() {
  const one = layers[layer];
  const by = /** @type {HTMLSelectElement} */ (find("order")).value;
  const channels = one.maximum.map((/** @type {number} */ _, /** @type {number} */ i) => i);
  return by === "number" ? channels : channels.sort((/** @type {number} */ a, /** @type {number} */ b) => one[by][b] - one[by][a] || a - b);
}

const painter = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    painter.unobserve(entry.target);
    paint(/** @type {HTMLCanvasElement} */ (entry.target.querySelector("canvas")), Number(/** @type {HTMLElement} */ (entry.target).dataset.channel));
  }
}, { rootMargin: "300px" });

function fill() {
  const one = layers[layer];
  const [h, w] = sizeOf(one);
  painter.disconnect();
  tiles.replaceChildren(
    ...ordered().map((/** @type {number} */ channel) => {
      const tile = Object.assign(document.createElement("button"), { type: "button", className: one.maximum[channel] > 0 ? "tile" : "tile silent" });
      tile.dataset.channel = String(channel);
      tile.setAttribute("aria-label", `Channel ${channel}, largest ${number(one.maximum[channel])}. Open larger.`);
      const canvas = document.createElement("canvas");
      canvas.style.aspectRatio = `${w} / ${h}`;
      const words = document.createElement("span");
      const name = document.createElement("b");
      name.textContent = String(channel);
      words.append(name, number(one.maximum[channel]));
      tile.append(canvas, words);
      painter.observe(tile);
      return tile;
    }),
  );
}

/** Numbers and colors of a scale. @param {Element} scale @param {number[]} limits */
function showScale(scale, limits) {
  /** @type {HTMLImageElement} */ (scale.querySelector("img")).src = bars[layers[layer].colormap];
  tick(scale, limits);
  point(scale, limits, null);
}

/** @param {number} wanted */
async function showLayer(wanted) {
  const chosen = clamp(wanted, 0, layers.length - 1);
  if (chosen === layer) return;
  layer = chosen;
  const one = layers[layer];
  const found = await numbersOf(chosen);
  if (layer !== chosen) return; // another was chosen meanwhile
  values = found.values;
  links.forEach((link, i) => link.setAttribute("aria-current", String(i === layer)));
  const list = find("layers");
  const link = links[layer];
  if (link.offsetTop < list.scrollTop + list.offsetTop || link.offsetTop + link.offsetHeight > list.scrollTop + list.offsetTop + list.clientHeight)
    list.scrollTop = link.offsetTop - list.offsetTop - list.clientHeight / 2;
  find("name").textContent = one.address;
  find("facts").textContent = one.facts.join(" · ");
  showScale(find("scale"), one.limits);
  write(find("value"));
  fill();
}

// --- the tiles

tiles.addEventListener("pointermove", (e) => {
  const tile = /** @type {HTMLElement|null} */ (/** @type {Element} */ (e.target).closest(".tile"));
  if (!tile) return;
  const channel = Number(tile.dataset.channel);
  const [h, w] = sizeOf(layers[layer]);
  const { x, y } = pixelAt(e, /** @type {Element} */ (tile.querySelector("canvas")), w, h);
  const value = valueAt(channel, y, x);
  const { address, every, limits } = layers[layer];
  write(find("value"), `${address}:${channel}@${y * every},${x * every}  `, [number(value)]);
  point(find("scale"), limits, value);
});
tiles.addEventListener("pointerleave", () => {
  write(find("value"));
  point(find("scale"), layers[layer].limits, null);
});
tiles.addEventListener("click", (e) => {
  const tile = /** @type {HTMLElement|null} */ (/** @type {Element} */ (e.target).closest(".tile"));
  if (tile) openUnit(Number(tile.dataset.channel));
});
find("order").addEventListener("change", fill);
find("own").addEventListener("change", fill);
find("size").addEventListener("input", (e) => {
  tiles.style.setProperty("--tile", `${/** @type {HTMLInputElement} */ (e.target).value}px`);
});

// --- one channel, larger

/** @param {number} channel @param {{y: number, x: number}} [where] */
function openUnit(channel, where) {
  const one = layers[layer];
  const [h, w] = sizeOf(one);
  unit = clamp(channel, 0, one.maximum.length - 1);
  paint(/** @type {HTMLCanvasElement} */ (map.querySelector("canvas")), unit);
  map.style.aspectRatio = `${w} / ${h}`;
  /** @type {Element} */ (map.querySelector("svg")).setAttribute("viewBox", `0 0 ${w} ${h}`);
  at = { y: 0, x: 0 };
  if (where) at = { y: clamp(Math.round(where.y / one.every), 0, h - 1), x: clamp(Math.round(where.x / one.every), 0, w - 1) };
  else for (let y = 0; y < h; y++) for (let x = 0; x < w; x++) if (valueAt(unit, y, x) > valueAt(unit, at.y, at.x)) at = { y, x };
  showScale(find("unit-scale"), limitsFor(unit));
  const facts = { largest: number(one.maximum[unit]), smallest: number(one.minimum[unit]), mean: number(one.mean[unit]), zeros: percent(one.zeros[unit]) };
  find("unit-facts").replaceChildren(
    ...Object.entries(facts).flatMap(([name, words]) => {
      const [term, description] = [document.createElement("dt"), document.createElement("dd")];
      [term.textContent, description.textContent] = [name, words];
      return [term, description];
    }),
  );
  showPlace();
  if (!dialog.open) dialog.showModal();
  map.focus({ preventScroll: true });
}

function showPlace() {
  const { address, every, field } = layers[layer];
  const value = valueAt(unit, at.y, at.x);
  const name = `${address}:${unit}@${at.y * every},${at.x * every}`;
  find("unit-address").textContent = `${address}:${unit}`;
  write(find("unit-value"), [number(value)], name);
  point(find("unit-scale"), limitsFor(unit), value);
  mark(/** @type {Element} */ (map.querySelector("svg")), [box(at.x, at.y, 1, 1)]);
  let words = "What the network saw. What a unit of this layer sees of it is not known, or all of it.";
  const marks = /** @type {Element} */ (document.querySelector("#field svg"));
  mark(marks, []);
  if (field) {
    const [top, left] = [0, 1].map((i) => Math.floor(field.start[i] + [at.y, at.x][i] * every * field.stride[i]));
    mark(marks, [box(left, top, field.size[1], field.size[0])]);
    words = `What the network saw; outlined, what the unit sees: ${field.size[0]} × ${field.size[1]} pixels` +
      (left < 0 || top < 0 || left + field.size[1] > width || top + field.size[0] > height ? ", some of them padding" : "") +
      (field.whole ? ", and through gates the whole picture." : ".");
  }
  find("field-words").textContent = words;
  history.replaceState(null, "", `#${name}`);
}

map.addEventListener("pointermove", (e) => {
  const [h, w] = sizeOf(layers[layer]);
  at = pixelAt(e, map, w, h);
  showPlace();
});
dialog.querySelectorAll("[data-step]").forEach((button) =>
  button.addEventListener("click", () => {
    const channels = ordered();
    const step = Number(/** @type {HTMLElement} */ (button).dataset.step);
    openUnit(channels[(channels.indexOf(unit) + step + channels.length) % channels.length]);
  }),
);
dialog.addEventListener("click", (e) => e.target === dialog && dialog.close());
dialog.addEventListener("close", () => {
  history.replaceState(null, "", `#${layers[layer].address}`);
  /** @type {HTMLElement|null} */ (tiles.querySelector(`[data-channel="${unit}"]`))?.focus();
});

// --- the keyboard and the page's own address

document.addEventListener("keydown", (e) => {
  if (e.ctrlKey || e.metaKey || e.altKey || /** @type {Element} */ (e.target).matches("select, input")) return;
  const step = /** @type {Record<string, number[]>} */ ({ ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] })[e.key];
  if (!step) return;
  e.preventDefault();
  if (dialog.open) {
    const [h, w] = sizeOf(layers[layer]);
    at = { y: clamp(at.y + step[0], 0, h - 1), x: clamp(at.x + step[1], 0, w - 1) };
    showPlace();
  } else if (step[0]) {
    location.hash = layers[clamp(layer + step[0], 0, layers.length - 1)].address;
  } else {
    const all = /** @type {HTMLElement[]} */ ([...tiles.children]);
    const now = all.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    all[clamp(now + step[1], 0, all.length - 1)]?.focus();
  }
});

async function openAddress() {
  const [, name, channel, y, x] = decodeURIComponent(location.hash.slice(1)).match(/^(.*?)(?::(\d+)(?:@(\d+),(\d+))?)?$/) ?? [];
  const wanted = layers.findIndex((/** @type {any} */ one) => one.address === name);
  await showLayer(Math.max(wanted, 0));
  if (channel !== undefined && wanted >= 0) openUnit(Number(channel), y === undefined ? undefined : { y: Number(y), x: Number(x) });
}
addEventListener("hashchange", openAddress);
openAddress().then(() => {
  root.dataset.ready = "";
});
