// Explained clips: one playhead a clip, original, explanation and remainder of every method started together, one heard.

const explanations = (() => {
  const page = document.getElementById("page-explanations");
  if (!page) return { shown: () => {}, stop: () => {}, clips: [] };
  const held = (kind, key) => document.getElementById(`explained-${kind}-${key}`);
  const bytes = (node) => Uint8Array.from(atob(node.textContent), (character) => character.charCodeAt(0));
  let context = null, active = null;

  class Clip {
    constructor(section) {
      this.section = section;
      this.place = section.dataset.clip;
      this.seconds = Number(section.dataset.seconds);
      this.methods = [...section.querySelectorAll(".way")];
      this.sound = "original";
      this.method = 0;
      this.at = 0;
      this.began = 0;
      this.playing = false;
      this.buffers = null;
      this.nodes = new Map();
      this.heads = [...section.querySelectorAll(".playhead")];
      this.stages = [...section.querySelectorAll(".stage")];
      this.go = section.querySelector(".go");
      this.clock = section.querySelector(".clock");
      this.match = section.querySelector(".match input");
      if (held("sound", `${this.place}-original`)) this.begin();
      this.show();
    }

    begin() {
      this.section.querySelector(".transport").hidden = false;
      this.go.addEventListener("click", () => this.toggle());
      this.match.addEventListener("change", () => this.choose(this.sound));
      for (const button of this.section.querySelectorAll(".choose button"))
        button.addEventListener("click", () => this.choose(button.dataset.sound));
      this.methods.forEach((method, index) => method.querySelector(".pick").addEventListener("click", () => {
        this.choose(this.sound === "original" ? "explanation" : this.sound, index);
        if (!this.playing) this.play();
      }));
      this.stages.forEach((stage) => {
        stage.addEventListener("pointerdown", (event) => {
          const method = stage.closest(".way");
          if (method) this.choose(this.sound === "original" ? "explanation" : this.sound, Number(method.dataset.method));
          else this.choose("original");
          const box = stage.getBoundingClientRect();
          this.seek((event.clientX - box.left) / box.width * this.seconds);
        });
      });
      for (const button of this.section.querySelectorAll(".part-sound")) {
        button.hidden = !held("sound", button.dataset.part);
        button.addEventListener("click", () => this.playPart(button.dataset.part));
      }
    }

    keys() {
      const found = [`${this.place}-original`];
      this.methods.forEach((_, index) => found.push(`${this.place}.${index}-explanation`, `${this.place}.${index}-remainder`));
      return found.filter((key) => held("sound", key));
    }

    current() {
      return this.sound === "original" ? `${this.place}-original` : `${this.place}.${this.method}-${this.sound}`;
    }

    async decode() {
      context ??= new AudioContext();
      if (context.state === "suspended") await context.resume();
      this.buffers ??= new Map(await Promise.all(this.keys().map(async (key) =>
        [key, await context.decodeAudioData(bytes(held("sound", key)).buffer)])));
    }

    // Equal loudness: brought to the original's level, no further than full scale allows.
    gain(key) {
      if (!this.match.checked || key.endsWith("original")) return 1;
      const [, index, name] = key.match(/\.(\d+)-(\w+)$/);
      const data = this.methods[Number(index)].dataset;
      const lift = Number(data.originalLevel) - Number(data[`${name}Level`]);
      return 10 ** (Math.min(lift, -Number(data[`${name}Peak`]), 40) / 20);
    }

    async play() {
      if (active && active !== this) active.pause();
      active = this;
      await this.decode();
      this.stopNodes();
      if (this.at >= this.seconds - 0.02) this.at = 0;
      const start = context.currentTime + 0.03;
      for (const [key, buffer] of this.buffers) {
        const source = context.createBufferSource(), level = context.createGain();
        source.buffer = buffer;
        level.gain.value = key === this.current() ? this.gain(key) : 0;
        source.connect(level).connect(context.destination);
        source.start(start, Math.min(this.at, buffer.duration));
        this.nodes.set(key, { source, level });
      }
      this.began = start - this.at;
      this.playing = true;
      this.follow();
    }

    stopNodes() {
      for (const { source } of this.nodes.values()) source.stop();
      this.nodes.clear();
    }

    pause() {
      if (this.playing) this.at = this.position();
      this.playing = false;
      this.stopNodes();
      this.show();
    }

    toggle() { return this.playing ? this.pause() : this.play(); }

    position() { return this.playing ? Math.max(0, Math.min(context.currentTime - this.began, this.seconds)) : this.at; }

    seek(seconds) {
      this.at = Math.max(0, Math.min(seconds, this.seconds));
      if (this.playing) { this.stopNodes(); this.playing = false; this.play(); } else this.show();
      active = this;
    }

    choose(sound, method = this.method) {
      this.sound = sound;
      this.method = method;
      active ??= this;
      for (const [key, { level }] of this.nodes)
        level.gain.setTargetAtTime(key === this.current() ? this.gain(key) : 0, context.currentTime, 0.008);
      this.show();
    }

    async playPart(key) {
      this.pause();
      context ??= new AudioContext();
      const source = context.createBufferSource();
      source.buffer = await context.decodeAudioData(bytes(held("sound", key)).buffer);
      source.connect(context.destination);
      source.start();
      this.nodes.set(key, { source, level: { gain: { setTargetAtTime() {} } } });
    }

    follow() {
      if (!this.playing) return;
      if (this.position() >= this.seconds) { this.pause(); this.at = this.seconds; this.show(); return; }
      this.show();
      requestAnimationFrame(() => this.follow());
    }

    show() {
      const at = this.position();
      this.go.textContent = this.playing ? "❚❚" : "▶";
      this.go.setAttribute("aria-label", this.playing ? "Pause" : "Play");
      this.clock.textContent = `${at.toFixed(1)} / ${this.seconds.toFixed(1)} s`;
      for (const head of this.heads) {
        head.hidden = at === 0 && !this.playing;
        head.style.left = `${100 * at / this.seconds}%`;
      }
      for (const stage of this.stages) stage.setAttribute("aria-valuenow", at.toFixed(2));
      for (const button of this.section.querySelectorAll(".choose button"))
        button.setAttribute("aria-pressed", String(button.dataset.sound === this.sound));
      this.methods.forEach((method, index) => method.classList.toggle("heard", this.sound !== "original" && index === this.method));
      this.section.querySelector(".of").textContent = this.sound === "original" ? ""
        : `${this.sound} by ${this.methods[this.method].querySelector(".pick").textContent}`;
    }
  }

  async function pixels(key) {
    const node = held("picture", key);
    if (!node) return null;
    const bitmap = await createImageBitmap(new Blob([bytes(node)], { type: "image/webp" }));
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height), brush = canvas.getContext("2d");
    brush.drawImage(bitmap, 0, 0);
    return brush.getImageData(0, 0, bitmap.width, bitmap.height);
  }

  // A colour of the style sheet as red, green, blue.
  function ink(name) {
    const probe = document.createElement("span");
    probe.style.color = `var(${name})`;
    page.append(probe);
    const brush = new OffscreenCanvas(1, 1).getContext("2d");
    brush.fillStyle = getComputedStyle(probe).color;
    brush.fillRect(0, 0, 1, 1);
    probe.remove();
    return brush.getImageData(0, 0, 1, 1).data;
  }

  async function draw(figure) {
    const grey = await pixels(figure.dataset.picture);
    if (!grey) return;
    const mask = figure.dataset.mask ? await pixels(figure.dataset.mask) : null;
    const rest = ink("--ink"), kept = mask ? ink("--high") : rest;
    const canvas = figure.querySelector("canvas"), brush = canvas.getContext("2d");
    const out = brush.createImageData(grey.width, grey.height);
    for (let i = 0; i < grey.data.length; i += 4) {
      const share = mask ? mask.data[i] / 255 : 1, level = grey.data[i] / 255;
      for (let c = 0; c < 3; c++) out.data[i + c] = share * kept[c] + (1 - share) * rest[c];
      out.data[i + 3] = 255 * Math.min(1, level * (0.22 + 0.78 * share) + (mask ? 0.12 * share : 0));
    }
    canvas.width = grey.width;
    canvas.height = grey.height;
    brush.putImageData(out, 0, 0);
  }

  const clips = [...page.querySelectorAll(".explained")].map((section) => new Clip(section));
  const figures = [...page.querySelectorAll("figure.seen")];
  const drawn = new IntersectionObserver((seen) => {
    for (const one of seen) if (one.isIntersecting) { drawn.unobserve(one.target); draw(one.target); }
  }, { rootMargin: "400px" });
  const redraw = () => figures.forEach((figure) => { drawn.unobserve(figure); drawn.observe(figure); });
  redraw();
  new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);

  addEventListener("keydown", (event) => {
    if (page.hidden || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, select, textarea, summary") || (event.key === " " && event.target.closest("button, a"))) return;
    const clip = active?.playing ? active : inSight() ?? active, choices = { 1: "original", 2: "explanation", 3: "remainder" };
    if (!clip?.section.querySelector(".transport:not([hidden])")) return;
    if (event.key === " ") clip.toggle();
    else if (choices[event.key]) clip.choose(choices[event.key]);
    else if (event.key === "ArrowLeft") clip.seek(clip.position() - 0.5);
    else if (event.key === "ArrowRight") clip.seek(clip.position() + 0.5);
    else return;
    event.preventDefault();
  });

  // The clip that takes most of the window.
  function inSight() {
    const height = (one) => { const box = one.section.getBoundingClientRect(); return Math.min(box.bottom, innerHeight) - Math.max(box.top, 0); };
    return clips.reduce((best, one) => height(one) > Math.max(0, best ? height(best) : 0) ? one : best, null);
  }

  function shown(place) {
    const clip = clips[place];
    if (!clip) return;
    active = active?.playing ? active : clip;
    clip.section.scrollIntoView({ block: "start" });
  }

  return { shown, stop: () => active?.pause(), clips };
})();
