// The data of the page, and how a neuron's compact record becomes something to draw.

const DATA = JSON.parse(document.getElementById("data").textContent);
const VERDICTS = ["confirmed", "significant", "chance", "untestable", "undescribed", "dead"];
const VERDICT_TEXT = {
  confirmed: "Confirmed", significant: "Significant only", chance: "Not significant", untestable: "Not testable",
  undescribed: "Not described", dead: "Dead",
};
const LEVELS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const LEVEL_OF = new Map([...LEVELS].map((character, level) => [character, level / 63]));
const text = (place) => DATA.strings[place];

// Numbers as a person writes them: few digits, a real minus sign.
function num(value, digits = 3) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  let shown;
  if (value === 0 || Number.isInteger(value) && size < 1e5) shown = String(value);
  else if (size >= 1e5 || size < 1e-3) shown = value.toExponential(1);
  else shown = value.toPrecision(digits);
  return shown.replace("-", "−");
}
const fixed = (value, places = 2) =>
  value === null || value === undefined ? "–" : value.toFixed(places).replace(/^-(?=0?\.?0*$)/, "").replace("-", "−");
const small = (p) => p === null || p === undefined ? "–" : p < 0.001 ? "< 0.001" : fixed(p, 3);
const count = (n) => n.toLocaleString("en");
const hertz = (f) => f >= 1000 ? (f / 1000).toFixed(f >= 10000 ? 0 : 1) + " kHz" : Math.round(f) + " Hz";

function description(record) {
  const [pole, concept, score, margin, p, q, heldout, low, high, control, auprc, auroc, concepts, scores, flags, verdict,
    nDescribe, nScore] = record;
  return {
    pole: pole ? "low" : "high", concept: text(concept), score, margin, p, q, heldout, low, high, control, auprc, auroc,
    candidates: concepts.map((place, i) => ({ concept: text(place), score: scores[i] })),
    flags: flags.map(text), verdict: VERDICTS[verdict], nDescribe, nScore,
  };
}

function ranked(record, place) {
  const [row, value, peakS, peakHz, trace, startS, endS] = record;
  const levels = trace ? [...trace].map((character) => LEVEL_OF.get(character)) : null;
  return { rank: place + 1, row, value, peakS, peakHz, levels, startS, endS };
}

// One line of the list, made once for every neuron; the record stays compact until its panel is opened.
function listed(record, place) {
  const words = record.d.map(description);
  words.sort((a, b) => VERDICTS.indexOf(a.verdict) - VERDICTS.indexOf(b.verdict) || (b.heldout ?? -2) - (a.heldout ?? -2));
  const name = record.c === undefined ? null : text(record.c);
  const layer = DATA.layers[record.l];
  const said = words.flatMap((one) => [one.concept, ...one.candidates.map((candidate) => candidate.concept)]);
  return {
    place, record, layer, index: record.i, name, verdict: VERDICTS[record.v], words, main: words[0] ?? null,
    haystack: [layer, `${layer}:${record.i}`, `neuron ${record.i}`, name ?? "", ...said].join("\n").toLowerCase(),
  };
}

const NEURONS = DATA.neurons.map(listed);
const CLIPS = new Map(Object.entries(DATA.clips).map(([row, [id, label, seconds, credit]]) =>
  [Number(row), { id, label: text(label), seconds, credit }]));
const SCORE_LOW = Math.min(-0.25, ...(NEURONS.length ? [DATA.range[0]] : []));

// Where a frequency lies in a picture, 0 at its bottom (HTK mel scale).
const heightOf = (f) => Math.min(1, Math.log10(1 + f / 700) / Math.log10(1 + DATA.sample_rate / 1400));
const hertzAt = (height) => 700 * (10 ** (height * Math.log10(1 + DATA.sample_rate / 1400)) - 1);

// Elements. Text only ever enters as text.
const SVG = "http://www.w3.org/2000/svg";
function make(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name === "on") for (const [event, run] of Object.entries(value)) node.addEventListener(event, run);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}
const el = (tag, attributes, ...children) => make(document.createElement(tag), attributes, children);
const draw = (tag, attributes, ...children) => make(document.createElementNS(SVG, tag), attributes, children);
const percent = (share) => `${(100 * share).toFixed(2)}%`;
