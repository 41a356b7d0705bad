"use strict";
// The frame of a page: mode, search, sidebars, menus, contents. It stands in for the theme's bootstrap.js and
// pydata-sphinx-theme.js, which have thirty times its bytes and lay out the whole page several times.

{
const root = document.documentElement;
const all = (selector, within = document) => [...within.querySelectorAll(selector)];

// Light, dark, or as the system has it.
const dark = matchMedia("(prefers-color-scheme: dark)");
const setMode = (mode) => {
  root.dataset.mode = mode;
  root.dataset.theme = mode === "auto" ? (dark.matches ? "dark" : "light") : mode;
  localStorage.setItem("mode", mode);
  localStorage.setItem("theme", root.dataset.theme);
};
const nextMode = () => {
  const modes = dark.matches ? ["auto", "light", "dark"] : ["auto", "dark", "light"];
  setMode(modes[(modes.indexOf(root.dataset.mode) + 1) % 3]);
};
dark.addEventListener("change", () => { if (root.dataset.mode === "auto") setMode("auto"); });

// The search has a page with a field, and a dialog everywhere else.
const search = () => {
  const field = document.querySelector(":not(dialog) > form.bd-search input");
  const dialog = document.getElementById("pst-search-dialog");
  if (field) field.select();
  else if (dialog.open) dialog.close();
  else dialog.showModal();
};

// On a narrow screen a sidebar opens as a dialog: what it holds moves there and back.
const move = (from, to) => {
  to.append(...from.childNodes);
  to.classList.add(...from.classList);
  from.className = "";
};
const openSidebar = (sidebar) => {
  const dialog = document.getElementById(`${sidebar}-modal`);
  move(document.getElementById(sidebar), dialog);
  dialog.showModal();
};
document.addEventListener("close", ({ target }) => {
  const sidebar = target.id.endsWith("-sidebar-modal") && document.getElementById(target.id.slice(0, -6));
  if (sidebar) move(target, sidebar);
}, true);

// A menu opens below its button; a click elsewhere, or Escape, closes it.
const showMenu = (button, shown) => {
  for (const part of [button, button.nextElementSibling]) part.classList.toggle("show", shown);
  button.setAttribute("aria-expanded", shown);
};
const closeMenus = (but) => {
  for (const button of all('[data-bs-toggle="dropdown"].show')) if (button !== but) showMenu(button, false);
};

document.addEventListener("click", ({ target, clientX, clientY }) => {
  const at = (selector) => target.closest(selector);
  const menu = at('[data-bs-toggle="dropdown"]');
  closeMenus(menu);
  if (menu) showMenu(menu, !menu.classList.contains("show"));
  else if (at(".theme-switch-button")) nextMode();
  else if (at(".search-button__button")) search();
  else if (at(".primary-toggle")) openSidebar("pst-primary-sidebar");
  else if (at(".secondary-toggle")) openSidebar("pst-secondary-sidebar");
  else if (at("#pst-back-to-top")) scrollTo(0, 0);
  else if (target.localName === "dialog") { // the dialog itself or what lies behind it
    const { left, right, top, bottom } = target.getBoundingClientRect();
    if (clientX < left || clientX > right || clientY < top || clientY > bottom) target.close();
  }
});

const mac = /^(Mac|iPhone)/.test(navigator.platform);
addEventListener("keydown", (event) => {
  const { key, shiftKey, altKey, ctrlKey, metaKey } = event;
  if (/^k$/i.test(key) && !shiftKey && !altKey && ctrlKey !== mac && metaKey === mac) {
    event.preventDefault();
    search();
  } else if (key === "Escape") {
    const menu = document.querySelector('[data-bs-toggle="dropdown"].show');
    if (menu?.parentElement.contains(document.activeElement)) menu.focus();
    closeMenus();
    document.querySelector("dialog[open]")?.close(); // Sphinx keeps the browser from it
  }
}, true);

// Who scrolls up may want to go to the top.
let height = 0;
addEventListener("scroll", () => {
  document.getElementById("pst-back-to-top").style.display = scrollY && scrollY < height ? "block" : "none";
  height = scrollY;
}, { passive: true });

// The contents mark the last section that has reached the upper part of the window, and what it belongs to.
const follow = () => {
  const links = new Map(
    all("#pst-page-toc-nav a").map((link) => [document.getElementById(link.hash.slice(1)), link]),
  );
  const reached = new Set();
  const watch = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) reached[isIntersecting ? "add" : "delete"](target);
    const last = [...links.keys()].findLast((section) => reached.has(section));
    if (!last) return;
    for (const link of links.values()) link.classList.toggle("active", link === links.get(last));
    for (const item of all("#pst-page-toc-nav li")) {
      item.classList.toggle("active", item.contains(links.get(last)));
    }
  }, { rootMargin: "0px 0px -60%" });
  for (const section of links.keys()) if (section) watch.observe(section);
};

// The sidebar stays where it was on the page before, or shows where one is.
const findPlace = () => {
  const sidebar = document.getElementById("pst-primary-sidebar");
  if (!sidebar || !matchMedia("(min-width: 992px)").matches) return;
  const kept = sessionStorage.getItem("sidebar-scroll-top");
  const lower = sidebar.querySelector("a.current")?.offsetTop - sidebar.offsetHeight / 4;
  if (kept !== null || lower > sidebar.offsetHeight / 4) sidebar.scrollTop = kept ?? lower;
  addEventListener("pagehide", () => sessionStorage.setItem("sidebar-scroll-top", sidebar.scrollTop));
};

addEventListener("DOMContentLoaded", () => {
  if (mac) for (const key of all(".search-button__kbd-shortcut kbd:first-child")) key.textContent = "⌘";
  requestAnimationFrame(findPlace);
});
addEventListener("load", () => (window.requestIdleCallback ?? setTimeout)(follow));
}
