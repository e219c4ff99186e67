"use strict";
// Charts: the library is inflated once the first screen stands, each chart is drawn when it comes near.
(() => {
  const root = document.documentElement;
  const color = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  const places = document.querySelectorAll(".plot");
  if (!places.length) return;
  const touched = matchMedia("(pointer: coarse)").matches;
  const drawn = new Set();
  const waiting = [];
  let figures = null;
  let library = null;
  let busy = false;

  const figureOf = (key) => (figures ??= JSON.parse(document.getElementById("figures").textContent))[key];
  const idle = () => new Promise((done) => (window.requestIdleCallback ?? setTimeout)(done, { timeout: 150 }));

  const inflate = async () => {
    const source = await inflated(document.getElementById("plotly").textContent);
    const script = document.createElement("script");
    script.textContent = new TextDecoder().decode(source);
    document.head.append(script);
  };

  const themed = (figure) => {
    const layout = { paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)" };
    layout.font = { color: color("--ink"), family: getComputedStyle(document.body).fontFamily, size: 12 };
    layout.hoverlabel = { bgcolor: color("--sheet"), bordercolor: color("--soft"), font: { color: color("--ink") } };
    layout.modebar = { bgcolor: "rgba(0,0,0,0)", color: color("--soft"), activecolor: color("--accent") };
    for (const name of ["xaxis", "yaxis"])
      layout[name] = {
        ...figure.layout[name],
        gridcolor: color("--grid"),
        linecolor: color("--line"),
        zerolinecolor: color("--soft"),
        tickcolor: color("--line"),
      };
    return { ...figure.layout, ...layout };
  };

  const draw = async (place) => {
    try {
      await (library ??= inflate());
      const figure = figureOf(place.dataset.chart);
      const layout = { ...themed(figure), autosize: true, dragmode: touched ? false : "zoom" };
      // Named one by one: plotly's default bar holds a button that would send the data away.
      const config = { responsive: true, displaylogo: false, displayModeBar: touched ? false : "hover", modeBarButtons: [["toImage", "zoom2d", "resetScale2d"]] };
      config.toImageButtonOptions = { format: "svg", filename: place.dataset.chart };
      await window.Plotly.newPlot(place, figure.data, layout, config);
      // The chart's words are in its label and in the table; loose tick labels would only disturb.
      for (const picture of place.querySelectorAll(".main-svg")) picture.setAttribute("aria-hidden", "true");
      place.on("plotly_click", ({ points: [point] }) => {
        const behind = point.data.meta?.flips;
        if (!behind) return;
        const [row, column] = [point.pointNumber].flat();
        const detail = { candidate: behind.candidate, label: behind.labels[row] };
        if (behind.said && column !== row) detail.after = behind.said[column];
        document.dispatchEvent(new CustomEvent("showflips", { detail }));
      });
    } catch (problem) {
      place.textContent = `This chart could not be drawn (${problem.message}). The tables hold the same numbers.`;
      place.classList.add("missing");
    }
  };

  // One chart per idle moment: scrolling stays smooth while they appear.
  const work = async () => {
    if (busy) return;
    busy = true;
    while (waiting.length) {
      await idle();
      await draw(waiting.shift());
    }
    busy = false;
  };
  const want = (place) => {
    if (drawn.has(place)) return;
    drawn.add(place);
    waiting.push(place);
    work();
  };

  const watcher = new IntersectionObserver(
    (entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => want(entry.target)),
    { rootMargin: "600px" },
  );
  const start = async () => {
    await idle();
    library ??= inflate();
    for (const place of places) watcher.observe(place);
  };
  // The first screen is painted before the library is touched.
  requestAnimationFrame(() => requestAnimationFrame(start));

  const redraw = () => {
    for (const place of drawn)
      if (place.layout) window.Plotly.react(place, place.data, { ...themed(figureOf(place.dataset.chart)), autosize: true });
  };
  document.addEventListener("themechange", redraw);
  // On paper every chart is there; one that cannot be drawn in time leaves its sentence and table.
  addEventListener("beforeprint", () => places.forEach(want));
})();
