"use strict";
// Draws every figure as SVG and leaves the texts in the page, for the program that opened it.
(async () => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const axis = { gridcolor: "#e4e8ee", linecolor: "#d9dee5", zerolinecolor: "#56606e", tickcolor: "#d9dee5" };
  const drawn = {};
  for (const [key, { data, layout, width, height }] of Object.entries(figures)) {
    const look = { ...layout, width, height, paper_bgcolor: "#fff", plot_bgcolor: "#fff" };
    look.font = { color: "#1b2129", family: "sans-serif", size: 12 };
    for (const name of ["xaxis", "yaxis"]) look[name] = { ...layout[name], ...axis };
    const address = await Plotly.toImage({ data, layout: look }, { format: "svg", width, height });
    drawn[key] = decodeURIComponent(address.slice(address.indexOf(",") + 1));
  }
  const holder = document.createElement("script");
  holder.type = "application/json";
  holder.id = "drawn";
  holder.textContent = JSON.stringify(drawn).replaceAll("<", "\\u003c");
  document.body.append(holder);
})();
