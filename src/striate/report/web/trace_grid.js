// Grids of numbers as SVG: a cell a number, shaded by sign and size, the number itself where there is room.

const SVG = "http://www.w3.org/2000/svg";

/** @param {string} name @param {Record<string, string | number>} attributes */
function draw(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  return element;
}

/** A number as short as it can be said. @param {number | null} value */
function say(value) {
  if (value === null || value === undefined) return "";
  const text = Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(3)));
  return text.replaceAll("-", "−");
}

/** The side of a cell that lets `columns` of them fit. @param {number} columns @param {number} longest */
function cellSide(columns, longest) {
  const room = Math.min(columns > 12 ? 420 : 560, Math.max(document.documentElement.clientWidth - 48, 200));
  const wide = Math.max(30, 10 + 7.4 * longest);
  const side = Math.min(wide, room / columns);
  return side < 22 ? Math.max(Math.floor(side), 6) : side;
}

/**
 * The side of a cell that suits all maps of a board. Cells too small for their numbers get smaller still where all maps that are
 * shown can stand side by side then.
 * @param {(number | null)[][][]} maps @param {number} shown
 */
function commonSide(maps, shown = 1) {
  const longest = Math.max(...maps.flat(2).filter((v) => v !== null).map((v) => say(v).length), 1);
  const columns = maps[0][0].length, side = cellSide(columns, longest);
  if (shown < 2 || hasRoom(side, longest)) return side;
  const room = /** @type {HTMLElement} */ (document.getElementById("stage")).clientWidth - 16 * shown;
  const fits = Math.floor(room / shown / columns);
  return fits < 10 ? side : Math.min(side, fits);
}

/** Whether a number fits into its cell. @param {number} cell @param {number} longest */
const hasRoom = (cell, longest) => cell >= 22 && longest * 6.4 <= cell + 2;

/**
 * One map of numbers.
 * @param {(number | null)[][]} rows
 * @param {{scale?: number, isPad?: (y: number, x: number) => boolean, label: string, onPick?: (y: number, x: number) => void, side?: number}} options
 */
function grid(rows, { scale, isPad = () => false, label, onPick, side }) {
  const height = rows.length, width = rows[0].length;
  const values = rows.flat().filter((v) => v !== null);
  const most = scale ?? Math.max(...values.map(Math.abs), 1e-12);
  const longest = Math.max(...values.map((v) => say(v).length), 1);
  const cell = side ?? cellSide(width, longest);
  const shown = hasRoom(cell, longest);
  const svg = draw("svg", { width: width * cell + 2, height: height * cell + 2, viewBox: `-1 -1 ${width * cell + 2} ${height * cell + 2}`, role: "img", "aria-label": label });
  const figures = [], tones = [];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const value = rows[y][x], pad = isPad(y, x), place = { x: x * cell, y: y * cell, width: cell, height: cell };
      if (cell >= 10 || pad) svg.append(draw("rect", { ...place, class: pad ? "cell pad" : "cell", fill: pad ? "" : "none" }));
      const strength = value === null ? 0 : Math.abs(value) / most;
      const tone = draw("rect", { ...place, class: `tone ${value !== null && value < 0 ? "minus" : "plus"}`, opacity: (0.62 * strength).toFixed(3) });
      const title = draw("title", {});
      title.textContent = `(${y}, ${x}): ${say(value) || "nothing"}`;
      tone.append(title);
      if (onPick) {
        tone.classList.add("hit");
        tone.addEventListener("click", () => onPick(y, x));
      }
      tones.push(tone);
      svg.append(tone);
      if (shown) {
        const figure = draw("text", { x: (x + 0.5) * cell, y: (y + 0.5) * cell, class: `figure${longest * 7.4 > cell - 4 ? " small" : ""}${pad ? " pad" : ""}` });
        figure.textContent = say(value);
        figures.push(figure);
        svg.append(figure);
      } else figures.push(null);
    }
  }
  const marks = draw("g", {});
  svg.append(marks);
  return {
    svg,
    cell,
    /** Outline cells. @param {[number, number][]} places */
    mark(places) {
      marks.replaceChildren(...places.map(([y, x]) => draw("rect", { x: x * cell, y: y * cell, width: cell, height: cell, class: "under" })));
    },
    /** Outline one box. @param {number} y @param {number} x @param {number} h @param {number} w */
    box(y, x, h, w) {
      marks.replaceChildren(draw("rect", { x: x * cell, y: y * cell, width: w * cell, height: h * cell, class: "under" }));
    },
    clear() { marks.replaceChildren(); },
    /** Show the first `count` cells, the rest not yet. @param {number} count */
    reveal(count) {
      for (let i = 0; i < tones.length; i++) {
        tones[i].classList.toggle("waiting", i >= count);
        figures[i]?.classList.toggle("waiting", i >= count);
      }
    },
  };
}

/** Maps with a heading. @param {string} title @param {string} note @param {Element[]} maps */
function board(title, note, maps) {
  const figure = document.createElement("div");
  figure.className = "board";
  const heading = document.createElement("h3");
  heading.textContent = title + " ";
  const quiet = document.createElement("span");
  quiet.textContent = note;
  heading.append(quiet);
  const holder = document.createElement("div");
  holder.className = "maps";
  holder.append(...maps);
  figure.append(heading, holder);
  return figure;
}

/** @param {string} text */
function operator(text) {
  const element = document.createElement("span");
  element.className = "operator";
  element.textContent = text;
  return element;
}
