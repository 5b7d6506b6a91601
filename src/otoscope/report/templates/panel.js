// One neuron: its words, its clips, its histogram, what it moves with.

const panel = (() => {
  const node = document.getElementById("panel");
  let cards = [], current = 0, open = null;

  function show(one) {
    player.stop();
    open = one;
    cards = [];
    current = 0;
    node.replaceChildren(head(one), ...body(one));
    node.scrollTop = 0;
    mark(0, false);
  }

  function head(one) {
    const turn = (by, shown, label) => el("button", { class: "quiet", type: "button", "aria-label": label, title: label, on: { click: () => table.step(by) } }, shown);
    return el("header", {},
      el("a", { class: "quiet back", href: "#neurons" }, "← List"),
      el("p", { class: "name" }, el("span", { class: "mono" }, one.layer), " neuron ", el("b", {}, String(one.index)),
        one.name ? [" stands for ", el("b", {}, one.name)] : null,
        el("span", { class: "soft" }, remark(one))),
      el("div", { class: "turn" }, turn(-1, "↑", "Previous neuron"), turn(1, "↓", "Next neuron")));
  }

  function remark(one) {
    const bits = one.record.f;
    const said = [bits & 1 ? "dead: the same value on every clip" : null, bits & 2 && !(bits & 1) ? "silent: never above zero" : null, bits & 4 ? "signed" : null];
    const kept = said.filter(Boolean);
    return kept.length ? `, ${kept.join(", ")}` : "";
  }

  function body(one) {
    const { record } = one;
    const byPole = [...one.words].sort((a) => a.pole === "high" ? -1 : 1);
    const parts = [byPole.length ? el("div", { class: "poles" }, byPole.map(words)) : el("p", { class: "note" }, silence(one))];
    const low = record.f & 4 ? ["Most negative", "the low pole"] : ["Least active", "where there are ties, drawn by lot"];
    if (record.t.length) parts.push(clips("Most active", "", record.t, "high-pole", record.y));
    if (record.b.length) parts.push(clips(...low, record.b, "low-pole", record.y));
    parts.push(el("div", { class: "small-plots" }, record.h ? histogram(record) : null, moves(record)));
    return parts;
  }

  const silence = (one) => one.verdict === "dead" ? "A dead neuron is not described." : "Not described in this run.";

  function words(one) {
    const weak = !["confirmed", "significant"].includes(one.verdict);
    return el("div", { class: `pole ${one.pole}-pole${weak ? " weak" : ""}` },
      el("p", { class: "when" }, el("span", {}, one.pole === "high" ? "High for" : "Low for"),
        el("span", { class: "verdict" }, badge(one.verdict), VERDICT_TEXT[one.verdict])),
      el("p", { class: "concept" }, one.concept),
      scale(one),
      el("p", { class: "measured" }, pairs([["held out r", `${fixed(one.heldout)} (${fixed(one.low)} to ${fixed(one.high)})`], ["control", fixed(one.control)],
        ["p", small(one.p)], ["q", small(one.q)], ["score", num(one.score)], ["margin", num(one.margin)], ["AUPRC gain", fixed(one.auprc)], ["AUROC", fixed(one.auroc)],
        ["clips", `${num(one.nDescribe)} + ${num(one.nScore)}`]])),
      one.candidates.length > 1 ? el("p", { class: "others" }, "then ", one.candidates.slice(1).flatMap((other, i) =>
        [i ? ", " : "", el("span", { class: "words" }, other.concept), ` ${num(other.score, 2)}`])) : null,
      one.flags.length ? el("p", { class: "flags" }, one.flags.join("; ")) : null);
  }

  const pairs = (entries) => entries.map(([name, value]) => el("span", {}, `${name} `, el("b", {}, value)));

  function scale(one) {
    const at = (value) => percent((value - SCORE_LOW) / (1 - SCORE_LOW));
    const bar = DATA.bars[open.record.l];
    const parts = [draw("line", { x1: 0, x2: "100%", y1: 14, y2: 14, class: "line-grid" })];
    for (const tick of [0, 0.5, 1]) {
      parts.push(draw("line", { x1: at(tick), x2: at(tick), y1: 10, y2: 18, class: "line-grid" }),
        draw("text", { x: at(tick), y: 34, "text-anchor": tick === 1 ? "end" : "middle" }, String(tick)));
    }
    if (bar !== null) parts.push(draw("rect", { x: 0, width: at(bar), y: 9, height: 10, class: "fill-control", opacity: 0.22 }, draw("title", {}, `95 % of this layer's controls lie below ${fixed(bar)}`)));
    if (one.control !== null) parts.push(draw("line", { x1: at(one.control), x2: at(one.control), y1: 7, y2: 21, class: "line-control", "stroke-width": 2.5 }, draw("title", {}, `control ${fixed(one.control)}`)));
    if (one.low !== null && one.high !== null) parts.push(draw("line", { x1: at(one.low), x2: at(one.high), y1: 14, y2: 14, class: one.pole, stroke: "currentColor", "stroke-width": 2 }));
    if (one.heldout !== null) parts.push(draw("circle", { cx: at(one.heldout), cy: 14, r: 5, class: `fill-${one.pole}` }));
    return draw("svg", { class: "scale", role: "img", "aria-label": `held-out correlation ${fixed(one.heldout)}, from ${fixed(one.low)} to ${fixed(one.high)}; control ${fixed(one.control)}` }, ...parts);
  }

  function clips(title, aside, records, poleClass, span) {
    const list = el("ol", { class: `clips ${poleClass}` }, records.map((record, place) => {
      const made = card(ranked(record, place), span, title);
      cards.push(made);
      return made.node;
    }));
    return el("section", { "aria-label": title }, el("h3", {}, title, el("small", {}, aside)), list);
  }

  function card(one, span, title) {
    const clip = CLIPS.get(one.row), url = player.picture(one.row), playable = player.has(one.row);
    const seconds = clip.length = DATA.seconds[one.row] ?? clip.seconds ?? one.endS ?? 1;
    const line = el("div", { class: "head-line" });
    const icon = draw("svg", { viewBox: "0 0 12 12", "aria-hidden": "true" }, draw("path", { d: "M2.5 1v10l8-5z" }));
    const button = el("button", { class: "play", type: "button", "aria-label": `Play clip ${one.rank}, ${clip.label || clip.id}` }, icon);
    const lost = playable ? null : el("span", { class: "lost" }, url ? "" : DATA.audio ? "left out to keep the page small" : "no picture");
    const picture = el("div", { class: "picture" }, url ? el("img", { src: url, alt: "", loading: "lazy", draggable: "false" }) : null, lost);
    const view = el("div", { class: `view${one.levels ? "" : " timeless"}` }, picture, one.levels ? strip(one, span, seconds) : null,
      one.peakS === null ? null : peak(one, seconds), line, playable ? button : null);
    const node = el("li", { class: "clip" }, view, about(one, clip, playable));
    const made = { row: one.row, node, one, show };

    function show(share, playing) {
      line.style.left = percent(Math.min(1, share));
      node.classList.toggle("playing", playing || share > 0);
      icon.firstChild.setAttribute("d", playing ? "M2 1h3v10H2zM7 1h3v10H7z" : "M2.5 1v10l8-5z");
      button.setAttribute("aria-label", `${playing ? "Pause" : "Play"} clip ${one.rank}, ${clip.label || clip.id}`);
    }
    button.addEventListener("click", () => { mark(cards.indexOf(made)); player.toggle(made); });
    picture.addEventListener("click", (event) => {
      mark(cards.indexOf(made));
      const box = picture.getBoundingClientRect();
      player.from(made, seconds * (event.clientX - box.left) / box.width);
    });
    picture.addEventListener("pointermove", (event) => {
      const box = picture.getBoundingClientRect();
      picture.title = `${(seconds * (event.clientX - box.left) / box.width).toFixed(2)} s, ${hertz(hertzAt(1 - (event.clientY - box.top) / box.height))}`;
    });
    node.querySelector(".seek")?.addEventListener("click", () => { mark(cards.indexOf(made)); toPeak(made); });
    return made;
  }

  const toPeak = (made) => player.from(made, (made.one.peakS ?? 0.3) - 0.3);

  function about(one, clip, playable) {
    const where = one.peakS === null ? null : `${one.peakS.toFixed(2)} s${one.peakHz === null ? "" : `, ${hertz(one.peakHz)}`}`;
    return el("div", { class: "about" },
      el("p", { class: "first-line" }, el("span", { class: "label", title: clip.label }, `${one.rank}  ${clip.label}`), el("span", { class: "value", title: "pooled activation" }, num(one.value))),
      where ? playable ? el("button", { class: "seek", type: "button", title: "Play from just before the peak" }, `peak ${where}`) : el("span", { class: "id" }, `peak ${where}`) : null,
      el("p", { class: "id mono", title: clip.id }, clip.id),
      clip.credit ? el("p", { class: "credit", title: clip.credit }, clip.credit) : null);
  }

  function peak(one, seconds) {
    const node = el("div", { class: "peak" });
    node.style.left = percent(Math.min(1, one.peakS / seconds));
    if (one.peakHz !== null) node.style.setProperty("--height", `calc(6rem * ${1 - heightOf(one.peakHz)})`);
    return node;
  }

  function strip(one, span, seconds) {
    const width = one.levels.length, step = (one.endS - one.startS) / width;
    const points = one.levels.map((level, i) => `${((one.startS + (i + 0.5) * step) / seconds * 100).toFixed(2)} ${(29 - 27 * level).toFixed(1)}`);
    const zero = span[0] < 0 && span[1] > 0 ? 29 - 27 * (-span[0]) / (span[1] - span[0]) : null;
    const floor = zero ?? (span[1] <= 0 ? 2 : 29);
    const first = (one.startS / seconds * 100).toFixed(2), last = (one.endS / seconds * 100).toFixed(2);
    return draw("svg", { class: "strip", viewBox: "0 0 100 30", preserveAspectRatio: "none", role: "img", "aria-label": "activation over time" },
      zero === null ? null : draw("line", { x1: 0, x2: 100, y1: zero, y2: zero, class: "zero" }),
      draw("path", { class: "area", d: `M${first} ${floor}L${points.join("L")}L${last} ${floor}Z` }),
      draw("path", { class: "edge", d: `M${points.join("L")}` }));
  }

  function histogram(record) {
    const counts = record.h, n = counts.length, tallest = Math.log1p(Math.max(...counts, 1));
    const edge = (i) => record.e.length === 2 ? record.e[0] + (record.e[1] - record.e[0]) * i / n : record.e[i];
    const bars = counts.map((many, i) => draw("rect", {
      x: percent(i / n), width: percent(0.9 / n), y: percent(0.84 * (1 - Math.log1p(many) / tallest)), height: percent(0.84 * Math.log1p(many) / tallest), class: "fill-control",
    }, draw("title", {}, `${num(edge(i))} to ${num(edge(i + 1))}: ${many} clips`)));
    const [mean, std, positive] = record.m;
    return el("section", { "aria-label": "Distribution" }, el("h3", {}, "Activation over all clips", el("small", {}, "log count")),
      draw("svg", { class: "histogram", role: "img", "aria-label": "Histogram of pooled activations" }, ...bars,
        draw("line", { x1: 0, x2: "100%", y1: "84%", y2: "84%", class: "line-grid" }),
        draw("text", { x: 0, y: "98%" }, num(edge(0))), draw("text", { x: "100%", y: "98%", "text-anchor": "end" }, num(edge(n)))),
      el("p", { class: "measured" }, pairs([["mean", num(mean)], ["s.d.", num(std)], ["positive positions", positive === null ? "–" : `${Math.round(100 * positive)} %`]])));
  }

  function moves(record) {
    if (!DATA.measures.length) return el("section", {}, el("h3", {}, "Moves with"), el("p", { class: "note" }, "No acoustic captions in this run, so level, centroid, silence and pitch are not known."));
    const lines = DATA.measures.flatMap((measure, i) => {
      const r = record.r[i], strong = Math.abs(r ?? 0) >= DATA.strong;
      const bar = r === null ? [] : [draw("rect", { x: percent(r < 0 ? 0.5 + r / 2 : 0.5), width: percent(Math.abs(r) / 2), y: 3, height: 8, class: strong ? "fill-high" : "fill-control" })];
      return [el("span", { class: strong ? "strong" : null }, measure),
        draw("svg", { "aria-hidden": "true" }, ...bar, draw("line", { x1: "50%", x2: "50%", y1: 0, y2: 14, class: "line-control" })),
        el("span", { class: strong ? "r strong" : "r" }, fixed(r))];
    });
    const strongest = DATA.measures.filter((_, i) => Math.abs(record.r[i] ?? 0) >= DATA.strong);
    return el("section", { "aria-label": "Moves with" }, el("h3", {}, "Moves with", el("small", {}, "rank correlation")), el("div", { class: "moves" }, lines),
      strongest.length ? el("p", { class: "note" }, `Much of it may be explained by ${strongest.join(" and ")} alone.`) : null);
  }

  function mark(place, scroll = true) {
    if (!cards.length) return;
    cards[current]?.node.classList.remove("current");
    current = Math.max(0, Math.min(cards.length - 1, place));
    cards[current].node.classList.add("current");
    if (scroll) cards[current].node.scrollIntoView({ block: "nearest" });
  }

  return {
    node, show, clear: () => { player.stop(); open = null; cards = []; node.replaceChildren(); },
    step: (by) => mark(current + by),
    play: () => cards.length ? player.toggle(cards[current]) : null,
    peak: () => cards.length ? toPeak(cards[current]) : null,
    shown: () => open,
  };
})();
