// Where everything is on the screen: a world from 0 to 1, the view of it, and which thumbnails do not cover each other.

/** @typedef {{x: number, y: number, scale: number}} View the world's middle of the screen, and pixels for one world */

/** The view in which everything is seen. @param {Float32Array} world x, y one after the other @param {number} width @param {number} height @param {number} border */
function fitted(world, width, height, border) {
  let [left, right, top, bottom] = [Infinity, -Infinity, Infinity, -Infinity];
  for (let i = 0; i < world.length; i += 2) {
    left = Math.min(left, world[i]);
    right = Math.max(right, world[i]);
    top = Math.min(top, world[i + 1]);
    bottom = Math.max(bottom, world[i + 1]);
  }
  const across = Math.max((width - 2 * border) / Math.max(right - left, 1e-6), 1);
  const down = Math.max((height - 2 * border) / Math.max(bottom - top, 1e-6), 1);
  return { x: (left + right) / 2, y: (top + bottom) / 2, scale: Math.min(across, down, 4 * Math.max(width, height)) };
}

/**
 * Which squares of width `side` do not cover each other, taken in the order of `order`.
 * @param {Float32Array} world @param {number} side in world units @param {Iterable<number>} order
 */
function apart(world, side, order) {
  const shown = new Uint8Array(world.length / 2);
  /** @type {Map<number, number[]>} */
  const taken = new Map();
  const key = (/** @type {number} */ a, /** @type {number} */ b) => (a + 100000) * 1000003 + b;
  for (const i of order) {
    const [x, y] = [world[2 * i], world[2 * i + 1]];
    const [column, row] = [Math.floor(x / side), Math.floor(y / side)];
    let free = true;
    for (let a = -1; free && a <= 1; a++) {
      for (let b = -1; free && b <= 1; b++) {
        for (const j of taken.get(key(column + a, row + b)) ?? []) {
          if (Math.abs(world[2 * j] - x) < side && Math.abs(world[2 * j + 1] - y) < side) {
            free = false;
            break;
          }
        }
      }
    }
    if (!free) continue;
    shown[i] = 1;
    const place = key(column, row);
    const list = taken.get(place);
    if (list) list.push(i);
    else taken.set(place, [i]);
  }
  return shown;
}

/** The nearest picture in a direction. @param {Float32Array} world @param {number} from @param {number} dx @param {number} dy */
function toward(world, from, dx, dy) {
  let [best, cost] = [-1, Infinity];
  for (let i = 0; i < world.length / 2; i++) {
    const x = world[2 * i] - world[2 * from];
    const y = world[2 * i + 1] - world[2 * from + 1];
    const along = x * dx + y * dy;
    const aside = Math.abs(x * dy - y * dx);
    if (i === from || along <= 0 || aside > 2 * along) continue;
    if (along + 2 * aside < cost) [best, cost] = [i, along + 2 * aside];
  }
  return best;
}
