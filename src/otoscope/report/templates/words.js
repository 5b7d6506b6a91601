// What the methods say about a neuron: words, how far to trust them in plain sentences, and how they came about.

const pairs = (entries) => entries.map(([name, value]) => el("span", {}, `${name} `, el("b", {}, value)));

const words = (() => {
  const poleFirst = (a, b) => (a.pole === "low") - (b.pole === "low");

  const main = (said, layer) => el("div", { class: "poles" }, [...said].sort(poleFirst).map((one) => card(one, layer)));

  function card(one, layer) {
    const bar = DATA.bars[one.table][layer];
    const weak = one.verdict === "chance" || one.verdict === "untestable" && one.p !== null;
    const whole = one.blocks.some(([kind]) => kind === "sentences");
    return el("div", { class: `pole ${one.pole}-pole${weak ? " weak" : ""}` },
      el("p", { class: "when" }, el("span", {}, one.pole === "high" ? "High for" : "Low for"),
        el("span", { class: "verdict" }, badge(one.verdict), VERDICT_TEXT[one.verdict])),
      whole && one.words ? null : el("p", { class: `concept${one.words.length > 60 ? " long" : ""}` }, one.words || "No words."),
      whole ? one.blocks.map(block) : null,
      one.heldout === null ? null : scale(one, bar),
      trust(one, bar), whole ? null : one.blocks.map(block), more(one));
  }

  function trust(one, bar) {
    const lines = [];
    if (one.heldout !== null) {
      const within = one.low === null ? "" : ` (95 % interval ${fixed(one.low)} to ${fixed(one.high)})`;
      lines.push(["On ", one.nScore === null ? "" : `${count(one.nScore)} `, "recordings that did not choose these words, words and neuron correlate at ",
        el("b", {}, `r = ${fixed(one.heldout)}`), `${within}. `,
        one.control === null ? "No control was scored." : ["Control, another neuron's words scored here: ", el("b", {}, fixed(one.control)), bar === null ? "." : `; 95 % of such controls lie below ${fixed(bar)}.`]]);
    } else lines.push(["No held-out score."]);
    if (one.p !== null) lines.push(["The best of all words fits as well by chance with ", el("b", {}, `p ${equals(one.p)}`), "; corrected for all neurons ", el("b", {}, `q ${equals(one.q)}`), "."]);
    return el("div", { class: "trust" }, lines.map((line) => el("p", {}, line)), one.flags.length ? el("p", { class: "flags" }, "Note: ", one.flags.join("; "), ".") : null);
  }

  function more(one) {
    const known = [["score", num(one.score)], ["margin over the runner-up", num(one.margin)], ["AUPRC gain", fixed(one.auprc)], ["AUROC", fixed(one.auroc)],
      ["clips that described", num(one.nDescribe)], ["clips that scored", num(one.nScore)]].filter(([, value]) => value !== "–");
    return known.length ? el("details", {}, el("summary", {}, "More numbers"), el("p", { class: "measured" }, pairs(known))) : null;
  }

  function scale(one, bar) {
    const parts = [draw("line", { x1: 0, x2: "100%", y1: 14, y2: 14, class: "line-grid" })];
    for (const tick of [0, 0.5, 1]) {
      parts.push(draw("line", { x1: scoreAt(tick), x2: scoreAt(tick), y1: 10, y2: 18, class: "line-grid" }),
        draw("text", { x: scoreAt(tick), y: 34, "text-anchor": tick === 1 ? "end" : "middle" }, String(tick)));
    }
    if (bar !== null) parts.push(draw("rect", { x: 0, width: scoreAt(bar), y: 9, height: 10, class: "fill-control", opacity: 0.22 }, draw("title", {}, `95 % of this layer's controls lie below ${fixed(bar)}`)));
    if (one.control !== null) parts.push(draw("line", { x1: scoreAt(one.control), x2: scoreAt(one.control), y1: 7, y2: 21, class: "line-control", "stroke-width": 2.5 }, draw("title", {}, `control ${fixed(one.control)}`)));
    if (one.low !== null && one.high !== null) parts.push(draw("line", { x1: scoreAt(one.low), x2: scoreAt(one.high), y1: 14, y2: 14, class: one.pole, stroke: "currentColor", "stroke-width": 2 }));
    parts.push(draw("circle", { cx: scoreAt(one.heldout), cy: 14, r: 5, class: `fill-${one.pole}` }));
    return draw("svg", { class: "scale", role: "img", "aria-label": `held-out correlation ${fixed(one.heldout)}, from ${fixed(one.low)} to ${fixed(one.high)}; control ${fixed(one.control)}` }, ...parts);
  }

  // The four kinds of blocks. Text only ever enters as text.
  const BLOCKS = {
    candidates: ([title, found]) => el("p", { class: "others" }, el("span", {}, `${text(title)}: `), found.flatMap(([concept, score], i) =>
      [i ? ", " : "", el("span", { class: "words" }, text(concept)), score === null ? "" : ` ${num(score, 3)}`])),
    sentences: ([title, note, found]) => el("div", { class: "summary" }, el("h4", {}, text(title), text(note) ? el("small", {}, text(note)) : null),
      el("p", {}, found.flatMap((one) => [sentence(...one), " "])), counts(found)),
    chips: ([title, found]) => el("div", { class: "summary" }, el("h4", {}, text(title)),
      el("ul", { class: "chips" }, found.map(([said, kept, reason]) => el("li", { class: kept ? null : "removed" },
        kept ? text(said) : el("s", {}, text(said)), text(reason) ? el("small", {}, text(reason)) : null)))),
    facts: ([title, found]) => el("div", { class: "summary" }, el("h4", {}, text(title)),
      el("dl", { class: "told" }, found.flatMap(([name, value]) => [el("dt", {}, text(name)), el("dd", {}, value)]))),
  };
  const block = ([kind, ...content]) => BLOCKS[kind](content);

  function sentence(said, kept, cosine, pair, reason) {
    const hue = pair === null ? null : `pair pair-${pair % 6}`;
    const mark = pair === null ? null : el("sup", { title: "matched with the sentence of the same number" }, String(pair + 1));
    const why = kept ? "" : [text(reason), cosine === null ? "" : `cosine ${fixed(cosine)}`].filter(Boolean).join(", ");
    return el("span", { class: ["sentence", kept ? null : "removed", hue].filter(Boolean).join(" ") },
      kept ? said : el("s", {}, said), mark, why ? el("small", {}, ` (${why})`) : null);
  }

  // How often each kept statement is true, and how near it comes to the other summary.
  function counts(found) {
    const known = found.filter(([, kept, cosine, , reason]) => kept && (text(reason) || cosine !== null));
    return known.length ? el("details", {}, el("summary", {}, "How often, and how near the other summary"), el("dl", { class: "told" }, known.flatMap(([said, , cosine, , reason]) =>
      [el("dt", {}, said), el("dd", {}, [...text(reason).split(" | ").filter(Boolean), cosine === null ? null : `largest cosine ${fixed(cosine)}`].filter(Boolean).map((line) => el("p", {}, line)))]))) : null;
  }

  function others(found, layer) {
    const tables = [...new Set(found.map((one) => one.table))];
    return el("section", { class: "methods", "aria-label": "Other descriptions" }, el("h3", {}, "What other methods say"),
      tables.map((place) => el("div", { class: "method" },
        el("h4", {}, DATA.tables[place][1], el("small", { class: "mono" }, DATA.tables[place][0])),
        el("div", { class: "poles" }, found.filter((one) => one.table === place).sort(poleFirst).map((one) => card(one, layer))))));
  }

  return { main, others };
})();
