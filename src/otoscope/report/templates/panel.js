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
      el("h2", { class: "name" }, el("span", { class: "mono" }, one.layer), " neuron ", el("b", {}, String(one.index)),
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
    const parts = one.said.length ? [words.main(one.said, record.l)] : [el("p", { class: "note" }, silence(one))];
    const low = record.f & 4 ? ["Most negative", "the low pole"] : ["Least active", "where there are ties, drawn by lot"];
    if (record.t.length) parts.push(clips("Most active", "", record.t, "high-pole", record.y));
    if (record.b.length) parts.push(clips(...low, record.b, "low-pole", record.y));
    if (record.o.length) parts.push(words.others(record.o.map(description), record.l));
    parts.push(el("div", { class: "small-plots" }, record.h ? histogram(record) : null, moves(record)));
    return parts;
  }

  const silence = (one) => one.verdict === "dead" ? "A dead neuron is not described." : "Not described in this run.";

  function clips(title, aside, records, poleClass, span) {
    const list = el("ol", { class: `clips ${poleClass}` }, records.map((record, place) => {
      const made = clipCard(ranked(record, place), span, poleClass === "high-pole" ? "peak" : "lowest", (one) => mark(cards.indexOf(one)));
      cards.push(made);
      return made.node;
    }));
    return el("section", { "aria-label": title }, el("h3", {}, title, el("small", {}, aside)), list);
  }

  function histogram(record) {
    const counts = record.h, n = counts.length, tallest = Math.log1p(Math.max(...counts, 1));
    const edge = (i) => record.e.length === 2 ? record.e[0] + (record.e[1] - record.e[0]) * i / n : record.e[i];
    const height = (many) => 0.8 * Math.log1p(many) / tallest;
    const bars = counts.map((many, i) => draw("rect", {
      x: percent(i / n), width: percent(0.9 / n), y: percent(0.84 - height(many)), height: percent(height(many)), class: "fill-control",
    }, draw("title", {}, `${num(edge(i))} to ${num(edge(i + 1))}: ${many} clips`)));
    const most = Math.max(...counts), ticks = [0, 0.5, 1].map((share) => edge(Math.round(n * share)));
    const [mean, std, positive] = record.m;
    return el("section", { "aria-label": "Distribution" }, el("h3", {}, "Activation over all clips", el("small", {}, "log count")),
      draw("svg", { class: "histogram", role: "img", "aria-label": `Histogram of pooled activations from ${num(edge(0))} to ${num(edge(n))}; the tallest bar has ${most} clips` }, ...bars,
        draw("line", { x1: 0, x2: "100%", y1: "84%", y2: "84%", class: "line-grid" }),
        ...ticks.map((value, i) => draw("text", { x: percent(i / 2), y: "98%", "text-anchor": ["start", "middle", "end"][i] }, num(value)))),
      el("p", { class: "measured" }, pairs([["mean", num(mean)], ["s.d.", num(std)], ["above zero", positive === null ? "–" : `${Math.round(100 * positive)} % of positions`], ["tallest bar", `${count(most)} clips`]])));
  }

  function moves(record) {
    if (!DATA.measures.length) return el("section", {}, el("h3", {}, "Moves with"), el("p", { class: "note" }, "No acoustic captions in this run, so level, centroid, silence and pitch are not known."));
    const lines = DATA.measures.flatMap((measure, i) => {
      const r = record.r[i], strong = Math.abs(r ?? 0) >= DATA.strong;
      const bar = r === null ? [] : [draw("rect", { x: percent(r < 0 ? 0.5 + r / 2 : 0.5), width: percent(Math.abs(r) / 2), y: 3, height: 8, class: strong ? "fill-ink" : "fill-control" })];
      return [el("span", { class: strong ? "strong" : null }, measure),
        draw("svg", { "aria-hidden": "true" }, ...bar, draw("line", { x1: "50%", x2: "50%", y1: 0, y2: 14, class: "line-control" })),
        el("span", { class: strong ? "r strong" : "r" }, signed(r))];
    });
    const strongest = DATA.measures.filter((_, i) => Math.abs(record.r[i] ?? 0) >= DATA.strong);
    return el("section", { "aria-label": "Moves with" }, el("h3", {}, "Moves with", el("small", {}, "rank correlation, −1 to +1")), el("div", { class: "moves" }, lines),
      el("p", { class: "note" }, strongest.length ? `Much of it may be explained by ${strongest.join(" and ")} alone.` : `None reaches ${DATA.strong} in size: no plain measure of the sound explains it.`));
  }

  function mark(place, scroll = true) {
    if (!cards.length) return;
    cards[current]?.node.classList.remove("current");
    current = Math.max(0, Math.min(cards.length - 1, place));
    cards[current].node.classList.add("current");
    if (scroll) cards[current].node.scrollIntoView({ block: "nearest" });
  }

  return {
    node, show,
    step: (by) => mark(current + by),
    play: () => cards.length ? player.toggle(cards[current]) : null,
    peak: () => cards.length ? cards[current].toPeak() : null,
    shown: () => open,
  };
})();
