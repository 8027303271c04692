// One trial after the other: a cross, the picture, noise, the answer. Every answer is saved before the next trial.

/** @param {string} id */
const at = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
const stage = { cross: at("cross"), picture: at("picture"), mask: at("mask"), ask: at("ask") };
const picture = /** @type {HTMLCanvasElement} */ (stage.picture);
const mask = /** @type {HTMLCanvasElement} */ (stage.mask);
const BREAK = 60; // trials between two offers of a break
const TOLD_MS = 1100;

history.replaceState(null, "", "/"); // the token was for one use; it need not stand in the address

/** @type {any} */
let study = null;
let wantsPause = false;
let sinceBreak = 0;
/** The trial that waits for an answer. @type {null | { onset: number, interrupted: boolean, take: (choice: number, time: number) => void }} */
let open = null;
/** Pictures that were asked for, by position. @type {Map<number, Promise<ImageBitmap>>} */
const fetched = new Map();

const wait = (/** @type {number} */ ms) => new Promise((done) => setTimeout(done, ms));
const frame = () => /** @type {Promise<number>} */ (new Promise((done) => requestAnimationFrame(done)));

/** @param {string} path @param {any} [body] */
async function ask(path, body) {
  const options = body === undefined ? {} : { method: "POST", headers: { "Content-Type": "application/json", "X-Striate": "label" }, body: JSON.stringify(body) };
  const answer = await fetch(path, { ...options, cache: "no-store" });
  if (answer.status === 403 || answer.status === 421) throw new Error("gone");
  return { status: answer.status, told: await answer.json() };
}

/** @param {number} position */
function fetchPicture(position) {
  let promise = fetched.get(position);
  if (!promise) {
    promise = fetch(`/picture/${position}`, { cache: "no-store" }).then(async (answer) => {
      if (!answer.ok) throw new Error("picture");
      return createImageBitmap(await answer.blob());
    });
    promise.catch(() => fetched.delete(position));
    fetched.set(position, promise);
  }
  return promise;
}

/** @param {keyof typeof stage | null} name */
function show(name) {
  for (const [key, element] of Object.entries(stage)) element.classList.toggle("shown", key === name);
}

/** Words on the whole page; ends with the button that was chosen.
 * @param {{ head: string, text: (string | string[])[], go: string, other?: string, own?: string, who?: boolean, problem?: string }} sheet */
function tell(sheet) {
  at("trial").hidden = true;
  at("pause").hidden = true;
  at("words").hidden = false;
  at("head").textContent = sheet.head;
  const text = at("text");
  text.replaceChildren();
  if (sheet.own) {
    const own = document.createElement("p");
    own.className = "own";
    own.textContent = sheet.own;
    text.append(own);
  }
  for (const part of sheet.text) {
    const element = document.createElement(Array.isArray(part) ? "ul" : "p");
    if (Array.isArray(part)) part.forEach((line) => (element.append(document.createElement("li")), (/** @type {HTMLElement} */ (element.lastChild).textContent = line)));
    else element.textContent = part;
    text.append(element);
  }
  at("who").hidden = !sheet.who;
  at("problem").textContent = sheet.problem ?? "";
  const go = at("go");
  const other = at("other");
  go.textContent = sheet.go;
  go.hidden = !sheet.go;
  other.textContent = sheet.other ?? "";
  other.hidden = !sheet.other;
  if (sheet.who) at("name").focus();
  else at("words").focus({ preventScroll: true });
  return /** @type {Promise<"go" | "other">} */ (
    new Promise((done) => {
      const end = (/** @type {"go" | "other"} */ how) => {
        document.removeEventListener("keydown", key);
        go.onclick = other.onclick = at("who").onsubmit = null;
        done(how);
      };
      const key = (/** @type {KeyboardEvent} */ e) => {
        const on = /** @type {HTMLElement} */ (e.target).tagName;
        if (e.repeat || on === "INPUT" || on === "BUTTON" || go.hidden) return;
        if (e.key === " " || e.key === "Enter") (e.preventDefault(), end("go"));
      };
      document.addEventListener("keydown", key);
      go.onclick = () => end("go");
      other.onclick = () => end("other");
      at("who").onsubmit = (e) => (e.preventDefault(), end("go"));
    })
  );
}

/** Noise with as much in coarse as in fine detail (about 1/f), so that nothing of the picture stays to be seen. */
function drawMask() {
  const side = 128;
  mask.width = mask.height = side;
  const context = /** @type {CanvasRenderingContext2D} */ (mask.getContext("2d"));
  const sum = new Float32Array(side * side);
  for (let cell = 1; cell <= 32; cell *= 2) {
    const n = side / cell + 1;
    const grid = Float32Array.from({ length: n * n }, () => Math.random() - 0.5);
    for (let y = 0; y < side; y++)
      for (let x = 0; x < side; x++) {
        const [gx, gy] = [Math.floor(x / cell), Math.floor(y / cell)];
        const [fx, fy] = [x / cell - gx, y / cell - gy];
        const i = gy * n + gx;
        sum[y * side + x] += (grid[i] * (1 - fx) + grid[i + 1] * fx) * (1 - fy) + (grid[i + n] * (1 - fx) + grid[i + n + 1] * fx) * fy;
      }
  }
  const image = context.createImageData(side, side);
  sum.forEach((value, i) => {
    const level = 128 + 150 * value;
    image.data.set([level, level, level, 255], 4 * i);
  });
  context.putImageData(image, 0, 0);
}

function drawChoices() {
  const count = study.choices.length;
  at("choices").style.setProperty("--columns", String(Math.ceil(count / Math.ceil(count / 6)))); // rows of equal length
  at("choices").style.setProperty("--narrow", count > 12 ? "3" : "2");
  at("choices").replaceChildren(
    ...study.choices.map((/** @type {{ name: string, key: string }} */ choice, /** @type {number} */ i) => {
      const button = document.createElement("button");
      const key = document.createElement("kbd");
      const name = document.createElement("span");
      button.type = "button";
      key.textContent = choice.key;
      name.textContent = choice.name;
      button.setAttribute("aria-keyshortcuts", choice.key);
      button.append(key, name);
      // The touch itself counts, not the end of it. A click without one comes from a keyboard or a screen reader.
      button.addEventListener("pointerdown", (e) => e.button === 0 && open?.take(i, e.timeStamp));
      button.addEventListener("click", (e) => e.detail === 0 && open?.take(i, e.timeStamp));
      return button;
    }),
  );
}

/** @param {any} trial */
function drawProgress(trial) {
  at("progress").textContent = trial ? `${trial.practice ? "Practice " : ""}${trial.done + 1} of ${trial.total}` : "";
  at("bar").style.width = trial ? `${(100 * trial.done) / trial.total}%` : study?.participant ? "100%" : "0";
}

/** One picture; gives the answer and its times. @param {any} trial */
async function run(trial) {
  const bitmap = await fetchPicture(trial.position);
  if (trial.following !== null) fetchPicture(trial.following).catch(() => {});
  picture.width = bitmap.width;
  picture.height = bitmap.height;
  picture.classList.toggle("coarse", bitmap.width < 112);
  drawMask();
  at("told").textContent = "";
  at("choices").querySelectorAll("button").forEach((button) => button.classList.remove("taken", "right"));
  /** @type {HTMLElement | null} */ (document.activeElement)?.blur?.(); // Space must not press the last choice again
  show("cross");
  await wait(study.fixation_ms);
  await frame();
  /** @type {CanvasRenderingContext2D} */ (picture.getContext("2d")).drawImage(bitmap, 0, 0);
  show("picture");
  const onset = await frame(); // the first frame after the one in which it was drawn
  let shown = 0;
  const answer = /** @type {Promise<{ choice: number, rt_ms: number }>} */ (
    new Promise((done) => {
      open = { onset, interrupted: document.hidden, take: (choice, time) => done({ choice, rt_ms: time - onset }) };
    })
  );
  const mine = open;
  let answered = false;
  answer.then(() => (answered = true));
  if (study.exposure_ms > 0) {
    let now = onset;
    while (!answered && now - onset < study.exposure_ms - 8) now = await frame();
    shown = performance.now() - onset;
    if (study.mask_ms > 0 && !answered) {
      show("mask");
      const from = now;
      while (!answered && now - from < study.mask_ms) now = await frame();
    }
    show("ask");
  }
  const { choice, rt_ms } = await answer;
  open = null;
  if (study.exposure_ms === 0) shown = performance.now() - onset;
  show(null);
  return { choice, rt_ms: Math.max(0, rt_ms), shown_ms: shown, interrupted: mine?.interrupted ?? false };
}

/** Save an answer; asks again as long as the program cannot be reached. @param {any} body */
async function save(body) {
  for (;;) {
    try {
      const { status, told } = await ask("/answer", body);
      if (status === 200 || status === 409) return told;
      await tell({ head: "This answer was not saved", text: [told.error ?? "The program gave no reason."], go: "Try again" });
    } catch (error) {
      await lost(error);
    }
  }
}

/** @param {unknown} error */
async function lost(error) {
  const gone = error instanceof Error && error.message === "gone";
  await tell({
    head: gone ? "This link is over" : "The program cannot be reached",
    text: [
      gone ? "The program was started again and has a new link." : "It may have been ended in the terminal, or the machine slept.",
      "Everything up to the last picture is saved. Start the same command again and open its link: you go on where you are now.",
    ],
    go: gone ? "" : "Try again",
  });
}

async function trials() {
  drawChoices();
  let first = true;
  for (let trial = study.trial; trial; trial = study.trial) {
    drawProgress(trial);
    const fresh = trial.done === 0 && !first;
    if (first && (trial.done > 0 || (!trial.practice && study.practice > 0))) await tell({ head: "Welcome back", text: [trial.total - trial.done === 1 ? "One picture is left." : `${trial.total - trial.done} pictures are left.`], go: "Go on" });
    else if (fresh && !trial.practice) await tell({ head: "Now it counts", text: [`${trial.total} pictures. From here on you are not told what is right.`, "Be quick, but choose what you really think. If you are not sure, guess."], go: "Begin" });
    else if (wantsPause) await tell({ head: "Paused", text: ["Nothing is measured now. You can also close this page: everything is saved."], go: "Go on" });
    else if (sinceBreak >= BREAK && trial.total - trial.done > 5) {
      sinceBreak = 0;
      await tell({ head: "Rest your eyes", text: [`${trial.done} of ${trial.total} done. Look at something far away for a moment.`], go: "Go on" });
    }
    first = wantsPause = false;
    at("words").hidden = true;
    at("trial").hidden = at("pause").hidden = false;
    let body;
    try {
      body = { position: trial.position, ...(await run(trial)) };
    } catch (error) {
      open = null;
      await lost(error);
      continue;
    }
    at("choices").children[body.choice].classList.add("taken");
    const told = await save(body);
    fetched.delete(trial.position);
    sinceBreak += 1;
    if (told.right !== undefined) {
      const name = document.createElement("b");
      name.textContent = study.choices[told.right].name;
      at("told").replaceChildren(told.right === body.choice ? "Right: " : "It was: ", name);
      at("choices").children[told.right].classList.add("right");
      await wait(TOLD_MS);
    }
    study.trial = told.trial;
  }
}

async function main() {
  try {
    study = (await ask("/state")).told;
  } catch (error) {
    await lost(error);
    return main();
  }
  document.title = study.title;
  at("title").textContent = study.title;
  const seen = study.exposure_ms > 0 ? `is shown for ${study.exposure_ms} ms, after a cross in the same place` : "stays until you answer";
  let problem = "";
  while (!study.participant) {
    drawProgress(null);
    if (study.fixed) /** @type {HTMLInputElement} */ (at("name")).value = study.fixed;
    await tell({
      head: "What do you see?",
      own: study.consent,
      text: [
        `You will see ${study.total} pictures, one at a time. Each ${seen}. Then say what it was: by its key, or by a click or touch.`,
        [
          `${study.practice ? `${study.practice} pictures for practice come first. ` : ""}It takes about ${study.minutes} minute${study.minutes === 1 ? "" : "s"}.`,
          "Some pictures may be blurred, noisy or partly hidden. If you are not sure, guess.",
          "Recorded are your answers, how long they took, the size of this window, and the name below. They stay on this machine.",
          "You can pause (Esc) or stop whenever you like. What you have answered until then is kept.",
        ],
      ],
      go: "I agree, begin",
      who: !study.fixed,
      problem,
    });
    const name = /** @type {HTMLInputElement} */ (at("name")).value.trim();
    at("trial").hidden = false;
    const box = at("stage").getBoundingClientRect().width;
    try {
      const { status, told } = await ask("/begin", { name, width: innerWidth, height: innerHeight, ratio: devicePixelRatio, picture: box });
      if (status === 200) study = told;
      problem = status === 200 ? "" : told.error;
    } catch (error) {
      await lost(error);
    }
  }
  await trials();
  drawProgress(null);
  const how = await tell({ head: "Done. Thank you", text: ["All answers are saved. You can close this page."], go: study.fixed ? "" : "Next person" });
  if (how === "go") {
    study = (await ask("/leave", {})).told;
    /** @type {HTMLInputElement} */ (at("name")).value = "";
    fetched.clear();
  }
  return main();
}

document.addEventListener("keydown", (e) => {
  if (e.ctrlKey || e.metaKey || e.altKey || e.repeat || at("trial").hidden) return;
  if (e.key === "Escape") return pause();
  const choice = study?.choices.findIndex((/** @type {{ key: string }} */ c) => c.key === e.key.toLowerCase());
  if (choice >= 0 && open) (e.preventDefault(), open.take(choice, e.timeStamp));
});
const pause = () => {
  wantsPause = true;
  at("told").textContent = "You can rest after this picture.";
};
at("pause").addEventListener("click", pause);
// A time that was measured while the page was out of sight means nothing.
document.addEventListener("visibilitychange", () => document.hidden && open && (open.interrupted = true));
addEventListener("blur", () => open && (open.interrupted = true));

root.dataset.ready = "";
main();
