// The other maps: each says its number where the pointer is, and all mark the same place.

/** @param {any} data @param {any} page */
async function startWays(data, page) {
  const section = document.querySelector("#ways");
  if (!section || !data) return;
  const { height, width, block } = page;
  const across = Math.ceil(width / block);
  /** @type {Record<string, Values>} */
  const maps = {};
  for (const key of Object.keys(data.maps)) maps[key] = await unpack(data.maps[key]);
  const plates = Object.fromEntries(
    [...section.querySelectorAll(".plate")].map((p) => [/** @type {HTMLElement} */ (p).dataset.map ?? "", p]),
  );
  const valueAt = (/** @type {string} */ key, /** @type {{x: number, y: number}} */ p) =>
    maps[key].values[Math.floor(p.y / block) * across + Math.floor(p.x / block)];
  const strongest = (/** @type {string} */ key) => {
    const { values } = maps[key];
    const best = values.reduce((top, v, i) => (v > values[top] ? i : top), 0);
    return { x: (best % across) * block, y: Math.floor(best / across) * block };
  };
  /** @type {{x: number, y: number}|null} */
  let at = null;

  function show() {
    for (const [key, plate] of Object.entries(plates)) {
      const readout = /** @type {Element} */ (plate.querySelector(".readout"));
      const marks = /** @type {Element} */ (plate.querySelector(".marks"));
      const here = at ?? strongest(key);
      const value = valueAt(key, here);
      point(/** @type {Element} */ (plate.querySelector(".scale")), data.limits[key], at && value);
      if (at) {
        mark(marks, [`M${at.x + 0.5} ${at.y - 5}v11M${at.x - 5} ${at.y + 0.5}h11`]);
        write(readout, [number(value)], ` at row ${at.y}, column ${at.x}.`);
      } else {
        marks.replaceChildren();
        write(readout, "Largest: ", [number(value)], ` at row ${here.y}, column ${here.x}.`);
      }
    }
  }

  for (const [key, plate] of Object.entries(plates)) {
    const picture = /** @type {HTMLElement} */ (plate.querySelector(".picture"));
    const readout = /** @type {Element} */ (plate.querySelector(".readout"));
    const move = (/** @type {PointerEvent} */ e) => {
      at = pixelAt(e, picture, width, height);
      show();
    };
    picture.addEventListener("focus", () => readout.setAttribute("aria-live", "polite"));
    picture.addEventListener("blur", () => readout.setAttribute("aria-live", "off"));
    picture.addEventListener("pointermove", move);
    picture.addEventListener("pointerdown", move);
    picture.addEventListener("pointerleave", (e) => {
      if (e.pointerType !== "mouse") return; // a finger that lifts leaves its reading
      at = null;
      show();
    });
    picture.addEventListener("keydown", (e) => {
      const [y, x] = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[e.key] ?? [0, 0];
      if (e.key === "Escape") at = null;
      else if (e.key === "Home" || ((x || y) && !at)) at = strongest(key);
      else if ((x || y) && at) {
        const far = e.shiftKey ? 4 : 1;
        at = { x: clamp(at.x + x * far, 0, width - 1), y: clamp(at.y + y * far, 0, height - 1) };
      } else return;
      e.preventDefault();
      show();
    });
  }
  show();
}
