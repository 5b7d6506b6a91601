// Classes: the clips of a class's neurons are drawn when the class is first opened.

const classPage = (() => {
  const CLIPS_EACH = 3;

  function fill(item) {
    const one = NEURONS.find((neuron) => neuron.layer === item.dataset.layer && neuron.index === Number(item.dataset.index));
    if (!one) return item.append(el("p", { class: "note" }, "This neuron was left out to keep the page small."));
    const records = one.record.t.slice(0, CLIPS_EACH);
    const cards = records.map((record, place) => clipCard(ranked(record, place), one.record.y, "peak", () => {}).node);
    item.append(el("ol", { class: "clips high-pole" }, cards));
  }

  function begin() {
    for (const details of document.querySelectorAll(".of-classes details"))
      details.addEventListener("toggle", () => details.querySelectorAll(".of-neurons > li").forEach(fill), { once: true });
  }

  return { begin };
})();
