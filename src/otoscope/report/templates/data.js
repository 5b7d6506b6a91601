// The data of the page, and how a neuron's compact record becomes something to draw.

const DATA = JSON.parse(document.getElementById("data").textContent);
const VERDICTS = ["confirmed", "significant", "chance", "untestable", "undescribed", "dead"];
const VERDICT_TEXT = {
  confirmed: "Confirmed", significant: "Significant only", chance: "Not significant", untestable: "Not tested",
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
const small = (p) => p === null || p === undefined ? "–" : p < 0.001 ? "<0.001" : fixed(p, 3);
const equals = (p) => p === null || p === undefined ? "unknown" : p < 0.001 ? "< 0.001" : `= ${fixed(p, 3)}`;
const count = (n) => n.toLocaleString("en");
const signed = (r) => r === null || r === undefined ? "–" : r > 0 ? `+${fixed(r)}` : fixed(r);
const hertz = (f) => f >= 1000 ? (f / 1000).toFixed(f >= 10000 || f % 1000 === 0 ? 0 : 1) + " kHz" : Math.round(f) + " Hz";

const inWords = (said) => typeof said === "number" ? text(said) : said;

function description(record) {
  const [table, pole, said, score, margin, p, q, heldout, low, high, control, auprc, auroc, flags, verdict,
    nDescribe, nScore, blocks] = record;
  return {
    table, pole: pole ? "low" : "high", words: inWords(said), score, margin, p, q, heldout, low, high, control, auprc, auroc,
    flags: flags.map(text), verdict: VERDICTS[verdict], nDescribe, nScore, blocks,
  };
}

// Everything in a block that a person may search for.
const BLOCK_WORDS = {
  candidates: ([, , pairs]) => pairs.map(([concept]) => text(concept)),
  sentences: ([, , , sentences]) => sentences.filter(([, kept]) => kept).map(([said]) => said),
  chips: ([, , chips]) => chips.filter(([, kept]) => kept).map(([said]) => text(said)),
  facts: ([, , pairs]) => pairs.map(([, value]) => value),
};
const searchable = (one) => [one.words, ...one.blocks.flatMap((block) => BLOCK_WORDS[block[0]](block))];
const plainly = (said) => said.toLowerCase().replaceAll("_", " ");

function ranked(record, place) {
  const [row, value, peakS, peakHz, trace, startS, endS] = record;
  const levels = trace ? [...trace].map((character) => LEVEL_OF.get(character)) : null;
  return { rank: place + 1, row, value, peakS, peakHz, levels, startS, endS };
}

// One line of the list, made once for every neuron; the record stays compact until its panel is opened.
function listed(record, place) {
  const said = record.d.map(description);
  said.sort((a, b) => VERDICTS.indexOf(a.verdict) - VERDICTS.indexOf(b.verdict) || (b.heldout ?? -2) - (a.heldout ?? -2));
  const name = record.c === undefined ? null : text(record.c);
  const layer = DATA.layers[record.l];
  const all = [...said, ...record.o.map(description)].flatMap(searchable);
  return {
    place, record, layer, index: record.i, name, verdict: VERDICTS[record.v], said, main: said[0] ?? null,
    haystack: plainly([layer, `${layer}:${record.i}`, `neuron ${record.i}`, name ?? "", ...all].join("\n")),
  };
}

const NEURONS = DATA.neurons.map(listed);
const CLIPS = new Map(Object.entries(DATA.clips).map(([row, [id, label, seconds, credit]]) =>
  [Number(row), { id, label: text(label), seconds, credit }]));
const SCORE_LOW = DATA.range[0];
// Where a score lies on the axis of scores; the few below the axis stand at its end.
const scoreAt = (value) => percent(Math.max(0, Math.min(1, (value - SCORE_LOW) / (1 - SCORE_LOW))));

// In the list layers go without the beginning that all share: what tells them apart must be in sight.
const SHARED = DATA.layers.reduce((shared, name) => { while (!name.startsWith(shared)) shared = shared.slice(0, -1); return shared; }, DATA.layers[0] ?? "");
const layerPrefix = DATA.layers.length > 1 ? SHARED.slice(0, SHARED.lastIndexOf(".") + 1) : "";
const shortLayer = (name) => layerPrefix.length > 6 ? `…${name.slice(layerPrefix.length)}` : name;

// Where a frequency lies in a picture, 0 at its bottom (HTK mel scale).
const heightOf = (f) => Math.min(1, Math.log10(1 + f / 700) / Math.log10(1 + DATA.sample_rate / 1400));
const HERTZ_TICKS = [500, 1000, 2000, 4000, 8000, 16000].filter((f) => f <= DATA.sample_rate / 2)
  .reduceRight((kept, f) => kept.length && heightOf(kept[0]) - heightOf(f) < 0.13 ? kept : [f, ...kept], []);
const STEPS_S = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600];
function secondTicks(seconds, most = seconds < 2 ? 4 : 6) {
  const step = STEPS_S.find((one) => seconds / one <= most) ?? seconds;
  return Array.from({ length: Math.floor(seconds / step + 1e-6) + 1 }, (_, i) => Number((i * step).toFixed(3)));
}
const hertzAt = (height) => 700 * (10 ** (height * Math.log10(1 + DATA.sample_rate / 1400)) - 1);

// Elements. Text only ever enters as text.
const SVG = "http://www.w3.org/2000/svg";
function make(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name === "on") for (const [event, run] of Object.entries(value)) node.addEventListener(event, run);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}
const el = (tag, attributes, ...children) => make(document.createElement(tag), attributes, children);
const draw = (tag, attributes, ...children) => make(document.createElementNS(SVG, tag), attributes, children);
const percent = (share) => `${(100 * share).toFixed(2)}%`;
