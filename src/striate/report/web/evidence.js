// The evidence: one pointer over three pictures. The patch goes where the pointer is, the bars show what the network then
// answers, and each map says its number there. Classes can be changed; their occlusion maps are made here from the grid.

/** @param {any} data @param {any} page */
async function startEvidence(data, page) {
  const section = /** @type {HTMLElement} */ (document.querySelector("#evidence"));
  const { height, width, block, window: size, stride, score, labels } = data;
  const across = Math.ceil(width / block);
  const pixel = (/** @type {{x: number, y: number}} */ p) => Math.floor(p.y / block) * across + Math.floor(p.x / block);
  const plates = Object.fromEntries(
    [...section.querySelectorAll(".plate")].map((p) => [/** @type {HTMLElement} */ (p).dataset.map, p]),
  );
  const readouts = Object.fromEntries(Object.entries(plates).map(([k, p]) => [k, p.querySelector(".readout")]));
  const rest = { patch: readouts.patch.textContent };
  const keys = Object.keys(data.maps); // occlusion, and saliency where it was asked for
  const scales = Object.fromEntries(keys.map((k) => [k, section.querySelector(`#${k}-scale`)]));
  /** @type {Record<string, Values>} */
  const maps = {};
  for (const key of keys) maps[key] = await unpack(data.maps[key]);
  const grid = data.grid && (await unpack(data.grid));
  const [rows, columns, kinds] = grid ? grid.shape : [0, 0, 0];
  const limits = { ...data.limits };
  let chosen = data.place;
  /** @type {{x: number, y: number}|null} */
  let at = null;

  /** The window whose center is nearest. @param {{x: number, y: number}} p */
  const windowAt = (p) => ({
    row: clamp(Math.round((p.y + 0.5 - size[0] / 2) / stride[0]), 0, rows - 1),
    column: clamp(Math.round((p.x + 0.5 - size[1] / 2) / stride[1]), 0, columns - 1),
  });
  const scoreAt = (/** @type {number} */ row, /** @type {number} */ column, /** @type {number} */ k) =>
    grid.values[(row * columns + column) * kinds + k];

  const bars = [...section.querySelectorAll(".classes label")];
  function showBars(/** @type {(k: number) => number} */ value) {
    const values = bars.map((_, k) => value(k));
    const shares = score === "probability" ? values : values.map((v) => v / Math.max(...values.map(Math.abs), 1e-9));
    bars.forEach((bar, k) => {
      /** @type {HTMLElement} */ (bar.querySelector(".track > span")).style.width = `${100 * clamp(shares[k], 0, 1)}%`;
      /** @type {Element} */ (bar.querySelector(".number")).textContent = say(values[k], score);
    });
  }

  function show() {
    const when = /** @type {Element} */ (section.querySelector("[data-when]"));
    if (!at) {
      Object.values(plates).forEach((p) => p.querySelector(".marks").replaceChildren());
      Object.values(scales).forEach((s) => point(s, [0, 1], null));
      write(readouts.patch, rest.patch);
      for (const key of keys) {
        const p = strongest(key);
        write(readouts[key], "Largest: ", [number(maps[key].values[pixel(p)])], ` at row ${p.y}, column ${p.x}.`);
      }
      when.textContent = "without a patch";
      showBars((k) => data.baseline[k]);
      return;
    }
    const where = `row ${at.y}, column ${at.x}`;
    const cross = `M${at.x + 0.5} ${at.y - 5}v11M${at.x - 5} ${at.y + 0.5}h11`;
    const outlines = [cross];
    let told = "";
    if (grid) {
      const { row, column } = windowAt(at);
      const [top, left] = [row * stride[0], column * stride[1]];
      const [high, wide] = [Math.min(size[0], height - top), Math.min(size[1], width - left)];
      outlines.unshift(box(left, top, wide, high));
      const patch = document.createElementNS("http://www.w3.org/2000/svg", "path");
      patch.setAttribute("d", box(left, top, wide, high));
      patch.setAttribute("style", `fill: rgb(${data.fill.join(" ")})`);
      mark(plates.patch.querySelector(".marks"), [box(left, top, wide, high)]);
      plates.patch.querySelector(".marks").prepend(patch);
      const here = scoreAt(row, column, chosen);
      write(readouts.patch, "With the patch at row ", String(top), ", column ", String(left), ": ", labels[chosen], " ", [say(here, score)], ".");
      told = ` With the patch here: ${say(here, score)}.`;
      when.textContent = "with the patch here";
      showBars((k) => scoreAt(row, column, k));
    }
    for (const key of keys) {
      const value = maps[key].values[pixel(at)];
      mark(plates[key].querySelector(".marks"), key === "occlusion" ? outlines : [cross]);
      write(readouts[key], [number(value)], ` at ${where}.`, key === "occlusion" ? told : "");
      point(scales[key], limits[key], value);
    }
  }

  /** The place that the class needs most. */
  function strongest(/** @type {string} */ key) {
    const { values } = maps[key === "saliency" ? key : "occlusion"];
    const best = values.reduce((top, v, i) => (v > values[top] ? i : top), 0);
    return { x: (best % across) * block, y: Math.floor(best / across) * block };
  }

  async function choose(/** @type {number} */ k) {
    chosen = k;
    const plate = plates.occlusion;
    const drop = Float32Array.from({ length: rows * columns }, (_, i) => data.baseline[k] - grid.values[i * kinds + k]);
    const full = spread(drop, [rows, columns], size, stride, height, width);
    const [down] = maps.occlusion.shape;
    const values = Float32Array.from({ length: down * across }, (_, i) => full[Math.floor(i / across) * block * width + (i % across) * block]);
    maps.occlusion = { shape: [down, across], values };
    limits.occlusion = k === data.place ? data.limits.occlusion : limitsOf(maps.occlusion.values, data.signed);
    tick(scales.occlusion, limits.occlusion);
    section.querySelectorAll("[data-class]").forEach((e) => (e.textContent = labels[k]));
    const pictures = [...plate.querySelectorAll("img.tint, img.raw")];
    let canvases = [...plate.querySelectorAll("canvas")];
    if (!canvases.length) {
      canvases = ["tint", "raw"].map((name) => Object.assign(document.createElement("canvas"), { className: name }));
      pictures[1].after(...canvases);
    }
    const own = k === data.place;
    if (!own) {
      const table = page.colormaps[data.signed ? "RdBu_r" : "inferno"];
      drawMap(canvases[0], canvases[1], await page.seen(), maps.occlusion.values, table, limits.occlusion, page.overlay);
    }
    pictures.forEach((p) => (/** @type {HTMLElement} */ (p).hidden = !own));
    canvases.forEach((c) => (c.hidden = own));
    show();
  }

  for (const [key, plate] of Object.entries(plates)) {
    const picture = plate.querySelector(".picture");
    const step = key === "saliency" || !grid ? [1, 1] : stride;
    const move = (/** @type {PointerEvent} */ e) => {
      at = pixelAt(e, picture, width, height);
      show();
    };
    picture.addEventListener("focus", () => readouts[key].setAttribute("aria-live", "polite")); // one voice at a time
    picture.addEventListener("blur", () => readouts[key].setAttribute("aria-live", "off"));
    picture.addEventListener("pointermove", move);
    picture.addEventListener("pointerdown", move);
    picture.addEventListener("pointerleave", (/** @type {PointerEvent} */ e) => {
      if (e.pointerType !== "mouse") return; // a finger that lifts leaves its reading
      at = null;
      show();
    });
    picture.addEventListener("keydown", (/** @type {KeyboardEvent} */ e) => {
      const [y, x] = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[e.key] ?? [0, 0];
      if (e.key === "Escape") at = null;
      else if (e.key === "Home" || ((x || y) && !at)) at = strongest(key);
      else if ((x || y) && at) {
        const far = e.shiftKey ? 4 : 1;
        at = {
          x: clamp(at.x + x * far * step[1], 0, width - 1),
          y: clamp(at.y + y * far * step[0], 0, height - 1),
        };
      } else return;
      e.preventDefault();
      show();
    });
  }
  section.querySelectorAll("input[name=class]").forEach((input) => {
    const radio = /** @type {HTMLInputElement} */ (input);
    radio.disabled = !grid;
    radio.addEventListener("change", () => choose(Number(radio.value)));
  });
  show();
}
