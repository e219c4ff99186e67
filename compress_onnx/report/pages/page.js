"use strict";
// Theme, choice of candidate, copying: what works without charts.
(() => {
  const root = document.documentElement;
  const byId = (id) => document.getElementById(id);

  const setTheme = (name) => {
    root.dataset.theme = name;
    document.dispatchEvent(new CustomEvent("themechange"));
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", (event) => setTheme(event.matches ? "dark" : "light"));
  byId("theme").addEventListener("click", () => setTheme(root.dataset.theme === "dark" ? "light" : "dark"));

  const chooser = byId("candidate");
  const choose = () => {
    for (const panel of document.querySelectorAll(".panel[data-candidate]"))
      panel.hidden = chooser.value !== "all" && panel.dataset.candidate !== chooser.value;
  };
  if (chooser) {
    choose();
    chooser.addEventListener("change", choose);
    for (const button of document.querySelectorAll("[data-choose]"))
      button.addEventListener("click", () => {
        chooser.value = button.dataset.choose;
        choose();
        byId(button.dataset.goto)?.scrollIntoView();
      });
  }

  for (const button of document.querySelectorAll("[data-copy]"))
    button.addEventListener("click", async () => {
      const text = button.parentElement.querySelector("code");
      try {
        await navigator.clipboard.writeText(text.textContent);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(text);
        button.textContent = "Selected";
      }
    });

  // On paper every candidate and every fold is shown; afterwards the page is as it was.
  const folds = [];
  addEventListener("beforeprint", () => {
    for (const panel of document.querySelectorAll(".panel[hidden]")) panel.hidden = false;
    folds.splice(0, folds.length, ...document.querySelectorAll("main details:not([open])"));
    for (const fold of folds) fold.open = true;
  });
  addEventListener("afterprint", () => {
    if (chooser) choose();
    for (const fold of folds) fold.open = false;
  });

  const contents = document.querySelector("nav details");
  // Where it would stand above the page, not beside it, the list is closed: the verdict comes first.
  if (contents && innerWidth <= 1320) contents.open = false;

  // Marks the section being read in the list of sections.
  const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
  const reading = new IntersectionObserver(
    (entries) => {
      for (const entry of entries.filter((one) => one.isIntersecting)) {
        for (const link of links.values()) link.removeAttribute("aria-current");
        links.get(entry.target.id)?.setAttribute("aria-current", "true");
      }
    },
    { rootMargin: "-20% 0px -70% 0px" },
  );
  for (const section of document.querySelectorAll("main > section")) reading.observe(section);
})();
