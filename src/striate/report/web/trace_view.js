// One view a kind of layer: what is on the boards, and what a place of it shows.
// A view has `count` places, `show(place)` which returns the sentence, and `step(place)`, the number of the step it is.

const peak = (/** @type {any} */ values) => Math.max(...[values].flat(Infinity).filter((v) => v !== null).map(Math.abs), 1e-12);
const bracket = (/** @type {number} */ v) => (v < 0 ? `(${say(v)})` : say(v));
const times = (/** @type {any[]} */ a) => { const shape = []; for (let b = a; Array.isArray(b); b = b[0]) shape.push(b.length); return shape.join("×"); };

/** Terms of a sum, cut where they would fill the page. @param {string[]} terms */
function sum(terms) {
  return terms.length <= 27 ? terms.join(" + ") : `${terms.slice(0, 8).join(" + ")} + … + ${terms[terms.length - 1]} (${terms.length} products)`;
}

/** @param {any} layer @param {number} place */
function locate(layer, place) {
  const rows = layer.output[0].length, columns = layer.output[0][0].length;
  return { map: Math.floor(place / (rows * columns)), y: Math.floor(place / columns) % rows, x: place % columns };
}

/** @param {any} layer @param {number} y @param {number} x @param {number[]} kernel */
function under(layer, y, x, kernel) {
  const places = [];
  for (let k = 0; k < kernel[0]; k++)
    for (let l = 0; l < kernel[1]; l++) places.push([y * layer.stride[0] + k * layer.dilation[0], x * layer.stride[1] + l * layer.dilation[1]]);
  return /** @type {[number, number][]} */ (places);
}

/** Whether a place of the padded map is padding. @param {any} layer */
function padding(layer) {
  const [[top], [left]] = layer.padding, rows = layer.input[0].length, columns = layer.input[0][0].length;
  return (/** @type {number} */ y, /** @type {number} */ x) => y < top || x < left || y >= top + rows || x >= left + columns;
}

/** @param {any} layer @param {(place: number) => void} go @param {Element} stage */
function convolutionView(layer, go, stage) {
  const size = [layer.output.length, layer.output[0].length, layer.output[0][0].length];
  const per = size[1] * size[2], kernel = [layer.weight[0][0].length, layer.weight[0][0][0].length];
  const channels = layer.weight[0].length, perGroup = size[0] / layer.groups;
  const scale = peak(layer.padded), weights = peak(layer.weight), outputs = peak(layer.output);
  let filter = -1, inputs = [], kernels = [], products = [], output = null;
  function rebuild(chosen) {
    filter = chosen;
    const first = Math.floor(filter / perGroup) * channels;
    const isPad = padding(layer), side = commonSide(layer.padded, channels), kernelSide = commonSide(layer.weight.flat());
    inputs = layer.padded.slice(first, first + channels).map((map, c) => grid(map, { scale, isPad, side, label: `input channel ${first + c} with its padding` }));
    kernels = layer.weight[filter].map((map, c) => grid(map, { scale: weights, side: kernelSide, label: `filter ${filter}, channel ${c}` }));
    products = layer.weight[filter].map((map, c) => grid(map.map((row) => row.map(() => 0)), { label: `products of channel ${c}`, side: kernels[0].cell + 14 }));
    output = grid(layer.output[filter], { scale: outputs, side: commonSide(layer.output), label: `output of filter ${filter}`, onPick: (y, x) => go(filter * per + y * size[2] + x) });
    const [[top, bottom], [left, right]] = layer.padding;
    const pads = top + bottom + left + right ? ` · padding ${top === bottom && left === right && top === left ? top : `${top}, ${bottom}, ${left}, ${right}`}, dashed` : "";
    const group = layer.groups > 1 ? ` · channels ${first} to ${first + channels - 1} of ${layer.padded.length}` : "";
    stage.replaceChildren(
      board("Input", times(layer.input) + pads + group, inputs.map((g) => g.svg)),
      operator("⋆"),
      board(`Filter ${filter}`, `${times(layer.weight[filter])} · bias ${say(layer.bias[filter])}`, kernels.map((g) => g.svg)),
      operator("→"),
      board("Products", "window × filter", products.map((g) => g.svg)),
      operator("→"),
      board("Output", `${times(layer.output)}, map ${filter}`, [output.svg]),
    );
  }
  return {
    count: size[0] * per,
    filters: size[0],
    step: () => 4,
    filterOf: (place) => Math.floor(place / per),
    show(place) {
      const { map, y, x } = locate(layer, place);
      if (map !== filter) rebuild(map);
      const places = under(layer, y, x, kernel), first = Math.floor(filter / perGroup) * channels;
      const terms = [];
      inputs.forEach((g, c) => {
        g.mark(places);
        const rows = [];
        layer.weight[filter][c].forEach((row, k) => {
          rows.push(row.map((w, l) => {
            const [r, s] = places[k * kernel[1] + l], value = layer.padded[first + c][r][s];
            terms.push(`${bracket(value)}·${bracket(w)}`);
            return value * w;
          }));
        });
        const fresh = grid(rows, { label: `products of channel ${c}`, side: products[c].cell });
        products[c].svg.replaceWith(fresh.svg);
        products[c] = fresh;
      });
      output.reveal(y * size[2] + x + 1);
      output.box(y, x, 1, 1);
      const bias = layer.bias[filter] ? ` + ${bracket(layer.bias[filter])} (bias)` : "";
      return [`Rows ${[...new Set(places.map((p) => p[0]))].join(", ")}, columns ${[...new Set(places.map((p) => p[1]))].join(", ")}: `, `${sum(terms)}${bias} = `, say(layer.output[filter][y][x]), `, written to (${y}, ${x}) of filter ${filter}.`];
    },
  };
}

/** The same convolution as a matrix product, one row a place. @param {any} layer @param {(place: number) => void} go @param {Element} stage */
function linearView(layer, go, stage) {
  const filters = layer.output.length, rows = layer.output[0].length, columns = layer.output[0][0].length;
  const kernel = [layer.weight[0][0].length, layer.weight[0][0][0].length];
  const patches = [];
  for (let y = 0; y < rows; y++)
    for (let x = 0; x < columns; x++) patches.push(layer.padded.flatMap((map) => under(layer, y, x, kernel).map(([r, s]) => map[r][s])));
  const weight = layer.weight.map((filter) => filter.flat(2));
  const table = patches[0].map((_, i) => weight.map((column) => column[i]));
  const answers = patches.map((_, at) => layer.output.map((map) => map[Math.floor(at / columns)][at % columns]));
  const left = grid(patches, { label: "patches, one row a place", onPick: (y) => go(y) });
  const middle = grid(table, { label: "weights, one column a filter" });
  const right = grid(answers, { label: "output, one row a place", onPick: (y) => go(y) });
  stage.replaceChildren(
    board("Patches", `${patches.length}×${patches[0].length}: one row a place`, [left.svg]),
    operator("×"),
    board("Weights", `${table.length}×${filters}: one column a filter`, [middle.svg]),
    operator("+ b ="),
    board("Output", `${answers.length}×${filters}`, [right.svg]),
  );
  return {
    count: patches.length,
    filters: 0,
    step: () => 0,
    filterOf: () => 0,
    show(place) {
      left.box(place, 0, 1, patches[0].length);
      middle.box(0, 0, table.length, filters);
      right.box(place, 0, 1, filters);
      right.reveal((place + 1) * filters);
      return [`Place (${Math.floor(place / columns)}, ${place % columns}): the ${patches[0].length} numbers under the window, in one row, times the same weights, plus the bias ${layer.bias.map(say).join(", ")}, give `, "", answers[place].map(say).join(", "), filters > 1 ? `: one number for each of ${filters} filters.` : "."];
    },
  };
}

/** @param {any} layer @param {(place: number) => void} go @param {Element} stage */
function poolingView(layer, go, stage) {
  const size = [layer.output.length, layer.output[0].length, layer.output[0][0].length], per = size[1] * size[2];
  const scale = Math.max(peak(layer.input), peak(layer.output)), word = { max: "max", min: "min", average: "mean", lp: "norm" }[layer.pooling];
  let channel = -1, input = null, output = null;
  const ends = [0, 1].map((axis) => layer.padding[axis][0] + layer.padding[axis][1] + (axis ? layer.input[0][0] : layer.input[0]).length);
  /** What an average divides by beside the numbers: padding, but nothing beyond it. @param {[number, number][]} places @param {number} numbers */
  const zeros = (places, numbers) => {
    const more = layer.pooling === "average" ? places.filter(([r, s]) => r < ends[0] && s < ends[1]).length - numbers : 0;
    return more ? `${more} ${more > 1 ? "zeros" : "zero"} of the padding` : "";
  };
  return {
    count: size[0] * per,
    filters: size[0],
    step: () => 3,
    filterOf: (place) => Math.floor(place / per),
    show(place) {
      const { map, y, x } = locate(layer, place);
      if (map !== channel) {
        channel = map;
        input = grid(layer.padded[map], { scale, isPad: padding(layer), side: commonSide(layer.padded), label: `input channel ${map}` });
        output = grid(layer.output[map], { scale, side: commonSide(layer.output), label: `output channel ${map}`, onPick: (r, s) => go(map * per + r * size[2] + s) });
        stage.replaceChildren(board("Input", `${times(layer.input)}, channel ${map}`, [input.svg]), operator(`${word} →`), board("Output", `${times(layer.output)}, channel ${map}`, [output.svg]));
      }
      const places = under(layer, y, x, layer.kernel_size);
      const seen = places.map(([r, s]) => layer.padded[map][r][s]).filter((v) => v !== null).map(say);
      input.mark(places);
      output.reveal(y * size[2] + x + 1);
      output.box(y, x, 1, 1);
      const shown = seen.length <= 27 ? seen.join(", ") : `${seen.slice(0, 8).join(", ")}, … (${seen.length} numbers)`;
      return ["", `${word}(${[shown, zeros(places, seen.length)].filter(Boolean).join(" and ")}) = `, say(layer.output[map][y][x]), `, written to (${y}, ${x}) of channel ${map}.`];
    },
  };
}

/** A row of numbers in lines of at most `wide`. @param {number[]} values */
function wrapped(values, wide = 16) {
  const columns = Math.min(values.length, wide), rows = [];
  for (let i = 0; i < values.length; i += columns) rows.push(Array.from({ length: columns }, (_, j) => values[i + j] ?? null));
  return { rows, columns };
}

/** Activation and flatten: each number by itself. @param {any} layer @param {(place: number) => void} go @param {Element} stage */
function elementView(layer, go, stage) {
  const flat = !Array.isArray(layer.input[0]);
  const maps = flat ? [wrapped(layer.input).rows] : layer.input, columns = maps[0][0].length, per = maps[0].length * columns;
  const isFlatten = layer.kind === "flatten", answers = isFlatten || flat ? [wrapped(layer.output).rows] : layer.output;
  const out = answers[0][0].length, scale = peak(layer.input);
  const total = layer.input.flat(Infinity).length;
  const side = commonSide(maps, maps.length), outSide = commonSide(answers, answers.length);
  const inputs = maps.map((map, c) => grid(map, { scale, side, label: `input ${c}`, onPick: (y, x) => go(c * per + y * columns + x) }));
  const outputs = answers.map((map, c) => grid(map, { scale: peak(layer.output), side: outSide, label: `output ${c}`, onPick: (y, x) => go(Math.min(isFlatten ? y * out + x : c * per + y * columns + x, total - 1)) }));
  stage.replaceChildren(
    board("Input", times(layer.input), inputs.map((g) => g.svg)),
    operator(isFlatten ? "→" : `${layer.function} →`),
    board("Output", isFlatten ? `${total} numbers in a row` : times(layer.output), outputs.map((g) => g.svg)),
  );
  const inNumbers = layer.input.flat(Infinity), outNumbers = layer.output.flat(Infinity);
  return {
    count: total,
    filters: 0,
    step: () => 0,
    filterOf: () => 0,
    show(place) {
      const c = Math.floor(place / per), y = Math.floor((place % per) / columns), x = place % columns;
      inputs.forEach((g) => g.clear());
      outputs.forEach((g) => g.clear());
      inputs[flat ? 0 : c].box(flat ? Math.floor(place / columns) : y, x, 1, 1);
      const at = isFlatten || flat ? 0 : c, row = isFlatten || flat ? Math.floor(place / out) : y;
      outputs[at].box(row, isFlatten || flat ? place % out : x, 1, 1);
      outputs.forEach((g, number) => g.reveal(answers.length === 1 ? place + 1 : number < c ? per : number === c ? y * columns + x + 1 : 0));
      if (isFlatten) return [`Channel ${c}, row ${y}, column ${x} is number `, "", String(place), ` of the row: ${say(inNumbers[place])}.`];
      return ["", `${layer.function}(${say(inNumbers[place])}) = `, say(outNumbers[place]), "."];
    },
  };
}

/** @param {any} layer @param {(place: number) => void} go @param {Element} stage @param {number[] | null} probabilities */
function fullView(layer, go, stage, probabilities) {
  const outputs = layer.output.length, shape = layer.shape, asMaps = shape[1] * shape[2] > 1;
  const per = shape[1] * shape[2];
  const fold = (values) => Array.from({ length: shape[0] }, (_, c) => Array.from({ length: shape[1] }, (_, y) => values.slice(c * per + y * shape[2], c * per + (y + 1) * shape[2])));
  const maps = asMaps ? fold(layer.input) : [wrapped(layer.input).rows];
  const scale = peak(layer.input), weights = peak(layer.weight);
  const side = commonSide(maps, maps.length);
  const inputs = maps.map((map, c) => grid(map, { scale, side, label: `input ${c}` }));
  const wide = outputs > 16 ? 16 : 1;  // few outputs in a column, many in lines
  const answers = grid(wrapped(layer.output, wide).rows, { label: "output", onPick: (y, x) => go(Math.min(y * wide + x, outputs - 1)) });
  let holder = null;
  stage.replaceChildren(
    board("Input", asMaps ? `${shape.join("×")}, as it was before the flatten` : `${layer.input.length} numbers`, inputs.map((g) => g.svg)),
    operator("⋆"),
    (holder = board("Weights", "", [])),
    operator("→"),
    board("Output", `${outputs} numbers`, [answers.svg]),
  );
  if (probabilities) {
    const bars = document.createElement("ol");
    bars.className = "bars logits";
    probabilities.forEach((p, k) => {
      const item = document.createElement("li");
      item.innerHTML = '<span class="name"></span><span class="track"><span></span></span><span class="number"></span>';
      item.children[0].textContent = `class ${k}, logit ${say(layer.output[k])}`;
      /** @type {HTMLElement} */ (item.children[1].firstChild).style.width = `${100 * p}%`;
      item.children[2].textContent = `${(100 * p).toFixed(1)} %`;
      if (p === Math.max(...probabilities)) item.className = "first";
      bars.append(item);
    });
    stage.append(bars);
  }
  return {
    count: outputs,
    filters: 0,
    step: () => 0,
    filterOf: () => 0,
    show(place) {
      const row = layer.weight[place], pictures = (asMaps ? fold(row) : [wrapped(row).rows]).map((map, c) => grid(map, { scale: weights, side, label: `weights ${c}` }));
      const fresh = board(`Weights of output ${place}`, `${asMaps ? `a filter ${shape.join("×")} over the whole map` : `${row.length} numbers`} · bias ${say(layer.bias[place])}`, pictures.map((g) => g.svg));
      holder.replaceWith(fresh);
      holder = fresh;
      answers.reveal(place + 1);
      answers.box(Math.floor(place / wide), place % wide, 1, 1);
      const bias = layer.bias[place] ? ` + ${bracket(layer.bias[place])} (bias)` : "";
      const as = asMaps ? " The same number as a convolution whose filter covers the whole map." : "";
      return [`Output ${place}: `, `${sum(layer.input.map((v, i) => `${bracket(v)}·${bracket(row[i])}`))}${bias} = `, say(layer.output[place]), `.${as}`];
    },
  };
}
