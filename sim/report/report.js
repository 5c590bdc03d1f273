// Comfort only: without it every panel shows, in the system's colours.
const root = document.documentElement;
const theme = document.getElementById("theme");
theme.hidden = false;
theme.addEventListener("click", () => {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});
const tabs = [...document.querySelectorAll("[data-tab]")];
const show = (number) => {
  for (const tab of tabs) tab.setAttribute("aria-selected", tab.dataset.tab === number);
  for (const panel of document.querySelectorAll("[data-panel]")) panel.hidden = tabs.length > 0 && panel.dataset.panel !== number;
};
for (const tab of tabs) tab.addEventListener("click", () => show(tab.dataset.tab));
if (tabs.length) show("0");
