"use strict";
// Theme, choice of candidate, and charts that are drawn when they come into view.
(() => {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const byId = (id) => document.getElementById(id);
  const colour = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  const drawn = new Set();
  let figures = null;
  let library = null;

  const figureOf = (key) => (figures ??= JSON.parse(byId("figures").textContent))[key];

  // The library lies deflated in the page; it is inflated once, for the first chart.
  const inflate = async () => {
    const bytes = Uint8Array.from(atob(byId("plotly").textContent), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    const script = document.createElement("script");
    script.textContent = await new Response(stream).text();
    document.head.append(script);
  };

  const themed = () => {
    const axis = { gridcolor: colour("--grid"), linecolor: colour("--line"), zerolinecolor: colour("--soft"), tickcolor: colour("--line") };
    const layout = { paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)" };
    layout.font = { color: colour("--ink"), family: getComputedStyle(document.body).fontFamily, size: 12 };
    layout.hoverlabel = { bgcolor: colour("--sheet"), bordercolor: colour("--soft"), font: { color: colour("--ink") } };
    layout.modebar = { bgcolor: "rgba(0,0,0,0)", color: colour("--soft"), activecolor: colour("--accent") };
    return { ...layout, xaxis: axis, yaxis: axis };
  };

  const draw = async (place) => {
    if (drawn.has(place)) return;
    drawn.add(place);
    try {
      await (library ??= inflate());
      const figure = figureOf(place.dataset.chart);
      const theme = themed();
      const layout = { ...figure.layout, ...theme, autosize: true, dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom" };
      for (const name of ["xaxis", "yaxis"]) layout[name] = { ...figure.layout[name], ...theme[name] };
      // Named one by one: plotly's default bar holds a button that would send the data away.
      const config = { responsive: true, displaylogo: false, displayModeBar: "hover", modeBarButtons: [["toImage", "zoom2d", "resetScale2d"]] };
      config.toImageButtonOptions = { format: "svg", filename: place.dataset.chart };
      await window.Plotly.newPlot(place, figure.data, layout, config);
    } catch (problem) {
      place.textContent = `This chart could not be drawn (${problem.message}). The tables hold the same numbers.`;
      place.classList.add("missing");
    }
  };

  const watcher = new IntersectionObserver(
    (entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => draw(entry.target)),
    { rootMargin: "300px" },
  );
  document.querySelectorAll(".plot").forEach((place) => watcher.observe(place));

  const setTheme = (name) => {
    root.dataset.theme = name;
    if (!window.Plotly) return;
    const { xaxis, yaxis, ...layout } = themed();
    for (const [axis, values] of Object.entries({ xaxis, yaxis }))
      for (const [key, value] of Object.entries(values)) layout[`${axis}.${key}`] = value;
    drawn.forEach((place) => place.layout && window.Plotly.relayout(place, layout));
  };
  setTheme(dark.matches ? "dark" : "light");
  dark.addEventListener("change", () => setTheme(dark.matches ? "dark" : "light"));
  byId("theme").addEventListener("click", () => setTheme(root.dataset.theme === "dark" ? "light" : "dark"));

  const chooser = byId("candidate");
  const choose = () =>
    document.querySelectorAll(".panel").forEach((panel) => {
      panel.hidden = chooser.value !== "all" && panel.dataset.candidate !== chooser.value;
    });
  if (chooser) {
    choose();
    chooser.addEventListener("change", choose);
  }

  document.querySelectorAll("[data-copy]").forEach((button) =>
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(button.parentElement.querySelector("code").textContent);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(button.parentElement.querySelector("code"));
        button.textContent = "Selected";
      }
    }),
  );
  if (innerWidth < 760) document.querySelector("nav details").open = false;
})();
