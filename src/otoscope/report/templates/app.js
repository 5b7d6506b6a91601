// Pages, addresses and keys.

const app = (() => {
  const pages = [...document.querySelectorAll("main[data-page]")];
  const neurons = document.getElementById("page-neurons");
  const wide = matchMedia("(min-width: 58.01rem)");
  const address = (one) => `#neuron/${encodeURIComponent(one.layer)}/${one.index}`;
  const inNeurons = () => !neurons.hidden;

  function show(name) {
    for (const page of pages) page.hidden = page.dataset.page !== name;
    for (const link of document.querySelectorAll(".bar nav a")) {
      if (link.dataset.page === name) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    if (name !== "neurons") player.stop();
    if (name !== "explanations") explanations.stop();
  }

  // #overview, #clips, #guide, #neurons?search=...&layer=..., #neuron/<layer>/<index>
  function go() {
    const [path, query] = location.hash.slice(1).split("?");
    const [page, layer, index] = path.split("/");
    if (page === "neuron") return goNeuron(decodeURIComponent(layer ?? ""), Number(index));
    if (page === "explanation" && explanations.clips.length) {
      show("explanations");
      return explanations.shown(Number(layer));
    }
    show(pages.some((one) => one.dataset.page === page) ? page : "overview");
    if (page !== "neurons") return scrollTo(0, 0);
    neurons.classList.remove("one");
    if (query !== undefined) {
      const asked = new URLSearchParams(query);
      table.ask({ words: asked.get("search") ? `"${asked.get("search")}"` : "", layer: asked.get("layer") ?? "" });
    } else table.update(true);
    if (wide.matches && table.first() && !panel.shown()) table.choose(table.first(), { tell: false }), panel.show(table.first());
  }

  function goNeuron(layer, index) {
    const one = NEURONS.find((neuron) => neuron.layer === layer && neuron.index === index);
    show("neurons");
    if (!one) return location.replace("#neurons");
    if (!table.shows(one)) table.ask({});
    neurons.classList.add("one");
    table.choose(one, { tell: false });
    if (panel.shown() !== one) panel.show(one);
  }

  // Walking through the list replaces the address, so that "back" leaves the list and not every neuron in it.
  function open(one) {
    const walking = location.hash.startsWith("#neuron/");
    if (walking) { history.replaceState(null, "", address(one)); goNeuron(one.layer, one.index); }
    else location.hash = address(one);
  }

  const moves = { ArrowDown: 1, ArrowUp: -1, j: 1, k: -1 };

  function key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const typing = event.target.closest("input, select, textarea");
    if (typing) return inField(event, typing);
    if (event.key === "?") return act(event, () => document.getElementById("keys").showModal());
    if (event.key === "/") return act(event, focusSearch);
    if (!inNeurons()) return;
    const far = { PageDown: table.page(), PageUp: -table.page(), Home: -table.size(), End: table.size() };
    const inPanel = panel.node.contains(event.target) && event.target !== panel.node;
    if (event.key in moves) act(event, () => table.step(moves[event.key]));
    else if (event.key in far && !inPanel) act(event, () => table.step(far[event.key]));
    else if (event.key === "ArrowRight" || event.key === "ArrowLeft") act(event, () => panel.step(event.key === "ArrowRight" ? 1 : -1));
    else if (event.key === " " && !event.target.closest("button, a")) act(event, panel.play);
    else if (event.key === "p") act(event, panel.peak);
    else if (event.key === "Enter" && event.target === table.rows) act(event, () => panel.node.focus());
    else if (event.key === "Escape") act(event, back);
  }

  function inField(event, field) {
    if (event.key === "Escape" && inNeurons()) act(event, () => table.rows.focus());
    else if (field === table.search && event.key === "ArrowDown") act(event, enterList);
  }

  function enterList() {
    table.rows.focus();
    if (!table.shows(panel.shown())) table.step(0);
  }

  function back() {
    if (!wide.matches && neurons.classList.contains("one")) location.hash = "#neurons";
    else if (document.activeElement === table.rows && table.search.value) table.ask({});
    else table.rows.focus();
  }

  const act = (event, run) => { event.preventDefault(); run(); };

  function focusSearch() {
    if (!inNeurons()) location.hash = "#neurons", show("neurons");
    neurons.classList.remove("one");
    table.search.focus();
    table.search.select();
  }

  function theme() {
    const names = ["auto", "light", "dark"], button = document.getElementById("theme");
    button.addEventListener("click", () => {
      const now = document.documentElement.dataset.theme ?? "auto";
      const next = names[(names.indexOf(now) + 1) % names.length];
      if (next === "auto") delete document.documentElement.dataset.theme;
      else document.documentElement.dataset.theme = next;
      button.textContent = next[0].toUpperCase() + next.slice(1);
      button.setAttribute("aria-label", `Colours: ${next === "auto" ? "as the system" : next}. Change`);
    });
  }

  function begin() {
    table.begin();
    classPage.begin();
    theme();
    document.getElementById("show-keys").addEventListener("click", () => document.getElementById("keys").showModal());
    addEventListener("hashchange", go);
    addEventListener("keydown", key);
    go();
  }

  return { begin, open };
})();

app.begin();
