"use strict";
// The flip browser: only the cards near the window exist; all others are a number in a sorted list.
(() => {
  const form = document.getElementById("flip-filters");
  if (!form) return;
  const list = document.getElementById("flip-cards");
  const dialog = document.getElementById("flip-dialog");
  const counter = document.getElementById("flip-count");
  const data = JSON.parse(document.getElementById("flip-data").textContent);
  const { rows, kinds, candidates } = data;
  const GAP = 14;
  const LEAST_WIDTH = 264;
  const OVERSCAN = 2;
  const PRINTED = 200;
  const BUDGET_MS = 8;
  let chosen = [];
  let active = 0;
  const cards = new Map();

  const make = (tag, attributes, ...children) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  };
  const className = (index) => (index < 0 ? "no label" : (data.classes[index] ?? `class ${index}`));
  const candidateName = (row) => candidates[rows.candidate[row]] ?? "unknown candidate";
  const percent = (value) => (value === null ? "–" : `${(100 * value).toFixed(1)} %`);
  const signs = { negative: "▼", positive: "▲", lateral: "◆" };

  // --- pictures and maps -------------------------------------------------------------------------

  // Pictures, maps and the levels of all maps, inflated once: painting a map then costs no decoding.
  let pictures = {};
  let maps = null;
  let levels = null;
  let colors = [];
  let loading = null;
  const load = () => (loading ??= (async () => {
    const stored = JSON.parse(document.getElementById("flip-pictures").textContent);
    try {
      levels = stored.maps && (await inflated(stored.maps.levels));
    } catch {
      stored.maps = null;
    }
    colors = (stored.maps?.palette ?? []).map((rgb) => [rgb >> 16, (rgb >> 8) & 255, rgb & 255]);
    ({ pictures, maps } = stored);
  })());

  // A card's three maps stand beside each other on one canvas, and a canvas that left the window serves
  // the next card: canvases are what costs a scrolling browser most.
  const TILES = ["baseline", "candidate", "difference"];
  const spare = [];
  const gapOf = (width) => Math.max(1, Math.round(width / 16));
  const dot = (strip, tile, at, [red, green, blue], opacity) => {
    const to = 4 * (Math.floor(at / maps.width) * strip.width + tile * (maps.width + gapOf(maps.width)) + (at % maps.width));
    strip.data[to] = red;
    strip.data[to + 1] = green;
    strip.data[to + 2] = blue;
    strip.data[to + 3] = opacity;
  };
  const levelsOf = (place) => levels.subarray(place * maps.width * maps.height, (place + 1) * maps.width * maps.height);
  const paintMap = (strip, tile, found) => found.forEach((level, at) => dot(strip, tile, at, colors[level], 255));
  // Orange gained attention, blue lost it; the strongest change of the picture has the full color.
  const paintDifference = (strip, from, to) => {
    const unknown = colors.length - 1;
    const known = (at) => from[at] !== unknown && to[at] !== unknown;
    let most = 1;
    for (let at = 0; at < from.length; at += 1) if (known(at)) most = Math.max(most, Math.abs(to[at] - from[at]));
    for (let at = 0; at < from.length; at += 1) {
      const change = to[at] - from[at];
      if (known(at)) dot(strip, 2, at, change > 0 ? [217, 84, 43] : [47, 134, 208], Math.round((255 * Math.abs(change)) / most));
      else dot(strip, 2, at, colors[unknown], 255);
    }
  };
  const stripOf = (before, after, label) => {
    const width = 3 * maps.width + 2 * gapOf(maps.width);
    const canvas = spare.pop() ?? make("canvas", { role: "img", width, height: maps.height });
    canvas.setAttribute("aria-label", label);
    const context = canvas.getContext("2d");
    const strip = context.createImageData(width, maps.height);
    if (before !== undefined) paintMap(strip, 0, levelsOf(before));
    if (after !== undefined) paintMap(strip, 1, levelsOf(after));
    if (before !== undefined && after !== undefined) paintDifference(strip, levelsOf(before), levelsOf(after));
    context.putImageData(strip, 0, 0);
    return canvas;
  };

  const viewsOf = (row) => {
    const id = rows.id[row];
    const before = maps?.places[id]?.[data.baseline];
    const after = maps?.places[id]?.[candidateName(row)];
    const found = [];
    if (pictures[id]) {
      const alt = `Sample ${id}, labeled ${className(rows.label[row])}`;
      const image = make("img", { src: `data:image/png;base64,${pictures[id]}`, alt, decoding: "async" });
      found.push(make("figure", {}, image, make("figcaption", {}, "picture")));
    }
    const shown = [before, after, before === undefined || after === undefined ? undefined : before];
    if (before !== undefined || after !== undefined) {
      const label = `Saliency on sample ${id}: ${TILES.filter((_, tile) => shown[tile] !== undefined).join(", ")}`;
      const names = TILES.map((name, tile) => make("span", {}, shown[tile] === undefined ? "" : name));
      found.push(make("figure", { class: "strip" }, stripOf(before, after, label), make("figcaption", {}, ...names)));
    }
    return found;
  };

  // --- cards -------------------------------------------------------------------------------------

  const answer = (name, index, confidence) => {
    const bar = make("span", { class: "bar", "aria-hidden": "true" }, make("i", { style: `--part:${confidence ?? 0}` }));
    const said = make("bdi", { title: className(index) }, className(index));
    return [make("dt", {}, name), make("dd", {}, said, make("span", { class: "sure" }, percent(confidence)), bar)];
  };

  const factsOf = (row) => {
    const label = className(rows.label[row]);
    const facts = make("dl", {}, make("dt", {}, "Label"), make("dd", {}, make("bdi", { title: label }, label)));
    facts.append(...answer("Baseline", rows.before[row], rows.confidenceBefore[row]));
    facts.append(...answer("Candidate", rows.after[row], rows.confidenceAfter[row]));
    const deviation = rows.deviation[row];
    if (deviation !== null) facts.append(make("dt", {}, "Deviation"), make("dd", {}, deviation.toFixed(4)));
    return facts;
  };

  const headOf = (row) => {
    const kind = rows.kind[row];
    const sign = make("span", { class: "sign", "aria-hidden": "true" }, signs[kind] ?? "■");
    const title = make("h3", {}, sign, ` ${kind} `, make("small", {}, kinds[kind] ?? "changed"));
    const who = make("p", { class: "who" }, make("bdi", {}, rows.id[row]), ", ", make("bdi", {}, candidateName(row)));
    return [title, who];
  };

  const card = (place) => {
    const row = chosen[place];
    const attributes = { class: `card ${rows.kind[row]}`, role: "listitem", tabindex: place === active ? "0" : "-1" };
    const node = make("div", { ...attributes, "aria-setsize": chosen.length, "aria-posinset": place + 1, "data-place": place }, ...headOf(row));
    const found = viewsOf(row);
    if (found.length) node.append(make("div", { class: "views" }, ...found));
    node.append(factsOf(row));
    return node;
  };

  // --- the window over the list ------------------------------------------------------------------

  const layout = { columns: 1, width: 300, height: 300 };
  const measure = () => {
    const width = list.clientWidth;
    layout.columns = Math.max(1, Math.floor((width + GAP) / (LEAST_WIDTH + GAP)));
    const hasViews = maps !== null || Object.keys(pictures).length > 0;
    const hasMaps = maps !== null;
    layout.width = (width - GAP * (layout.columns - 1)) / layout.columns;
    const view = hasViews ? Math.min(88, (layout.width - 24 - 18) / 4) + 26 : 0;
    if (maps) {
      const gap = gapOf(maps.width);
      list.parentElement.style.setProperty("--tiles", `${maps.width}fr ${3 * maps.width + 2 * gap}fr`);
      list.parentElement.style.setProperty("--tile-gap", `${(100 * gap) / (4 * maps.width + 3 * gap)}%`);
    }
    layout.height = Math.ceil(150 + view + (hasMaps ? 22 : 0));
    list.style.height = `${Math.max(0, Math.ceil(chosen.length / layout.columns) * (layout.height + GAP) - GAP)}px`;
  };

  const put = (node, place) => {
    // Plain properties: a custom one would be handed down to everything in the card.
    node.style.left = `${(place % layout.columns) * (layout.width + GAP)}px`;
    node.style.width = `${layout.width}px`;
    node.style.height = `${layout.height}px`;
    node.style.top = `${Math.floor(place / layout.columns) * (layout.height + GAP)}px`;
  };

  let printing = false;
  const show = () => {
    if (printing) return;
    const top = list.getBoundingClientRect().top;
    const step = layout.height + GAP;
    const first = Math.max(0, Math.floor(-top / step) - OVERSCAN) * layout.columns;
    const last = Math.min(chosen.length, (Math.ceil((innerHeight - top) / step) + OVERSCAN) * layout.columns);
    const focused = Number(document.activeElement?.dataset?.place ?? -1);
    for (const [place, node] of cards)
      if ((place < first || place >= last) && place !== focused && place !== active) {
        node.remove();
        cards.delete(place);
        spare.push(...node.getElementsByTagName("canvas"));
      }
    if (chosen.length) add(active);
    // A frame makes only so many cards; what is left comes with the next one, so that no frame is long.
    const begin = performance.now();
    for (let place = first; place < last; place += 1) {
      if (performance.now() - begin > BUDGET_MS) return soon();
      add(place);
    }
  };

  const add = (place) => {
    if (cards.has(place)) return;
    const node = card(place);
    put(node, place);
    const next = Math.min(...[...cards.keys()].filter((other) => other > place));
    cards.set(place, node);
    // In reading order, so that a screen reader goes from card to card.
    list.insertBefore(node, cards.get(next) ?? null);
  };

  const refresh = () => {
    if (printing) return;
    spare.push(...list.getElementsByTagName("canvas"));
    list.replaceChildren();
    cards.clear();
    measure();
    show();
  };

  let pending = false;
  const soon = () => {
    if (pending) return;
    pending = true;
    requestAnimationFrame(() => {
      pending = false;
      show();
    });
  };

  // --- filter and order --------------------------------------------------------------------------

  const exact = new Map(data.classes.map((name, index) => [name.toLowerCase(), index]));
  const classTest = (text) => {
    const wanted = text.trim().toLowerCase();
    if (wanted === "") return () => true;
    if (exact.has(wanted)) return (index) => index === exact.get(wanted);
    const fitting = new Set(data.classes.flatMap((name, index) => (name.toLowerCase().includes(wanted) ? [index] : [])));
    return (index) => fitting.has(index);
  };

  const missingLast = (value) => value ?? -1;
  const change = (row) => (rows.confidenceAfter[row] === null || rows.confidenceBefore[row] === null ? -1 : Math.abs(rows.confidenceAfter[row] - rows.confidenceBefore[row]));
  const byText = new Intl.Collator(undefined, { numeric: true }).compare;
  const orders = {
    sure: (a, b) => missingLast(rows.confidenceAfter[b]) - missingLast(rows.confidenceAfter[a]),
    before: (a, b) => missingLast(rows.confidenceBefore[b]) - missingLast(rows.confidenceBefore[a]),
    unsure: (a, b) => missingLast(rows.confidenceAfter[a]) - missingLast(rows.confidenceAfter[b]),
    drop: (a, b) => change(b) - change(a),
    deviation: (a, b) => missingLast(rows.deviation[b]) - missingLast(rows.deviation[a]),
    pair: (a, b) => rows.before[a] - rows.before[b] || rows.after[a] - rows.after[b],
    id: (a, b) => byText(rows.id[a], rows.id[b]),
  };

  const filter = () => {
    const wanted = Object.fromEntries(new FormData(form));
    const least = (Number(wanted.least) || 0) / 100;
    const most = wanted.most === "" ? 1 : Number(wanted.most) / 100;
    const [label, before, after] = ["label", "before", "after"].map((name) => classTest(wanted[name]));
    const sure = (row) => (least === 0 && most >= 1) || (missingLast(rows.confidenceAfter[row]) >= least && rows.confidenceAfter[row] <= most);
    const fits = (row) =>
      (wanted.candidate === "" || rows.candidate[row] === Number(wanted.candidate)) &&
      (wanted.kind === "" || rows.kind[row] === wanted.kind) &&
      sure(row) && label(rows.label[row]) && before(rows.before[row]) && after(rows.after[row]);
    chosen = rows.id.map((_, row) => row).filter(fits).sort((a, b) => orders[wanted.sort](a, b) || a - b);
    active = 0;
    counter.textContent = `${chosen.length.toLocaleString("en")} of ${rows.id.length.toLocaleString("en")} flips.`;
    refresh();
  };

  // --- keyboard, dialog, links from charts -------------------------------------------------------

  const focus = (place) => {
    const before = cards.get(active);
    active = Math.min(Math.max(place, 0), chosen.length - 1);
    before?.setAttribute("tabindex", "-1");
    add(active);
    const node = cards.get(active);
    node.setAttribute("tabindex", "0");
    node.focus({ preventScroll: true });
    node.scrollIntoView({ block: "nearest", behavior: "instant" });
    show();
  };

  const open = (place) => {
    active = Math.min(Math.max(place, 0), chosen.length - 1);
    const row = chosen[active];
    const close = make("button", { type: "button", class: "close" }, "Close");
    close.addEventListener("click", () => dialog.close());
    const others = rows.id.flatMap((id, other) => (id === rows.id[row] && other !== row ? [other] : []));
    const also = others.map((other) => make("li", {}, make("bdi", {}, candidateName(other)), `: ${className(rows.after[other])}, ${percent(rows.confidenceAfter[other])}`));
    const parts = [close, ...headOf(row), make("div", { class: "views" }, ...viewsOf(row)), factsOf(row)];
    if (also.length) parts.push(make("p", {}, "Flips under other candidates too:"), make("ul", {}, ...also));
    parts.push(make("p", { class: "note" }, `${active + 1} of ${chosen.length}. Left and right arrow: neighbors. Escape: close.`));
    dialog.replaceChildren(...parts);
    if (!dialog.open) dialog.showModal();
  };

  list.addEventListener("keydown", (event) => {
    const at = Number(event.target.closest(".card")?.dataset.place ?? -1);
    const page = layout.columns * Math.max(1, Math.floor(innerHeight / (layout.height + GAP)) - 1);
    const steps = {
      ArrowRight: at + 1, ArrowLeft: at - 1, ArrowDown: at + layout.columns, ArrowUp: at - layout.columns,
      PageDown: at + page, PageUp: at - page, Home: 0, End: chosen.length - 1,
    };
    if (at < 0) return;
    if (event.key === "Enter") open(at);
    else if (event.key in steps) focus(steps[event.key]);
    else return;
    event.preventDefault();
  });
  list.addEventListener("click", (event) => {
    const node = event.target.closest(".card");
    if (node && getSelection().isCollapsed) open(Number(node.dataset.place));
  });
  dialog.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step) open(active + step);
  });
  dialog.addEventListener("close", () => focus(active));

  document.addEventListener("showflips", async ({ detail: { candidate, ...classes } }) => {
    await load();
    form.reset();
    form.elements.candidate.value = String(candidates.indexOf(candidate));
    for (const [name, value] of Object.entries(classes)) form.elements[name].value = value;
    filter();
    document.getElementById("flips").scrollIntoView();
  });

  form.addEventListener("input", filter);
  form.addEventListener("reset", () => setTimeout(filter));
  form.addEventListener("submit", (event) => event.preventDefault());
  addEventListener("scroll", soon, { passive: true });
  let width = 0;
  new ResizeObserver(() => {
    if (list.clientWidth === width) return;
    width = list.clientWidth;
    if (chosen.length) refresh();
  }).observe(list);

  // On paper the cards flow, the first of the chosen ones.
  addEventListener("beforeprint", () => {
    if (!chosen.length) filter();
    printing = true;
    list.replaceChildren(...chosen.slice(0, PRINTED).map((_, place) => card(place)));
    if (chosen.length > PRINTED) list.append(make("p", { class: "note" }, `The first ${PRINTED} of ${chosen.length} flips.`));
  });
  addEventListener("afterprint", () => {
    printing = false;
    refresh();
  });

  // The cards are made when the section comes near: opening the page costs nothing here. What is on
  // them is read earlier, in an idle moment, so that they are whole on paper too.
  addEventListener("load", () => (window.requestIdleCallback ?? setTimeout)(load));
  const near = new IntersectionObserver(
    (entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      near.disconnect();
      load().then(filter);
    },
    { rootMargin: "1200px" },
  );
  near.observe(document.getElementById("flips"));
})();
