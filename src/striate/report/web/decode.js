// Numbers and colors: unpack the maps, say values as the page says them, and tint a photo as `striate.draw` does.

/**
 * @typedef {{shape: number[], low: number, step: number, bits: 8|16, data: string}} Packed
 * @typedef {{shape: number[], values: Float32Array}} Values
 */

/** Inverse of `striate.report.embed.pack`. @param {Packed} packed @returns {Promise<Values>} */
async function unpack(packed) {
  const bytes = Uint8Array.from(atob(packed.data), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  const planes = new Uint8Array(await new Response(stream).arrayBuffer());
  const count = packed.shape.reduce((a, b) => a * b, 1);
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    const code = planes[i] + (packed.bits === 16 ? 256 * planes[count + i] : 0);
    values[i] = packed.low + packed.step * code;
  }
  return { shape: packed.shape, values };
}

/** As `format_percent`. @param {number} p */
function percent(p) {
  const v = 100 * p;
  if (v > 0 && v < 0.1) return "<\u00a00.1\u00a0%";
  if (v > 99.9 && v < 100) return ">\u00a099.9\u00a0%";
  if (v < 9.95 || (v >= 99 && v < 100)) return v > 0 ? `${v.toFixed(1)}\u00a0%` : "0\u00a0%";
  return `${v.toFixed(0)}\u00a0%`;
}

/** As `format_value`: three significant digits. @param {number} v */
function number(v) {
  if (v === 0) return "0";
  const size = Math.abs(v);
  if (size < 0.0009995 || size >= 9999.5) {
    const [mantissa, exponent] = v.toExponential(2).split("e");
    return `${mantissa}e${Number(exponent)}`.replaceAll("-", "−");
  }
  let decimals = Math.max(0, 2 - Math.floor(Math.log10(size)));
  if (size.toFixed(decimals).replace(".", "").replace(/^0+/, "").length > 3) decimals = Math.max(0, decimals - 1);
  return v.toFixed(decimals).replace("-", "−");
}

/** A value as its score is said. @param {number} v @param {string} score */
const say = (v, score) => (score === "probability" ? percent(v) : number(v));

/** Index of a value's color. @param {number} v @param {number[]} limits */
function place(v, [low, high]) {
  return Math.min(255, Math.floor(256 * Math.min(1, Math.max(0, (v - low) / (high - low)))));
}

/** Symmetric limits of signed values, or 0 to the largest. @param {Float32Array} values @param {boolean} signed */
function limitsOf(values, signed) {
  let top = 0;
  for (const v of values) top = Math.max(top, signed ? Math.abs(v) : v);
  top ||= 1;
  return signed ? [-top, top] : [0, top];
}

const toLinear = (/** @type {number} */ x) => (x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
const fromLinear = (/** @type {number} */ x) => (x <= 0.0031308 ? x * 12.92 : 1.055 * x ** (1 / 2.4) - 0.055);

/** sRGB bytes to OKLab. @param {number} red @param {number} green @param {number} blue */
function toOklab(red, green, blue) {
  const [r, g, b] = [toLinear(red / 255), toLinear(green / 255), toLinear(blue / 255)];
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

/** OKLab to sRGB bytes, cut at the limits of the screen. @param {number} L @param {number} a @param {number} b */
function fromOklab(L, a, b) {
  const l = (L + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (L - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (L - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ].map((x) => 255 * fromLinear(Math.min(1, Math.max(0, x))));
}

/**
 * Draw a map twice: over the photo (as `draw.overlay`) and alone (as `draw.colorize`). A value that is NaN leaves the
 * photo grey, and the map alone empty.
 * @param {HTMLCanvasElement} tint @param {HTMLCanvasElement} raw @param {ImageData} photo @param {Float32Array} values
 * @param {number[]} table @param {number[]} limits @param {{lightness: number[], share: number}} overlay
 */
function drawMap(tint, raw, photo, values, table, limits, overlay) {
  const { width, height, data } = photo;
  const over = new ImageData(width, height);
  const alone = new ImageData(width, height);
  const labs = Array.from({ length: 256 }, (_, i) => toOklab(table[3 * i], table[3 * i + 1], table[3 * i + 2]));
  const [low, high] = overlay.lightness;
  for (let i = 0; i < values.length; i++) {
    const at = 4 * i;
    const shade = low + (high - low) * toOklab(data[at], data[at + 1], data[at + 2])[0];
    if (Number.isNaN(values[i])) {
      over.data.set([...fromOklab(shade, 0, 0), 255], at);
      continue;
    }
    const color = place(values[i], limits);
    const [L, a, b] = labs[color];
    over.data.set([...fromOklab((1 - overlay.share) * shade + overlay.share * L, a, b), 255], at);
    alone.data.set([table[3 * color], table[3 * color + 1], table[3 * color + 2], 255], at);
  }
  for (const [canvas, image] of /** @type {[HTMLCanvasElement, ImageData][]} */ ([[tint, over], [raw, alone]])) {
    canvas.width = width;
    canvas.height = height;
    /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d")).putImageData(image, 0, 0);
  }
}

/** The pixels of the picture that the network saw. @param {HTMLImageElement} image @param {number} width @param {number} height */
async function pixelsOf(image, width, height) {
  await image.decode();
  const canvas = new OffscreenCanvas(width, height);
  const pen = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
  pen.drawImage(image, 0, 0, width, height);
  return pen.getImageData(0, 0, width, height);
}

/**
 * The mean of `drop` over the windows that cover each pixel, as `insight.spread_windows`.
 * @param {Float32Array} drop `gh gw` @param {number[]} grid @param {number[]} window @param {number[]} stride
 * @param {number} height @param {number} width
 */
function spread(drop, grid, window, stride, height, width) {
  const total = new Float64Array(height * width);
  const count = new Uint16Array(height * width);
  for (let i = 0; i < grid[0]; i++) {
    for (let j = 0; j < grid[1]; j++) {
      const value = drop[i * grid[1] + j];
      for (let y = i * stride[0]; y < Math.min(height, i * stride[0] + window[0]); y++) {
        for (let x = j * stride[1]; x < Math.min(width, j * stride[1] + window[1]); x++) {
          total[y * width + x] += value;
          count[y * width + x]++;
        }
      }
    }
  }
  return Float32Array.from(total, (sum, i) => (count[i] ? sum / count[i] : 0));
}

const clamp = (/** @type {number} */ v, /** @type {number} */ low, /** @type {number} */ high) => Math.min(high, Math.max(low, v));

/** The pixel under the pointer. @param {PointerEvent} event @param {Element} element @param {number} width @param {number} height */
function pixelAt(event, element, width, height) {
  const box = element.getBoundingClientRect();
  return {
    x: clamp(Math.floor(((event.clientX - box.left) / box.width) * width), 0, width - 1),
    y: clamp(Math.floor(((event.clientY - box.top) / box.height) * height), 0, height - 1),
  };
}

/** Rectangles and crosses on a picture, with a halo that shows on any color. @param {Element} svg @param {string[]} paths */
function mark(svg, paths) {
  svg.replaceChildren(
    ...["halo", "line"].flatMap((name) =>
      paths.map((d) => {
        const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
        path.setAttribute("d", d);
        path.setAttribute("class", name);
        return path;
      }),
    ),
  );
}

const box = (/** @type {number} */ x, /** @type {number} */ y, /** @type {number} */ w, /** @type {number} */ h) =>
  `M${x} ${y}h${w}v${h}h${-w}z`;

/** Move a scale's needle to a value, or hide it. @param {Element} scale @param {number[]} limits @param {number|null} value */
function point(scale, limits, value) {
  const needle = /** @type {HTMLElement} */ (scale.querySelector(".needle"));
  needle.hidden = value === null;
  if (value !== null) needle.style.left = `${100 * clamp((value - limits[0]) / (limits[1] - limits[0]), 0, 1)}%`;
}

/** Renew a scale's numbers. @param {Element} scale @param {number[]} limits */
function tick(scale, limits) {
  const spans = scale.querySelectorAll(".ticks span");
  [limits[0], (limits[0] + limits[1]) / 2, limits[1]].forEach((v, i) => (spans[i].textContent = number(v)));
}

/** An element's content: text and bold numbers, never markup. @param {Element} element @param {(string|[string])[]} parts */
function write(element, ...parts) {
  element.replaceChildren(
    ...parts.map((part) => {
      if (typeof part === "string") return part;
      const bold = document.createElement("b");
      bold.textContent = part[0];
      return bold;
    }),
  );
}
