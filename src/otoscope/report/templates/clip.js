// One ranked clip: spectrogram with its axes, activation trace with the peak, player, name and maker.

const clipCard = (() => {
  const PLAY = "M2.5 1v10l8-5z", PAUSE = "M2 1h3v10H2zM7 1h3v10H7z";

  function clipCard(one, span, end, chosen) {
    const clip = CLIPS.get(one.row), url = player.picture(one.row), playable = player.has(one.row);
    const seconds = clip.length = DATA.seconds[one.row] ?? clip.seconds ?? one.endS ?? 1;
    const line = el("div", { class: "head-line" });
    const icon = draw("svg", { viewBox: "0 0 12 12", "aria-hidden": "true" }, draw("path", { d: PLAY }));
    const button = playable ? el("button", { class: "play", type: "button", "aria-label": `Play clip ${one.rank}, ${clip.label || clip.id}` }, icon) : null;
    const picture = el("div", { class: "picture" }, url ? el("img", { src: url, alt: "", loading: "lazy", draggable: "false" }) : el("span", { class: "lost" }, "no picture"));
    const view = el("div", { class: "view" }, picture, one.levels ? strip(one, span, seconds) : null,
      one.peakS === null ? null : peak(one, seconds), line);
    const node = el("li", { class: `clip${one.levels ? "" : " timeless"}` }, heights(one, span), view, times(seconds),
      el("div", { class: "beside" }, button), about(one, clip, end, playable));
    const made = { row: one.row, node, show, toPeak: () => player.from(made, (one.peakS ?? 0.3) - 0.3) };

    function show(share, playing) {
      line.style.left = percent(Math.min(1, share));
      node.classList.toggle("playing", playing || share > 0);
      icon.firstChild.setAttribute("d", playing ? PAUSE : PLAY);
      button.setAttribute("aria-label", `${playing ? "Pause" : "Play"} clip ${one.rank}, ${clip.label || clip.id}`);
    }
    const shareAt = (event) => { const box = view.getBoundingClientRect(); return (event.clientX - box.left) / box.width; };
    button?.addEventListener("click", () => { chosen(made); player.toggle(made); });
    view.addEventListener("click", (event) => { chosen(made); player.from(made, seconds * shareAt(event)); });
    picture.addEventListener("pointermove", (event) => {
      const box = picture.getBoundingClientRect();
      picture.title = `${(seconds * shareAt(event)).toFixed(2)} s, ${hertz(hertzAt(1 - (event.clientY - box.top) / box.height))}`;
    });
    node.querySelector(".seek")?.addEventListener("click", () => { chosen(made); made.toPeak(); });
    return made;
  }

  // Left axis: hertz beside the picture, the activation's range beside the trace.
  function heights(one, span) {
    const last = HERTZ_TICKS[HERTZ_TICKS.length - 1];
    const ticks = HERTZ_TICKS.map((f) => {
      const label = el("span", {}, f === last ? hertz(f) : f >= 1000 ? `${f / 1000}k` : String(f));
      label.style.bottom = percent(heightOf(f));
      return label;
    });
    const range = one.levels ? el("div", { class: "range", title: "activation: highest and lowest of the traces shown" }, el("span", {}, num(span[1], 2)), el("span", {}, num(span[0], 2))) : null;
    return el("div", { class: "heights", "aria-hidden": "true" }, el("div", { class: "hertz" }, ticks), range);
  }

  function times(seconds) {
    const ticks = secondTicks(seconds);
    return el("div", { class: "times", "aria-hidden": "true" }, ticks.map((at, i) => {
      const label = el("span", { class: i === 0 ? "at-start" : at > 0.96 * seconds ? "at-end" : null }, i === ticks.length - 1 ? `${at} s` : String(at));
      label.style.left = percent(at / seconds);
      return label;
    }));
  }

  function about(one, clip, end, playable) {
    const where = one.peakS === null ? null : `${end} ${one.peakS.toFixed(2)} s${one.peakHz === null ? "" : `, ${hertz(one.peakHz)}`}`;
    return el("div", { class: "about" },
      el("p", { class: "first-line" }, el("span", { class: "label", title: clip.label }, el("span", { class: "rank" }, `${one.rank}`), clip.label), el("span", { class: "value", title: "pooled activation" }, num(one.value))),
      where ? playable ? el("button", { class: "seek", type: "button", title: "Play from just before the peak" }, where) : el("p", { class: "id" }, where) : null,
      playable || !DATA.audio ? null : el("p", { class: "id" }, "sound left out to keep the page small"),
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
    const first = ((one.startS + step / 2) / seconds * 100).toFixed(2), last = ((one.endS - step / 2) / seconds * 100).toFixed(2);
    return draw("svg", { class: "strip", viewBox: "0 0 100 30", preserveAspectRatio: "none", role: "img", "aria-label": `activation over time, from ${num(span[0])} to ${num(span[1])}` },
      zero === null ? null : draw("line", { x1: 0, x2: 100, y1: zero, y2: zero, class: "zero" }),
      draw("path", { class: "area", d: `M${first} ${floor}L${points.join("L")}L${last} ${floor}Z` }),
      draw("path", { class: "edge", d: `M${points.join("L")}` }));
  }

  return clipCard;
})();
