// The map: drawn on one canvas from one sheet of thumbnails; pointer, wheel, pinch and keys; search; what is picked.

const data = JSON.parse(/** @type {Element} */ (document.querySelector("#data")).textContent ?? "{}");
const $ = (/** @type {string} */ id) => /** @type {any} */ (document.getElementById(id));
const canvas = /** @type {HTMLCanvasElement} */ ($("canvas"));
const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
const sheet = /** @type {HTMLImageElement} */ ($("sprite"));
const count = data.names.length;
const added = new Set(data.added);
const still = matchMedia("(prefers-reduced-motion: reduce)");
const spoken = data.names.map((/** @type {string} */ name, /** @type {number} */ i) =>
  [name, data.classes[data.of[i]]?.name, data.words[data.answers[i]]].filter(Boolean).join("\n").toLowerCase(),
);

let map = new Float32Array();
let cells = new Float32Array();
let world = new Float32Array(); // between the two while it moves
let far = new Float32Array();
let share = 0; // 0 the map, 1 the grid
let goal = 0;
/** @type {View} */
let view = { x: 0.5, y: 0.5, scale: 1 };
let least = 1;
let [width, height] = [0, 0];
let [over, picked] = [-1, -1];
/** @type {Set<number>|null} */
let hits = null;
let chosen = -1; // class
let asked = false;
let order = /** @type {number[]} */ ([]);
let shown = new Uint8Array();
let shownFor = "";

const css = (/** @type {string} */ name) => getComputedStyle(root).getPropertyValue(name).trim();
/** Colors as the canvas takes them: it does not know light-dark(). @param {string} name */
function color(name) {
  const probe = document.createElement("i");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}
let paint = { paper: "", ink: "", quiet: "", line: "", accent: "", classes: /** @type {string[]} */ ([]) };
function mix() {
  const named = Object.fromEntries(["paper", "ink", "quiet", "line", "accent"].map((n) => [n, color(`--${n}`)]));
  paint = /** @type {any} */ ({ ...named, classes: data.colors[isDark() ? "dark" : "light"] });
  ask();
}
const classColor = (/** @type {number} */ i) => (data.of[i] >= 0 && data.of.length ? paint.classes[data.classes[data.of[i]].color] : paint.quiet);
const source = (/** @type {number} */ i) => [(i % data.columns) * data.tile, Math.floor(i / data.columns) * data.tile];
const lit = (/** @type {number} */ i) => (hits === null || hits.has(i)) && (chosen < 0 || data.of[i] === chosen);

/** Side of a thumbnail on the screen. */
function sideNow() {
  const cell = data.cell * view.scale - 2;
  const zoom = view.scale / least;
  const base = Math.min(Math.max(0.62 * Math.sqrt((width * height) / Math.max(count, 1)), 16), 56);
  const loose = Math.min(base * zoom ** 0.55, 112);
  return Math.max(share * Math.min(cell, 160) + (1 - share) * loose, 1);
}

function arrange() {
  const side = sideNow();
  const key = [view.scale.toPrecision(4), share.toFixed(2), hits?.size ?? -1, chosen, picked].join();
  if (key === shownFor) return side;
  shownFor = key;
  if (share === 1) {
    shown = new Uint8Array(count).fill(1);
  } else {
    const first = picked < 0 ? [] : [picked, ...data.near[picked]];
    const rest = hits === null && chosen < 0 ? order : [...order.filter(lit), ...order.filter((i) => !lit(i))];
    const lead = new Set(first.slice(0, 1));
    shown = apart(world, (side + 3) / view.scale, [...lead, ...rest.filter((i) => !lead.has(i))]);
  }
  return side;
}

const at = (/** @type {number} */ i) => [
  (world[2 * i] - view.x) * view.scale + width / 2,
  (world[2 * i + 1] - view.y) * view.scale + height / 2,
];

function draw() {
  asked = false;
  const ratio = devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  const side = arrange();
  const half = side / 2;
  const inside = (/** @type {number} */ x, /** @type {number} */ y) => x > -half && y > -half && x < width + half && y < height + half;
  for (let i = 0; i < count; i++) {
    if (shown[i]) continue;
    const [x, y] = at(i);
    if (!inside(x, y)) continue;
    pen.globalAlpha = lit(i) ? 0.9 : 0.15;
    pen.fillStyle = classColor(i);
    pen.fillRect(x - 1.75, y - 1.75, 3.5, 3.5);
  }
  pen.imageSmoothingEnabled = true;
  pen.imageSmoothingQuality = side < data.tile ? "medium" : "high";
  for (let i = 0; i < count; i++) {
    if (!shown[i]) continue;
    const [x, y] = at(i);
    if (!inside(x, y)) continue;
    const [left, top] = source(i);
    pen.globalAlpha = lit(i) ? 1 : 0.13;
    pen.drawImage(sheet, left, top, data.tile, data.tile, x - half, y - half, side, side);
    if (data.of[i] >= 0 && data.of.length && side > 8) {
      pen.fillStyle = classColor(i);
      pen.fillRect(x - half, y + half - 1, side, side > 24 ? 2 : 1);
    }
    if (added.has(i)) frame(i, side, paint.accent, 2);
  }
  pen.globalAlpha = 1;
  if (picked >= 0) joinNeighbors(side);
  for (const i of new Set([picked, over])) if (i >= 0) lift(i, side);
  if (data.classes.length && share < 0.5) nameClasses();
}

/** @param {number} i @param {number} side @param {string} ink @param {number} thick */
function frame(i, side, ink, thick) {
  const [x, y] = at(i);
  pen.strokeStyle = ink;
  pen.lineWidth = thick;
  pen.strokeRect(x - side / 2 - thick / 2, y - side / 2 - thick / 2, side + thick, side + thick);
}

/** One picture above the others, at least 40 pixels wide. @param {number} i @param {number} side */
function lift(i, side) {
  const [x, y] = at(i);
  const [left, top] = source(i);
  const large = Math.max(side, 40);
  pen.drawImage(sheet, left, top, data.tile, data.tile, x - large / 2, y - large / 2, large, large);
  frame(i, large, i === picked ? paint.accent : paint.ink, 2);
}

/** @param {number} side */
function joinNeighbors(side) {
  const [x, y] = at(picked);
  pen.strokeStyle = paint.accent;
  pen.lineWidth = 1;
  for (const j of data.near[picked]) {
    const [u, v] = at(j);
    pen.globalAlpha = 0.65;
    pen.beginPath();
    pen.moveTo(x, y);
    pen.lineTo(u, v);
    pen.stroke();
    pen.globalAlpha = 1;
    if (shown[j]) {
      frame(j, side, paint.accent, 1);
    } else {
      pen.fillStyle = paint.accent;
      pen.fillRect(u - 3, v - 3, 6, 6);
    }
  }
}

function nameClasses() {
  pen.font = `600 13px ${css("--text")}`;
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.lineJoin = "round";
  /** @type {number[][]} */
  const taken = [];
  pen.globalAlpha = 1 - 2 * share;
  data.classes.forEach((/** @type {{name: string, color: number, at: number[]}} */ one, /** @type {number} */ number) => {
    if (chosen >= 0 && chosen !== number) return;
    const x = (one.at[0] - view.x) * view.scale + width / 2;
    const y = (one.at[1] - view.y) * view.scale + height / 2;
    if (x < 0 || y < 0 || x > width || y > height) return;
    const words = one.name.length > 28 ? `${one.name.slice(0, 27)}…` : one.name;
    const reach = pen.measureText(words).width / 2 + 6;
    const middle = clamp(x, reach + 2, Math.max(width - reach - 2, reach + 2));
    for (const shift of [0, 22, -22, 44, -44]) {
      const box = [middle - reach, y + shift - 11, middle + reach, y + shift + 11];
      if (taken.some((t) => box[0] < t[2] && box[2] > t[0] && box[1] < t[3] && box[3] > t[1])) continue;
      taken.push(box);
      pen.fillStyle = paint.paper;
      pen.strokeStyle = paint.classes[one.color];
      pen.lineWidth = 1;
      pen.beginPath();
      pen.roundRect(box[0], box[1], box[2] - box[0], box[3] - box[1], 4);
      pen.fill();
      pen.stroke();
      pen.fillStyle = paint.classes[one.color];
      pen.fillText(words, middle, y + shift + 0.5);
      break;
    }
  });
  pen.globalAlpha = 1;
}

function ask() {
  if (!asked) requestAnimationFrame(draw);
  asked = true;
}

// --- moving

/** @param {number} factor @param {number} x @param {number} y */
function zoomAt(factor, x, y) {
  const scale = clamp(view.scale * factor, least * 0.8, least * 60);
  const [u, v] = [(x - width / 2) / view.scale + view.x, (y - height / 2) / view.scale + view.y];
  view = { x: u - (x - width / 2) / scale, y: v - (y - height / 2) / scale, scale };
  ask();
}
function fit() {
  view = fitted(world, width, height, share < 0.5 ? Math.min(36, width / 12) : (data.cell * Math.min(width, height)) / 2 + 4);
  least = view.scale;
  ask();
}
/** @param {number} to */
function morph(to) {
  goal = to;
  $("as-map").setAttribute("aria-pressed", String(to === 0));
  $("as-grid").setAttribute("aria-pressed", String(to === 1));
  const [from, began] = [share, performance.now()];
  const step = (/** @type {number} */ now) => {
    if (goal !== to) return;
    const t = still.matches ? 1 : Math.min((now - began) / 320, 1);
    const eased = t * t * (3 - 2 * t);
    share = t === 1 ? to : from + (to - from) * eased;
    for (let i = 0; i < world.length; i++) world[i] = map[i] + (cells[i] - map[i]) * share;
    fit();
    if (t < 1) requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
}
/** Bring a picture into view. @param {number} i */
function show(i) {
  const [x, y] = at(i);
  if (x < 40 || y < 40 || x > width - 40 || y > height - 40) view = { ...view, x: world[2 * i], y: world[2 * i + 1] };
  pick(i);
}

// --- pointing

/** @param {number} x @param {number} y */
function under(x, y) {
  const half = Math.max(sideNow() / 2, 5);
  let [best, cost] = [-1, Infinity];
  for (let i = 0; i < count; i++) {
    const [u, v] = at(i);
    const away = Math.max(Math.abs(u - x), Math.abs(v - y));
    const reach = shown[i] ? half : 7;
    if (away > reach) continue;
    const worth = away + (shown[i] ? 0 : 2);
    if (worth < cost) [best, cost] = [i, worth];
  }
  return best;
}
/** @type {Map<number, {x: number, y: number}>} */
const pointers = new Map();
let moved = 0;
const spot = (/** @type {MouseEvent} */ e) => {
  const box = canvas.getBoundingClientRect();
  return { x: e.clientX - box.left, y: e.clientY - box.top };
};
canvas.addEventListener("pointerdown", (e) => {
  canvas.setPointerCapture(e.pointerId);
  pointers.set(e.pointerId, spot(e));
  if (pointers.size === 1) moved = 0;
});
canvas.addEventListener("pointermove", (e) => {
  const now = spot(e);
  const before = pointers.get(e.pointerId);
  if (!before) {
    const found = under(now.x, now.y);
    canvas.classList.toggle("over", found >= 0);
    if (found !== over) {
      over = found;
      tell(over >= 0 ? over : picked);
      ask();
    }
    return;
  }
  moved += Math.hypot(now.x - before.x, now.y - before.y);
  if (pointers.size === 1 && moved > 4) {
    canvas.classList.add("held");
    view = { ...view, x: view.x - (now.x - before.x) / view.scale, y: view.y - (now.y - before.y) / view.scale };
    ask();
  } else if (pointers.size === 2) {
    const other = /** @type {{x: number, y: number}} */ ([...pointers].find(([id]) => id !== e.pointerId)?.[1]);
    const was = Math.hypot(before.x - other.x, before.y - other.y);
    zoomAt(Math.hypot(now.x - other.x, now.y - other.y) / Math.max(was, 1), (now.x + other.x) / 2, (now.y + other.y) / 2);
    const [dx, dy] = [(now.x - before.x) / 2, (now.y - before.y) / 2];
    view = { ...view, x: view.x - dx / view.scale, y: view.y - dy / view.scale };
  }
  pointers.set(e.pointerId, now);
});
for (const name of ["pointerup", "pointercancel"]) {
  canvas.addEventListener(name, (event) => {
    const e = /** @type {PointerEvent} */ (event);
    const held = pointers.delete(e.pointerId);
    canvas.classList.remove("held");
    if (held && name === "pointerup" && !pointers.size && moved <= 4) {
      const { x, y } = spot(e);
      const found = under(x, y);
      pick(found === picked ? -1 : found);
    }
  });
}
canvas.addEventListener("pointerleave", () => {
  over = -1;
  tell(picked);
  ask();
});
canvas.addEventListener(
  "wheel",
  (e) => {
    if (e.deltaY > 0 && view.scale <= least * 1.001 && !e.ctrlKey) return; // all is seen: the page scrolls on
    e.preventDefault();
    const { x, y } = spot(e);
    const step = e.deltaMode === 1 ? 24 * e.deltaY : e.deltaY;
    zoomAt(Math.max(Math.exp(-step * (e.ctrlKey ? 0.01 : 0.0022)), view.scale > least ? least / view.scale : 1), x, y);
  },
  { passive: false },
);
canvas.addEventListener("dblclick", (e) => {
  const { x, y } = spot(e);
  zoomAt(2, x, y);
});
/** @type {Record<string, number[]>} */
const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
canvas.addEventListener("keydown", (e) => {
  if (e.ctrlKey || e.metaKey || e.altKey) return;
  const way = arrows[e.key];
  if (way && e.shiftKey) {
    const from = picked >= 0 ? picked : nearestTo(view.x, view.y);
    const next = picked >= 0 ? toward(world, from, way[0], way[1]) : from;
    if (next >= 0) show(next);
  } else if (way) {
    view = { ...view, x: view.x + (60 * way[0]) / view.scale, y: view.y + (60 * way[1]) / view.scale };
    ask();
  } else if (e.key === "+" || e.key === "=") zoomAt(1.3, width / 2, height / 2);
  else if (e.key === "-") zoomAt(1 / 1.3, width / 2, height / 2);
  else if (e.key === "0") fit();
  else if (e.key.toLowerCase() === "n" && picked >= 0 && data.near[picked].length) show(data.near[picked][0]);
  else if (e.key === "Escape") pick(-1);
  else return;
  e.preventDefault();
});
/** @param {number} x @param {number} y */
function nearestTo(x, y) {
  let best = 0;
  for (let i = 1; i < count; i++) {
    if (Math.hypot(world[2 * i] - x, world[2 * i + 1] - y) < Math.hypot(world[2 * best] - x, world[2 * best + 1] - y)) best = i;
  }
  return best;
}
$("closer").addEventListener("click", () => zoomAt(1.5, width / 2, height / 2));
$("farther").addEventListener("click", () => zoomAt(1 / 1.5, width / 2, height / 2));
$("fit").addEventListener("click", fit);
$("as-map").addEventListener("click", () => morph(0));
$("as-grid").addEventListener("click", () => morph(1));

// --- what is picked, in words

/** @param {HTMLCanvasElement} target @param {number} i */
function thumb(target, i) {
  const [left, top] = source(i);
  const brush = /** @type {CanvasRenderingContext2D} */ (target.getContext("2d"));
  brush.imageSmoothingEnabled = data.tile >= 32;
  brush.imageSmoothingQuality = "high";
  brush.clearRect(0, 0, target.width, target.height);
  brush.drawImage(sheet, left, top, data.tile, data.tile, 0, 0, target.width, target.height);
}
/** @param {number} i */
function pick(i) {
  picked = i;
  tell(i >= 0 ? i : over);
  ask();
}
/** @param {number} i */
function tell(i) {
  const near = $("picked-near");
  near.hidden = i < 0 || !data.near[i].length;
  $("picked-hint").hidden = i >= 0;
  $("picked").classList.toggle("none", i < 0);
  if (i < 0) {
    $("picked-name").textContent = "Point at a picture";
    $("picked-class").textContent = $("picked-answer").textContent = "";
    return;
  }
  thumb($("picked"), i);
  $("picked-name").textContent = data.names[i];
  const name = data.classes[data.of[i]]?.name;
  $("picked-class").textContent = [name, added.has(i) ? "new" : ""].filter(Boolean).join(", ");
  $("picked-class").style.color = name ? classColor(i) : "";
  $("picked-answer").textContent = data.answers.length ? `The network answers ${data.words[data.answers[i]]} (${percent(data.sure[i])}).` : "";
  near.querySelector("ol").replaceChildren(
    ...data.near[i].map((/** @type {number} */ j, /** @type {number} */ rank) => {
      const item = document.createElement("li");
      const button = document.createElement("button");
      const small = Object.assign(document.createElement("canvas"), { width: 96, height: 96 });
      thumb(small, j);
      button.type = "button";
      button.title = data.names[j];
      button.setAttribute("aria-label", `Go to ${data.names[j]}`);
      button.append(small, far[i * data.near[i].length + rank].toFixed(3));
      button.addEventListener("click", () => show(j));
      item.append(button);
      return item;
    }),
  );
}

// --- search and classes

let turn = -1;
$("find").addEventListener("input", () => {
  const words = $("find").value.trim().toLowerCase();
  turn = -1;
  hits = words ? new Set(order.filter((i) => spoken[i].includes(words))) : null;
  $("hits").textContent = hits ? `${hits.size.toLocaleString("en")} of ${count.toLocaleString("en")}` : "";
  shownFor = "";
  ask();
});
$("find").addEventListener("keydown", (/** @type {KeyboardEvent} */ e) => {
  if (e.key !== "Enter" || !hits?.size) return;
  const all = [...hits];
  turn = (turn + (e.shiftKey ? all.length - 1 : 1)) % all.length;
  show(all[turn]);
});
const keys = /** @type {HTMLElement[]} */ ([...document.querySelectorAll(".keys button")]);
keys.forEach((button) =>
  button.addEventListener("click", () => {
    chosen = chosen === Number(button.dataset.class) ? -1 : Number(button.dataset.class);
    keys.forEach((b) => b.setAttribute("aria-pressed", String(Number(b.dataset.class) === chosen)));
    ask();
  }),
);

// --- start

const ints = (/** @type {number} */ n) => Array.from({ length: n }, (_, i) => i);
Promise.all([unpack(data.positions), unpack(data.cells), data.far ? unpack(data.far) : null, sheet.decode()]).then(([a, b, c]) => {
  map = a.values;
  cells = b.values;
  far = c?.values ?? far;
  world = Float32Array.from(map);
  order = [...ints(count).filter((i) => added.has(i)), ...ints(count).filter((i) => !added.has(i))];
  new ResizeObserver(() => {
    const [w, h] = [canvas.clientWidth, canvas.clientHeight];
    if (!w || !h || (w === width && h === height)) return;
    const first = !width || view.scale === least;
    [width, height] = [w, h];
    shownFor = "";
    if (first) fit();
    else ask();
  }).observe(canvas);
  [width, height] = [canvas.clientWidth, canvas.clientHeight];
  mix();
  fit();
  theme.addEventListener("click", mix);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", mix);
  document.querySelectorAll("canvas[data-thumb]").forEach((c) => thumb(/** @type {any} */ (c), Number(/** @type {any} */ (c).dataset.thumb)));
  draw();
  root.dataset.ready = "";
});
