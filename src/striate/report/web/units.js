// Unit cards: the number under the pointer, and the sheet with one map over the picture and what a unit there sees.

/** @param {any[]} stages @param {any} page */
async function startUnits(stages, page) {
  const sheet = /** @type {HTMLDialogElement|null} */ (document.querySelector("#unit-sheet"));
  if (!sheet) return;
  const maps = await Promise.all(stages.map((s) => unpack(s.maps)));
  const valueAt = (/** @type {number} */ s, /** @type {number} */ k, /** @type {number} */ y, /** @type {number} */ x) => {
    const [, h, w] = maps[s].shape;
    return maps[s].values[(k * h + y) * w + x];
  };

  for (const card of document.querySelectorAll(".unit")) {
    const button = /** @type {HTMLElement} */ (card.querySelector("button"));
    const output = /** @type {Element} */ (card.querySelector("output"));
    const [s, k] = [Number(button.dataset.stage), Number(button.dataset.unit)];
    const rest = output.textContent ?? "";
    button.addEventListener("pointermove", (e) => {
      const [, h, w] = maps[s].shape;
      const { x, y } = pixelAt(e, button, w, h);
      write(output, [number(valueAt(s, k, y, x))], ` @${y * stages[s].every},${x * stages[s].every}`);
    });
    button.addEventListener("pointerleave", () => write(output, rest));
    button.addEventListener("click", () => open(s, k));
  }

  const picture = /** @type {HTMLElement} */ (sheet.querySelector(".picture"));
  const [tint, raw] = /** @type {HTMLCanvasElement[]} */ ([...sheet.querySelectorAll("canvas")]);
  const marks = /** @type {Element} */ (sheet.querySelector(".marks"));
  const find = (/** @type {string} */ id) => /** @type {HTMLElement} */ (sheet.querySelector(`#${id}`));
  const { height, width, block } = page;
  let [stage, unit] = [0, 0];
  let at = { y: 0, x: 0 };

  /** Where the cells of a map lie in the picture: each around the center of what its unit sees. @param {number} axis */
  function cells(axis) {
    const field = stages[stage].field;
    const extent = [height, width][axis];
    const count = maps[stage].shape[axis + 1];
    if (!field || !field.stride[axis]) return { first: 0, step: extent / count };
    const step = field.stride[axis];
    return { first: field.start[axis] + field.size[axis] / 2 - step / 2, step: step * stages[stage].every };
  }

  async function open(/** @type {number} */ s, /** @type {number} */ k) {
    [stage, unit] = [s, k];
    const { address, channels, colormap, limits } = stages[s];
    const [, h, w] = maps[s].shape;
    const [down, across] = [cells(0), cells(1)];
    let best = -Infinity;
    for (let y = 0; y < h; y++) for (let x = 0; x < w; x++) if (valueAt(s, k, y, x) > best) { best = valueAt(s, k, y, x); at = { y, x }; }
    const [rows, columns] = [Math.ceil(height / block), Math.ceil(width / block)];
    const values = new Float32Array(rows * columns).fill(NaN);
    for (let py = 0; py < rows; py++) {
      const y = Math.floor(((py + 0.5) * block - down.first) / down.step);
      if (y < 0 || y >= h) continue;
      for (let px = 0; px < columns; px++) {
        const x = Math.floor(((px + 0.5) * block - across.first) / across.step);
        if (x >= 0 && x < w) values[py * columns + px] = valueAt(s, k, y, x);
      }
    }
    drawMap(tint, raw, await page.seen(), values, page.colormaps[colormap], limits, page.overlay);
    find("unit-address").textContent = `${address}:${channels[k]}`;
    const card = document.querySelector(`[data-stage="${s}"][data-unit="${k}"]`)?.closest(".stage");
    /** @type {HTMLImageElement} */ (sheet?.querySelector(".bar img")).src =
      /** @type {HTMLImageElement} */ (card?.querySelector(".bar img")).src;
    tick(find("unit-scale"), limits);
    show();
    if (!sheet?.open) sheet?.showModal();
    picture.focus({ preventScroll: true });
  }

  function show() {
    const { address, channels, field, limits, every } = stages[stage];
    const [down, across] = [cells(0), cells(1)];
    const value = valueAt(stage, unit, at.y, at.x);
    write(find("unit-value"), [number(value)], `${address}:${channels[unit]}@${at.y * every},${at.x * every}`);
    point(find("unit-scale"), limits, value);
    const cell = box(across.first + at.x * across.step, down.first + at.y * down.step, across.step, down.step);
    const paths = [cell];
    let words = "What a unit of this layer sees is not known.";
    if (field) {
      const [top, left] = [0, 1].map((i) => field.start[i] + [at.y, at.x][i] * every * field.stride[i]);
      paths.push(box(left, top, field.size[1], field.size[0]));
      const rows = [clamp(Math.floor(top), 0, height - 1), clamp(Math.ceil(top + field.size[0]) - 1, 0, height - 1)];
      const columns = [clamp(Math.floor(left), 0, width - 1), clamp(Math.ceil(left + field.size[1]) - 1, 0, width - 1)];
      words = `Sees rows ${rows.join("–")} and columns ${columns.join("–")} of the picture (the outer box)` +
        (field.whole ? ", and through gates all of it. " : ". ") +
        "Each cell is drawn around the center of what its unit sees.";
    }
    mark(marks, paths);
    find("unit-facts").textContent = words;
  }

  picture.addEventListener("pointermove", (e) => {
    const p = pixelAt(e, picture, width, height);
    const [, h, w] = maps[stage].shape;
    const [down, across] = [cells(0), cells(1)];
    at = {
      y: clamp(Math.floor((p.y + 0.5 - down.first) / down.step), 0, h - 1),
      x: clamp(Math.floor((p.x + 0.5 - across.first) / across.step), 0, w - 1),
    };
    show();
  });
  picture.addEventListener("keydown", (e) => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[e.key];
    if (!step) return;
    const [, h, w] = maps[stage].shape;
    at = { y: clamp(at.y + step[0], 0, h - 1), x: clamp(at.x + step[1], 0, w - 1) };
    e.preventDefault();
    show();
  });
  sheet.querySelectorAll("[data-step]").forEach((button) =>
    button.addEventListener("click", () => {
      const count = maps[stage].shape[0];
      open(stage, (unit + Number(/** @type {HTMLElement} */ (button).dataset.step) + count) % count);
    }),
  );
  sheet.addEventListener("click", (e) => e.target === sheet && sheet.close());
}
