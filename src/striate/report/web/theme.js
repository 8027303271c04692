// Light or dark: as the system has it, or as the button says. What needs this script is shown.

const root = document.documentElement;
document.querySelectorAll(".js").forEach((e) => (/** @type {HTMLElement} */ (e).hidden = false));

const theme = /** @type {HTMLElement} */ (document.querySelector("#theme"));
const isDark = () => (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
const nameTheme = () => (theme.textContent = isDark() ? "Light" : "Dark");
theme.addEventListener("click", () => {
  root.dataset.theme = isDark() ? "light" : "dark";
  nameTheme();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", nameTheme);
nameTheme();
