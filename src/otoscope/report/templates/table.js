// The list of neurons: searched, filtered, sorted; only the rows in sight are in the document.

const table = (() => {
  const rows = document.getElementById("rows");
  const search = document.getElementById("search");
  const picks = Object.fromEntries(["layer", "verdict", "confound"].map((name) => [name, document.getElementById(`by-${name}`)]));
  const space = el("div", { role: "presentation" });
  let found = [], chosen = null, order = { by: "", down: true };

  const keys = {
    neuron: (one) => [one.place],
    words: (one) => [one.main?.words.toLowerCase() ?? "\uffff"],
    heldout: (one) => [one.main?.heldout ?? -2],
    q: (one) => [one.main?.q ?? 2],
  };

  function matches(one, wanted) {
    if (picks.layer.value && one.layer !== picks.layer.value) return false;
    if (picks.verdict.value && one.verdict !== picks.verdict.value) return false;
    if (picks.confound.value !== "" && !(Math.abs(one.record.r[picks.confound.value] ?? 0) >= DATA.strong)) return false;
    return wanted.every((word) => one.haystack.includes(word));
  }

  function compare(a, b) {
    const left = keys[order.by](a), right = keys[order.by](b);
    for (let i = 0; i < left.length; i++) {
      if (left[i] < right[i]) return order.down ? 1 : -1;
      if (left[i] > right[i]) return order.down ? -1 : 1;
    }
    return a.place - b.place;
  }

  // "whole phrase" in quotes; otherwise every word must occur.
  const wanted = () => [...plainly(search.value).matchAll(/"([^"]+)"?|(\S+)/g)].map((hit) => hit[1] ?? hit[2]);

  function update(keepPlace = false) {
    const words = wanted();
    found = NEURONS.filter((one) => matches(one, words)).sort(compare);
    const total = count(NEURONS.length);
    document.getElementById("count").textContent =
      found.length === NEURONS.length ? `${total} neurons` : `${count(found.length)} of ${total} neurons`;
    rows.parentElement.setAttribute("aria-rowcount", found.length + 1);
    document.getElementById("reset").hidden = !search.value && Object.values(picks).every((one) => one.value === "");
    space.style.height = `${found.length * height()}px`;
    if (!keepPlace) rows.scrollTop = 0;
    paint();
  }

  const height = () => parseFloat(getComputedStyle(rows).getPropertyValue("--row"));

  function paint() {
    const tall = height();
    const first = Math.max(0, Math.floor(rows.scrollTop / tall) - 4);
    const last = Math.min(found.length, Math.ceil((rows.scrollTop + rows.clientHeight) / tall) + 4);
    const shown = [];
    for (let place = first; place < last; place++) shown.push(row(found[place], place, tall));
    space.replaceChildren(...(found.length ? shown : [el("p", { class: "empty" }, "No neuron fits. Clear the search or the filters.")]));
    const marked = space.querySelector('[aria-selected="true"]');
    if (marked) rows.setAttribute("aria-activedescendant", marked.id);
    else rows.removeAttribute("aria-activedescendant");
  }

  function row(one, place, tall) {
    const node = el("div", {
      class: "row", role: "row", id: `row-${one.place}`, "aria-rowindex": place + 2,
      "aria-selected": one === chosen ? "true" : "false", on: { click: () => choose(one) },
    }, badge(one.verdict), who(one), said(one), el("span", { role: "gridcell", class: "mini-cell" }, ...(one.main ? score(one.main) : [])),
    el("span", { role: "gridcell", class: "figure" }, one.main ? small(one.main.q) : ""));
    node.style.top = `${place * tall}px`;
    return node;
  }

  const score = (one) => [el("b", {}, fixed(one.heldout)), el("small", {}, fixed(one.control)), mini(one)];
  const who = (one) => el("span", { role: "gridcell", class: "who", title: `${one.layer}, neuron ${one.index}` },
    el("b", {}, String(one.index)), one.name ? ` ${one.name}` : "", el("span", {}, shortLayer(one.layer)));

  function said(one) {
    if (!one.main) return el("span", { role: "gridcell", class: "none" }, VERDICT_TEXT[one.verdict]);
    const other = one.said[1];
    return el("span", { role: "gridcell", class: "said", title: one.main.words }, pole(one.main.pole, one.said.length > 1), one.main.words,
      other ? el("span", { class: "other", title: other.words }, pole(other.pole, true), other.words) : null);
  }

  const pole = (name, needed) => needed
    ? el("span", { class: name, title: `${name} pole` }, name === "high" ? "▲ " : "▼ ") : null;

  function choose(one, { reveal = true, tell = true } = {}) {
    chosen = one;
    const place = found.indexOf(one), tall = height();
    if (reveal && place >= 0) {
      const top = place * tall;
      if (top < rows.scrollTop) rows.scrollTop = top;
      else if (top + tall > rows.scrollTop + rows.clientHeight) rows.scrollTop = top + tall - rows.clientHeight;
    }
    paint();
    if (tell) app.open(one);
  }

  function step(by) {
    if (!found.length) return;
    const now = found.indexOf(chosen);
    const next = now < 0 ? 0 : Math.max(0, Math.min(found.length - 1, now + by));
    choose(found[next]);
  }

  function sortBy(by) {
    order = { by, down: order.by === by ? !order.down : by === "heldout" };
    for (const head of document.querySelectorAll("[data-sort]")) {
      if (head.dataset.sort === by) head.setAttribute("aria-sort", order.down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
    update();
  }

  function fill(select, all, entries) {
    select.append(el("option", { value: "" }, all), ...entries.map(([value, shown]) => el("option", { value }, shown)));
    select.addEventListener("change", () => update());
    select.hidden = entries.length < 2;
  }

  function begin() {
    rows.append(space);
    const present = new Set(NEURONS.map((one) => one.verdict));
    fill(picks.layer, "All layers", DATA.layers.map((name) => [name, name]));
    fill(picks.verdict, "All verdicts", VERDICTS.filter((one) => present.has(one)).map((one) => [one, VERDICT_TEXT[one]]));
    fill(picks.confound, "Moves with …", DATA.measures.map((name, place) => [place, name]));
    search.addEventListener("input", () => update());
    document.getElementById("reset").addEventListener("click", () => { ask({}); search.focus(); });
    rows.addEventListener("scroll", () => requestAnimationFrame(paint), { passive: true });
    addEventListener("resize", () => update(true));
    for (const head of document.querySelectorAll("[data-sort] button")) {
      head.addEventListener("click", () => sortBy(head.parentElement.dataset.sort));
    }
    sortBy(DATA.tables.length ? "heldout" : "neuron");
  }

  function ask({ words = "", layer = "" }) {
    search.value = words;
    picks.layer.value = layer;
    picks.verdict.value = picks.confound.value = "";
    update();
  }

  const first = () => found[0] ?? null;
  const page = () => Math.max(1, Math.floor(rows.clientHeight / height()) - 1);
  return { begin, update, choose, step, ask, first, page, rows, search, shows: (one) => found.includes(one), size: () => found.length };
})();

// A verdict as a small mark: full, half, ring, dash, cross.
function badge(verdict) {
  const shapes = {
    confirmed: [["circle", { cx: 6, cy: 6, r: 4.6, class: "solid" }]],
    significant: [["circle", { cx: 6, cy: 6, r: 4.6 }], ["path", { d: "M6 1.4a4.6 4.6 0 0 1 0 9.2z", class: "solid" }]],
    chance: [["circle", { cx: 6, cy: 6, r: 4.6 }]],
    untestable: [["path", { d: "M2 6h8" }]],
    undescribed: [["path", { d: "M5.5 6h1" }]],
    dead: [["path", { d: "M2.5 2.5l7 7M9.5 2.5l-7 7" }]],
  };
  const off = ["confirmed", "significant"].includes(verdict) ? "" : " off";
  return draw("svg", { class: `badge${off}`, viewBox: "0 0 12 12", role: "img", "aria-label": VERDICT_TEXT[verdict] },
    draw("title", {}, VERDICT_TEXT[verdict]), ...shapes[verdict].map(([tag, attributes]) => draw(tag, attributes)));
}

// Held-out score with its interval against the control, on the axis of the panel.
function mini(one) {
  const parts = [draw("line", { x1: scoreAt(0), x2: scoreAt(0), y1: 0, y2: 16, class: "line-grid" })];
  if (one.control !== null) parts.push(draw("line", { x1: scoreAt(one.control), x2: scoreAt(one.control), y1: 3, y2: 13, class: "line-control", "stroke-width": 2 }));
  if (one.low !== null && one.high !== null) parts.push(draw("line", { x1: scoreAt(one.low), x2: scoreAt(one.high), y1: 8, y2: 8, class: one.pole, stroke: "currentColor", "stroke-width": 1.5 }));
  if (one.heldout !== null) parts.push(draw("circle", { cx: scoreAt(one.heldout), cy: 8, r: 3.2, class: `fill-${one.pole}` }));
  return draw("svg", { class: "mini", role: "img", "aria-label": `held out ${fixed(one.heldout)}, control ${fixed(one.control)}` },
    draw("title", {}, `held out ${fixed(one.heldout)} (${fixed(one.low)} to ${fixed(one.high)}), control ${fixed(one.control)}`), ...parts);
}
