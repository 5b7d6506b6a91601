// One sound at a time, decoded when it is first asked for.

const player = (() => {
  const audio = new Audio();
  const urls = new Map();
  let card = null, frame = 0;

  const has = (row) => document.getElementById(`sound-${row}`) !== null;

  function url(kind, row, type) {
    const key = `${kind}-${row}`;
    if (!urls.has(key)) {
      const held = document.getElementById(key);
      if (!held) return null;
      const bytes = Uint8Array.from(atob(held.textContent), (character) => character.charCodeAt(0));
      urls.set(key, URL.createObjectURL(new Blob([bytes], { type: type ?? held.dataset.type })));
    }
    return urls.get(key);
  }

  function follow() {
    if (!card) return;
    const seconds = CLIPS.get(card.row).length ?? audio.duration;
    card.show(audio.currentTime / (seconds || 1), !audio.paused);
    if (!audio.paused) frame = requestAnimationFrame(follow);
  }

  function stop() {
    audio.pause();
    cancelAnimationFrame(frame);
    card?.show(0, false);
    card = null;
  }

  async function start(next, fromS) {
    if (card !== next) {
      stop();
      card = next;
      audio.src = url("sound", next.row);
    }
    if (fromS !== undefined || audio.ended) audio.currentTime = fromS ?? 0;
    try { await audio.play(); }
    catch (error) { if (error.name !== "AbortError") throw error; return; }  // stopped before it began
    cancelAnimationFrame(frame);
    follow();
  }

  const toggle = (next) => {
    if (!has(next.row)) return Promise.resolve();
    if (card === next && !audio.paused) {
      audio.pause();
      return Promise.resolve();
    }
    return start(next);
  };

  audio.addEventListener("pause", follow);
  audio.addEventListener("ended", () => card?.show(0, false));
  return {
    audio, has, stop, toggle,
    from: (next, seconds) => has(next.row) ? start(next, Math.max(0, seconds)) : Promise.resolve(),
    picture: (row) => url("picture", row, "image/webp"),
  };
})();
