// What the theme leaves out. First, what screen readers need.
document.addEventListener("DOMContentLoaded", () => {
  // The logo stands outside every landmark: make the bar around it a named one.
  const bar = document.querySelector(".bd-sidebar-primary");
  bar?.setAttribute("role", "region");
  bar?.setAttribute("aria-label", "Book");
  // The bibliography is a list whose entries carry a role of their own that ARIA has given up.
  for (const entry of document.querySelectorAll("[role=list] > [role=doc-biblioentry]")) {
    entry.setAttribute("role", "listitem");
  }
});

// Paper is light, whatever the screen is.
const root = document.documentElement;
let theme;
window.addEventListener("beforeprint", () => {
  theme = root.dataset.theme;
  root.dataset.theme = "light";
});
window.addEventListener("afterprint", () => {
  root.dataset.theme = theme;
});
