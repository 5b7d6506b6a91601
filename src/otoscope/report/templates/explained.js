// A page of explanations alone: colours, and addresses of clips.

{
  const names = ["auto", "light", "dark"], button = document.getElementById("theme");
  button.addEventListener("click", () => {
    const now = document.documentElement.dataset.theme ?? "auto";
    const next = names[(names.indexOf(now) + 1) % names.length];
    if (next === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = next;
    button.textContent = next[0].toUpperCase() + next.slice(1);
    button.setAttribute("aria-label", `Colours: ${next === "auto" ? "as the system" : next}. Change`);
  });
  const go = () => {
    const [page, place] = location.hash.slice(1).split("/");
    if (page === "explanation") explanations.shown(Number(place));
  };
  addEventListener("hashchange", go);
  go();
}
