"use strict";
// The flip browser: cards are made a screenful at a time, as the reader scrolls.
(() => {
  const form = document.getElementById("flip-filters");
  if (!form) return;
  const list = document.getElementById("flip-cards");
  const CHUNK = 24;
  const data = JSON.parse(document.getElementById("flip-data").textContent);
  const rows = data.rows;
  const className = (index) => (index < 0 ? "no label" : (data.classes[index] ?? `class ${index}`));
  const all = rows.id.map((_, index) => index);
  let chosen = [];
  let made = 0;

  const make = (tag, attributes, ...children) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  };
  const percent = (value) => (value === null ? "–" : `${(100 * value).toFixed(1)} %`);

  const picture = (bytes, caption, alt) =>
    bytes ? [make("figure", {}, make("img", { src: `data:image/png;base64,${bytes}`, alt }), make("figcaption", {}, caption))] : [];

  const prediction = (name, index, confidence) => {
    const bar = make("span", { class: "bar", "aria-hidden": "true" }, make("i", { style: `--part:${confidence ?? 0}` }));
    return [make("dt", {}, name), make("dd", {}, make("bdi", { title: className(index) }, className(index)), percent(confidence), bar)];
  };

  const card = (row, place) => {
    const id = rows.id[row];
    const candidate = data.candidates[rows.candidate[row]] ?? "unknown candidate";
    const kind = rows.kind[row];
    const maps = data.maps[id] ?? {};
    const label = className(rows.label[row]);
    const views = [
      ...picture(data.pictures[id], "picture", `Sample ${id}, labelled ${label}`),
      ...picture(maps[data.baseline], "baseline", `Saliency of the baseline on sample ${id}`),
      ...picture(maps[candidate], "candidate", `Saliency of ${candidate} on sample ${id}`),
    ];
    const facts = make("dl", {}, make("dt", {}, "Label"), make("dd", {}, make("bdi", { title: label }, label)));
    facts.append(...prediction("Baseline", rows.before[row], rows.confidenceBefore[row]));
    facts.append(...prediction("Candidate", rows.after[row], rows.confidenceAfter[row]));
    if (rows.deviation[row] !== null) facts.append(make("dt", {}, "Deviation"), make("dd", {}, rows.deviation[row].toFixed(4)));
    const sign = { negative: "▼", positive: "▲", lateral: "◆" }[kind] ?? "■";
    const title = make("h3", {}, `${sign} ${kind}: ${data.kinds[kind] ?? "changed"}`);
    const who = make("p", { class: "who" }, `${id}, ${candidate}`);
    const attributes = { class: `card ${kind}`, tabindex: "0", role: "listitem", "aria-setsize": chosen.length, "aria-posinset": place + 1 };
    return make("div", attributes, title, who, ...(views.length ? [make("div", { class: "views" }, ...views)] : []), facts);
  };

  const more = () => {
    const part = chosen.slice(made, made + CHUNK);
    list.append(...part.map((row, index) => card(row, made + index)));
    made += part.length;
  };

  const names = (row) => [rows.label[row], rows.before[row], rows.after[row]].map((index) => className(index).toLowerCase());
  const hasText = (row, text) => {
    const [from, to] = text.toLowerCase().split(" > ").map((part) => part.trim());
    const [label, before, after] = names(row);
    if (to === undefined) return [label, before, after].some((name) => name.includes(from));
    return before.includes(from) && after.includes(to);
  };

  const missingLast = (value) => value ?? -1;
  const orders = {
    sure: (a, b) => missingLast(rows.confidenceAfter[b]) - missingLast(rows.confidenceAfter[a]),
    before: (a, b) => missingLast(rows.confidenceBefore[b]) - missingLast(rows.confidenceBefore[a]),
    unsure: (a, b) => missingLast(rows.confidenceAfter[a]) - missingLast(rows.confidenceAfter[b]),
    deviation: (a, b) => missingLast(rows.deviation[b]) - missingLast(rows.deviation[a]),
    id: (a, b) => rows.id[a].localeCompare(rows.id[b], undefined, { numeric: true }),
  };

  const filter = () => {
    const wanted = new FormData(form);
    const [candidate, kind, text] = ["candidate", "kind", "text"].map((name) => wanted.get(name).trim());
    const least = Number(wanted.get("least")) || 0;
    const fits = (row) =>
      (candidate === "" || rows.candidate[row] === Number(candidate)) &&
      (kind === "" || rows.kind[row] === kind) &&
      (least === 0 || missingLast(rows.confidenceAfter[row]) >= least) &&
      (text === "" || hasText(row, text));
    chosen = all.filter(fits).sort((a, b) => orders[wanted.get("sort")](a, b) || a - b);
    made = 0;
    list.replaceChildren();
    document.getElementById("flip-count").textContent = `${chosen.length} of ${all.length} flips.`;
    more();
    watcher.unobserve(end);
    watcher.observe(end);
  };

  const end = document.getElementById("flip-end");
  // Observing anew reports again, so a tall window is filled until the end lies below it.
  const watcher = new IntersectionObserver(
    (entries) => {
      if (!entries.some((entry) => entry.isIntersecting) || made >= chosen.length) return;
      more();
      watcher.unobserve(end);
      watcher.observe(end);
    },
    { rootMargin: "800px" },
  );

  list.addEventListener("keydown", (event) => {
    const here = event.target.closest(".card");
    const cards = [...list.children];
    const at = cards.indexOf(here);
    const columns = getComputedStyle(list).gridTemplateColumns.split(" ").length;
    const steps = { ArrowRight: at + 1, ArrowLeft: at - 1, ArrowDown: at + columns, ArrowUp: at - columns, Home: 0, End: cards.length - 1 };
    if (at < 0 || !(event.key in steps)) return;
    event.preventDefault();
    if (steps[event.key] >= cards.length) more();
    list.children[Math.min(Math.max(steps[event.key], 0), list.children.length - 1)].focus();
  });

  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  filter();
})();
