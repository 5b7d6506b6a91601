// The rating page: listen, write, rate; progress stays in the browser, answers leave as a file.

const DATA = JSON.parse(document.getElementById("data").textContent);
const STORE = `otoscope-rate-${DATA.page}`;
const SVG = "http://www.w3.org/2000/svg";
const LEVELS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const byId = (id) => document.getElementById(id);
const rating = byId("rating"), pages = [byId("welcome"), rating, byId("ending")];

// Text only ever enters as text.
function make(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name === "on") for (const [event, run] of Object.entries(value)) node.addEventListener(event, run);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return node;
}
const el = (tag, attributes, ...children) => make(document.createElement(tag), attributes, children);
const draw = (tag, attributes, ...children) => make(document.createElementNS(SVG, tag), attributes, children);

const fresh = () => ({ rater: "", at: 0, items: DATA.items.map((one) => ({ text: "", shown: !DATA.own_words, ratings: one.options.map(() => null) })) });

let kept = true;
function load() {
  try {
    const held = JSON.parse(localStorage.getItem(STORE));
    return held && held.items?.length === DATA.items.length ? held : fresh();
  } catch { kept = false; return fresh(); }
}
let state = load();
function keep() {
  try { localStorage.setItem(STORE, JSON.stringify(state)); }
  catch { kept = false; }
}

const urls = new Map();
function url(kind, row, type) {
  const held = byId(`${kind}-${row}`), key = `${kind}-${row}`;
  if (!held) return null;
  if (!urls.has(key)) {
    const bytes = Uint8Array.from(atob(held.textContent), (character) => character.charCodeAt(0));
    urls.set(key, URL.createObjectURL(new Blob([bytes], { type: type ?? held.dataset.type })));
  }
  return urls.get(key);
}

function show(page) {
  for (const one of pages) one.hidden = one !== page;
  byId("to-end").hidden = page !== rating;
  scrollTo(0, 0);
}

function clip([row, peakS, trace], place) {
  const seconds = DATA.seconds[row], picture = url("picture", row, "image/webp");
  const points = [...trace].map((level, i) => `${((i + 0.5) / trace.length * 100).toFixed(2)} ${(29 - 27 * LEVELS.indexOf(level) / 63).toFixed(1)}`);
  const line = peakS === null ? null : el("div", { class: "peak", title: `strongest at ${peakS.toFixed(2)} s` });
  if (line) line.style.left = `${Math.min(100, 100 * peakS / seconds).toFixed(2)}%`;
  const audio = el("audio", { controls: true, preload: "none", src: url("sound", row), "aria-label": `Sound ${place + 1}` });
  audio.addEventListener("play", () => { for (const other of document.querySelectorAll("audio")) if (other !== audio) other.pause(); });
  return el("li", {},
    el("div", { class: "view", "aria-hidden": "true" }, el("div", { class: "picture" }, picture ? el("img", { src: picture, alt: "" }) : null),
      points.length ? draw("svg", { class: "strip", viewBox: "0 0 100 30", preserveAspectRatio: "none" }, draw("path", { class: "edge", d: `M${points.join("L")}` })) : null, line),
    audio);
}

function scale(text, place, answer) {
  const name = `rating-${place}`;
  const choices = [1, 2, 3, 4, 5].map((value) => {
    const input = el("input", { type: "radio", name, value, checked: answer.ratings[place] === value, on: { change: () => { answer.ratings[place] = value; keep(); mark(); } } });
    return el("label", {}, input, el("span", {}, String(value)));
  });
  return el("li", {}, el("p", { class: "said", id: `said-${place}` }, text),
    el("div", { class: "scale", role: "radiogroup", "aria-labelledby": `said-${place}` }, el("small", {}, "none"), choices, el("small", {}, "all")));
}

function item() {
  const asked = DATA.items[state.at], answer = state.items[state.at];
  const text = el("textarea", { id: "own", rows: 2, maxlength: 500, readonly: answer.shown, on: { input: (event) => { answer.text = event.target.value; keep(); } } });
  text.value = answer.text;
  const reveal = el("button", { class: "open", type: "button", id: "reveal", on: { click: () => { answer.shown = true; keep(); item(); byId("said-0").parentElement.querySelector("input").focus(); } } }, "Show the descriptions");
  rating.replaceChildren(...[
    el("h1", {}, `Group ${state.at + 1}`),
    el("p", { class: "soft" }, "Listen to these sounds. The line under a picture shows when the response was strong."),
    el("ol", { class: "sounds" }, asked.clips.map(clip)),
    DATA.own_words ? el("section", {}, el("label", { for: "own" }, "What do they have in common, in your own words?"), text, answer.shown ? null : reveal) : null,
    answer.shown ? el("section", {}, el("h2", {}, "How well does each description fit?"), el("ol", { class: "lines" }, asked.options.map((said, place) => scale(said, place, answer)))) : null,
    el("nav", { class: "turn", "aria-label": "Groups" },
      el("button", { class: "quiet", type: "button", id: "previous", disabled: state.at === 0, on: { click: () => turn(-1) } }, "← Previous"),
      el("button", { class: "open", type: "button", id: "next", on: { click: () => turn(1) } }, state.at === DATA.items.length - 1 ? "Finish" : "Next →")),
  ].filter(Boolean));
  show(rating);
  mark();
}

const complete = (one) => one.ratings.every((value) => value !== null);

function mark() {
  const done = state.items.filter(complete).length, lost = kept ? "" : "; this browser keeps nothing, so save before closing";
  byId("place").textContent = `${state.at + 1} of ${DATA.items.length}, ${done} rated${lost}`;
}

function turn(by) {
  if (state.at + by >= DATA.items.length) return end();
  state.at = Math.max(0, state.at + by);
  keep();
  item();
  rating.focus();
}

function end() {
  const missing = state.items.filter((one) => !complete(one)).length;
  byId("done").textContent = missing ? `${missing} of ${state.items.length} groups are not rated completely. You can save now all the same, or go back.` : "All groups are rated. Save your answers to a file.";
  byId("place").textContent = "";
  show(byId("ending"));
  byId("ending").focus();
}

function save(text, type, suffix) {
  const name = state.rater.replaceAll(/[^\p{L}\p{N}]+/gu, "-") || "rater";
  const link = el("a", { href: URL.createObjectURL(new Blob([text], { type })), download: `ratings-${DATA.page}-${name}.${suffix}` });
  link.click();
}

function asJson() {
  const items = state.items.map((one, place) => ({ item: DATA.items[place].item, text: one.text, ratings: one.ratings }));
  return JSON.stringify({ format: "otoscope-ratings", version: 1, page: DATA.page, rater: state.rater, items }, null, 1);
}

// Quoted, and with a tick before what a spreadsheet would take for a formula.
const cell = (value) => `"${String(value).replace(/^[=+\-@\t\r]/, "'$&").replaceAll('"', '""')}"`;

function asCsv() {
  const lines = [["page", "rater", "item", "option", "rating", "text"]];
  state.items.forEach((one, place) => {
    const { item: id } = DATA.items[place];
    lines.push([DATA.page, state.rater, id, "", "", one.text]);
    one.ratings.forEach((value, option) => lines.push([DATA.page, state.rater, id, option, value ?? "", ""]));
  });
  return lines.map((line) => line.map(cell).join(",")).join("\r\n") + "\r\n";
}

byId("begin").addEventListener("submit", (event) => {
  event.preventDefault();
  state.rater = byId("rater").value.trim();
  if (state.rater) { keep(); item(); }
});
byId("rater").value = state.rater;
byId("to-end").addEventListener("click", end);
byId("resume").addEventListener("click", item);
byId("save-json").addEventListener("click", () => save(asJson(), "application/json", "json"));
byId("save-csv").addEventListener("click", () => save(asCsv(), "text/csv", "csv"));
