// Brings the films of the page to life: windows, inversion, zoom, heatmap, prevalence, checks.
// One listener a kind of event on the document, because the page redraws its answers as they grow;
// what the reader has set is kept by each film's key and put back. Loads from this server only.
(() => {
  "use strict";
  // Anchors of the inferno colour map, as assistant/vision/heatmap.py has them.
  const INFERNO = [[0, 0, 4], [22, 11, 57], [66, 10, 104], [106, 23, 110], [147, 38, 103],
    [188, 55, 84], [221, 81, 58], [243, 120, 25], [252, 165, 10], [246, 215, 70], [252, 255, 164]];
  // Heat below this leaves the film as it is.
  const FLOOR = 0.2;
  const KEPT = 24;
  const states = new Map();
  const pictures = new Map();
  let prevalence = null;

  // ---- pictures

  async function pixels(address) {
    if (!pictures.has(address)) {
      pictures.set(address, read(address));
      while (pictures.size > KEPT) pictures.delete(pictures.keys().next().value);
    }
    try {
      return await pictures.get(address);
    } catch {
      pictures.delete(address);
      return null;
    }
  }

  async function read(address) {
    const image = new Image();
    image.src = address;
    await image.decode();
    const canvas = document.createElement("canvas");
    canvas.width = image.naturalWidth;
    canvas.height = image.naturalHeight;
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    pen.drawImage(image, 0, 0);
    return pen.getImageData(0, 0, canvas.width, canvas.height);
  }

  function greys(state) {
    const table = new Uint8ClampedArray(256);
    const span = Math.max(1, state.hi - state.lo);
    for (let v = 0; v < 256; v++) {
      const part = Math.min(1, Math.max(0, (v - state.lo) / span));
      const shown = 255 * Math.pow(part, state.gamma);
      table[v] = state.invert ? 255 - shown : shown;
    }
    return table;
  }

  function paint(canvas, source, table) {
    const out = new ImageData(source.width, source.height);
    const from = source.data, to = out.data;
    for (let i = 0; i < from.length; i += 4) {
      to[i] = table ? table[from[i]] : from[i];
      to[i + 1] = table ? to[i] : from[i + 1];
      to[i + 2] = table ? to[i] : from[i + 2];
      to[i + 3] = 255;
    }
    put(canvas, out);
  }

  function glow(canvas, source) {
    const out = new ImageData(source.width, source.height);
    for (let i = 0; i < source.data.length; i += 4) {
      const strength = source.data[i] / 255;
      const place = strength * (INFERNO.length - 1);
      const low = Math.min(INFERNO.length - 2, Math.floor(place));
      for (let c = 0; c < 3; c++) {
        out.data[i + c] = INFERNO[low][c] + (INFERNO[low + 1][c] - INFERNO[low][c]) * (place - low);
      }
      out.data[i + 3] = 255 * Math.min(1, Math.max(0, (strength - FLOOR) / (1 - FLOOR)));
    }
    put(canvas, out);
  }

  function put(canvas, data) {
    canvas.width = data.width;
    canvas.height = data.height;
    canvas.getContext("2d").putImageData(data, 0, 0);
  }

  // ---- one film

  const find = (viewer, name) => viewer.querySelector(`[data-do="${name}"]`);
  const presets = (viewer) => JSON.parse(viewer.dataset.presets || "[]");
  const stateOf = (viewer) => states.get(viewer.dataset.key);

  function begin(viewer) {
    viewer.dataset.ready = "yes";
    if (!stateOf(viewer)) {
      states.set(viewer.dataset.key, {
        preset: 0, lo: 0, hi: 255, gamma: 1, invert: false, zoom: 1, x: 0, y: 0, opacity: 0,
        heat: viewer.dataset.heat, checked: "", folded: true,
      });
    }
    const sheet = viewer.querySelector(".au-sheet");
    const film = document.createElement("canvas"), heat = document.createElement("canvas");
    film.className = "au-canvas au-grey";
    heat.className = "au-canvas au-glow";
    film.setAttribute("aria-hidden", "true");
    heat.setAttribute("aria-hidden", "true");
    sheet.append(film, heat);
    const full = find(viewer, "full");
    if (full && !document.fullscreenEnabled) full.hidden = true;
    const fold = viewer.querySelector(".au-fold");
    if (fold) {
      fold.open = !stateOf(viewer).folded;
      fold.addEventListener("toggle", () => { stateOf(viewer).folded = !fold.open; });
    }
    redraw(viewer);
  }

  function redraw(viewer) {
    if (viewer.waiting) return;
    viewer.waiting = requestAnimationFrame(() => { viewer.waiting = 0; draw(viewer); });
  }

  async function draw(viewer) {
    const state = stateOf(viewer);
    const chosen = presets(viewer)[state.preset];
    const image = viewer.querySelector(".au-film");
    const film = viewer.querySelector(".au-grey"), heat = viewer.querySelector(".au-glow");
    follow(viewer, state);
    const source = await pixels((chosen && chosen.at) || image.getAttribute("src"));
    if (!source || !viewer.isConnected) return;
    paint(film, source, viewer.dataset.colour ? null : greys(state));
    image.style.opacity = 0;
    const shown = state.heat && state.opacity > 0;
    heat.style.display = shown ? "" : "none";
    if (!shown) return;
    heat.style.opacity = state.opacity / 100;
    if (heat.dataset.of !== state.heat) {
      const map = await pixels(state.heat);
      if (!map) return;
      glow(heat, map);
      heat.dataset.of = state.heat;
    }
    // Drawn over a picture of another shape, heat would point at the wrong place.
    const fits = Math.abs(heat.width / heat.height - source.width / source.height) < 0.02;
    heat.style.display = fits ? "" : "none";
  }

  // Puts the controls and the words in the corners where the state is.
  function follow(viewer, state) {
    const say = (name, text) => {
      const place = viewer.querySelector(`[data-say="${name}"]`);
      if (place && place.textContent !== text) place.textContent = text;
    };
    const set = (name, value) => {
      const control = find(viewer, name);
      if (control && document.activeElement !== control) control.value = value;
    };
    const level = (state.lo + state.hi) / 2, width = state.hi - state.lo;
    set("preset", state.preset);
    set("level", level);
    set("width", width);
    set("heat", state.opacity);
    say("level", level.toFixed(0));
    say("width", width.toFixed(0));
    say("heat", `${state.opacity.toFixed(0)}%`);
    const custom = presets(viewer)[state.preset];
    say("window", viewer.dataset.colour || (custom && custom.at && state.lo === 0 && state.hi === 255)
      ? "" : `L ${level.toFixed(0)}  W ${width.toFixed(0)}`);
    say("zoom", `× ${state.zoom.toFixed(1)}`);
    if (state.checked) say("check", state.checked);
    const invert = find(viewer, "invert");
    if (invert) invert.setAttribute("aria-pressed", String(state.invert));
    const row = viewer.querySelector(".au-heat");
    if (row) row.hidden = !state.heat;
    const stage = viewer.querySelector(".au-stage");
    stage.style.touchAction = state.zoom > 1 ? "none" : "pan-y";
    stage.dataset.zoomed = state.zoom > 1 ? "yes" : "no";
    const most = (length) => (length * (state.zoom - 1)) / 2;
    const box = stage.getBoundingClientRect();
    state.x = Math.max(-most(box.width), Math.min(most(box.width), state.x));
    state.y = Math.max(-most(box.height), Math.min(most(box.height), state.y));
    viewer.querySelector(".au-sheet").style.transform =
      `translate(${state.x}px, ${state.y}px) scale(${state.zoom})`;
  }

  // ---- what a reader does

  function choose(viewer, number) {
    const state = stateOf(viewer), list = presets(viewer);
    if (!list.length) return;
    state.preset = ((number % list.length) + list.length) % list.length;
    const preset = list[state.preset];
    [state.lo, state.hi, state.gamma] = [preset.lo, preset.hi, preset.g];
  }

  function zoom(viewer, factor, at) {
    const state = stateOf(viewer);
    const before = state.zoom;
    state.zoom = Math.min(12, Math.max(1, before * factor));
    if (at) {
      const box = viewer.querySelector(".au-stage").getBoundingClientRect();
      const dx = at.clientX - box.left - box.width / 2, dy = at.clientY - box.top - box.height / 2;
      state.x = dx - (dx - state.x) * (state.zoom / before);
      state.y = dy - (dy - state.y) * (state.zoom / before);
    } else {
      state.x *= state.zoom / before;
      state.y *= state.zoom / before;
    }
  }

  function windowBy(state, level, width) {
    const middle = Math.min(255, Math.max(0, level));
    const half = Math.min(510, Math.max(1, width)) / 2;
    [state.lo, state.hi] = [middle - half, middle + half];
  }

  const DONE = {
    invert: (viewer, state) => { state.invert = !state.invert; },
    in: (viewer) => zoom(viewer, 1.4),
    out: (viewer) => zoom(viewer, 1 / 1.4),
    fit: (viewer, state) => { state.zoom = 1; state.x = state.y = 0; },
    full: (viewer) => {
      if (document.fullscreenElement) document.exitFullscreen();
      else viewer.requestFullscreen();
    },
    check: (viewer, state, button) => check(viewer, state, button),
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest(".au-viewer button[data-do]");
    if (!button) return;
    const viewer = button.closest(".au-viewer");
    DONE[button.dataset.do]?.(viewer, stateOf(viewer), button);
    redraw(viewer);
  });

  document.addEventListener("input", (event) => {
    const control = event.target.closest("[data-do]");
    if (!control) return;
    if (control.dataset.do === "prevalence") return reckon(control);
    const viewer = control.closest(".au-viewer");
    if (!viewer) return;
    const state = stateOf(viewer), value = Number(control.value);
    if (control.dataset.do === "preset") choose(viewer, value);
    if (control.dataset.do === "heat") state.opacity = value;
    if (control.dataset.do === "level") windowBy(state, value, state.hi - state.lo);
    if (control.dataset.do === "width") windowBy(state, (state.lo + state.hi) / 2, value);
    redraw(viewer);
  });

  const KEYS = {
    ArrowLeft: (v, s) => { s.x += 40; }, ArrowRight: (v, s) => { s.x -= 40; },
    ArrowUp: (v, s) => { s.y += 40; }, ArrowDown: (v, s) => { s.y -= 40; },
    "+": (v) => zoom(v, 1.2), "=": (v) => zoom(v, 1.2), "-": (v) => zoom(v, 1 / 1.2),
    0: DONE.fit, i: DONE.invert, f: DONE.full,
    w: (v, s) => choose(v, s.preset + 1),
    h: (v, s) => { s.opacity = s.opacity > 0 ? 0 : 60; },
  };

  document.addEventListener("keydown", (event) => {
    const stage = event.target.closest?.(".au-stage");
    if (!stage || event.target !== stage || event.ctrlKey || event.metaKey || event.altKey) return;
    const viewer = stage.closest(".au-viewer"), state = stateOf(viewer);
    const act = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    // An arrow scrolls the page while there is nothing to pan.
    if (!act || (event.key.startsWith("Arrow") && state.zoom <= 1)) return;
    event.preventDefault();
    act(viewer, state);
    redraw(viewer);
  });

  // ---- mouse and touch

  const held = new Map();
  let drag = null;

  document.addEventListener("pointerdown", (event) => {
    const stage = event.target.closest?.(".au-stage");
    if (!stage) return;
    held.set(event.pointerId, event);
    const windows = event.pointerType === "mouse" && (event.button === 2 || event.shiftKey);
    drag = { viewer: stage.closest(".au-viewer"), windows, moved: false };
    stage.setPointerCapture?.(event.pointerId);
  });

  document.addEventListener("pointermove", (event) => {
    const before = held.get(event.pointerId);
    if (!before || !drag) return;
    const { viewer } = drag, state = stateOf(viewer);
    const dx = event.clientX - before.clientX, dy = event.clientY - before.clientY;
    if (held.size === 2) {
      const other = [...held.values()].find((p) => p.pointerId !== event.pointerId);
      const apart = (p) => Math.hypot(p.clientX - other.clientX, p.clientY - other.clientY);
      zoom(viewer, apart(event) / Math.max(1, apart(before)), {
        clientX: (event.clientX + other.clientX) / 2, clientY: (event.clientY + other.clientY) / 2,
      });
    } else if (drag.windows && !viewer.dataset.colour) {
      windowBy(state, (state.lo + state.hi) / 2 + dy / 2, state.hi - state.lo + dx);
    } else if (state.zoom > 1) {
      state.x += dx;
      state.y += dy;
    }
    drag.moved = true;
    held.set(event.pointerId, event);
    redraw(viewer);
  });

  for (const end of ["pointerup", "pointercancel"]) {
    document.addEventListener(end, (event) => {
      held.delete(event.pointerId);
      if (!held.size) setTimeout(() => { if (!held.size) drag = null; }, 0);
    });
  }

  document.addEventListener("contextmenu", (event) => {
    if (event.target.closest?.(".au-stage") && drag?.windows && drag.moved) event.preventDefault();
  });

  document.addEventListener("dblclick", (event) => {
    const viewer = event.target.closest?.(".au-stage")?.closest(".au-viewer");
    if (!viewer) return;
    if (stateOf(viewer).zoom > 1) DONE.fit(viewer, stateOf(viewer));
    else zoom(viewer, 2.5, event);
    redraw(viewer);
  });

  // The wheel scrolls the page, unless the reader is at work in the film.
  document.addEventListener("wheel", (event) => {
    const stage = event.target.closest?.(".au-stage");
    if (!stage || !(event.ctrlKey || document.activeElement === stage)) return;
    event.preventDefault();
    const viewer = stage.closest(".au-viewer");
    zoom(viewer, Math.exp(-event.deltaY / 400), event);
    redraw(viewer);
  }, { passive: false });

  document.addEventListener("fullscreenchange", () => {
    for (const viewer of document.querySelectorAll(".au-viewer[data-ready]")) {
      if (!document.fullscreenElement) DONE.fit(viewer, stateOf(viewer));
      redraw(viewer);
    }
  });

  // ---- predictive values at the reader's prevalence (Bayes' theorem), on all cards at once

  function reckon(control) {
    const share = Number(control.value) / 100;
    const good = share > 0 && share < 1;
    control.setAttribute("aria-invalid", String(!good));
    if (!good) return;
    prevalence = control.value;
    for (const points of document.querySelectorAll(".au-points")) apply(points);
  }

  // As ui/facts.py says probabilities: none rounds to certainty.
  function figure(value) {
    if (!Number.isFinite(value)) return "–";
    return value > 0.99 ? "> 0.99" : value < 0.01 ? "< 0.01" : value.toFixed(2);
  }

  function apply(points) {
    const field = points.querySelector('[data-do="prevalence"]');
    if (!field || prevalence === null) return;
    if (field !== document.activeElement) field.value = prevalence;
    const share = Number(prevalence) / 100;
    for (const row of points.querySelectorAll("tr[data-sensitivity]")) {
      const sensitivity = Number(row.dataset.sensitivity), specificity = Number(row.dataset.specificity);
      const called = sensitivity * share + (1 - specificity) * (1 - share);
      const left = specificity * (1 - share) + (1 - sensitivity) * share;
      const say = (name, value) => { row.querySelector(`[data-say="${name}"]`).textContent = value; };
      say("ppv", figure((sensitivity * share) / called));
      say("npv", figure((specificity * (1 - share)) / left));
    }
  }

  // ---- an occlusion check, which takes the classifier a while

  async function check(viewer, state, button) {
    const words = button.textContent;
    button.disabled = true;
    button.textContent = button.dataset.busy;
    try {
      const answer = await fetch(button.dataset.at, { method: "POST", credentials: "same-origin" });
      if (!answer.ok) {
        state.checked = await answer.text();
      } else {
        const found = await answer.json();
        state.checked = found.said;
        if (found.heat) [state.heat, state.opacity] = [found.heat, 60];
      }
    } catch (error) {
      state.checked = String(error);
    }
    button.disabled = false;
    button.textContent = words;
    for (const same of document.querySelectorAll(".au-viewer[data-ready]")) {
      if (same.dataset.key === viewer.dataset.key) redraw(same);
    }
  }

  // ---- films come and go with the answers

  function look() {
    for (const viewer of document.querySelectorAll(".au-viewer:not([data-ready])")) begin(viewer);
    for (const points of document.querySelectorAll(".au-points:not([data-ready])")) {
      points.dataset.ready = "yes";
      apply(points);
    }
  }

  let looking = 0;
  new MutationObserver(() => {
    if (!looking) looking = requestAnimationFrame(() => { looking = 0; look(); });
  }).observe(document.documentElement, { childList: true, subtree: true });
  look();
})();
