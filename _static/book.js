"use strict";
// What a page gains with JavaScript; it can be read without.

{
// Frames that do scroll can be reached by the keyboard, and no others. A section that is far from the window has not
// been laid out; its frames are measured when it comes near.
const frames = ":is(.bd-article pre, .table-frame, .bd-article mjx-container[display=true])";
const far = (section) => section.firstElementChild?.checkVisibility?.({ contentVisibilityAuto: true }) === false;
const reach = (part) => {
  const waiting = [...part.querySelectorAll(".bd-article > section > section")].filter(far);
  // All are measured before any is changed: else each change has the page laid out anew.
  const measured = [...part.querySelectorAll(frames)]
    .filter((frame) => !waiting.some((section) => section.contains(frame)))
    .map((frame) => [frame, frame.scrollWidth > frame.clientWidth + 1]);
  for (const [frame, scrolls] of measured) {
    if (scrolls && frame.tabIndex !== 0) frame.tabIndex = 0;
    else if (!scrolls) frame.removeAttribute("tabindex");
  }
};
// When the page is at rest; but at last, however busy it is.
const soon = (task) => (window.requestIdleCallback ? requestIdleCallback(task, { timeout: 500 }) : setTimeout(task));
addEventListener("load", () => soon(() => reach(document)));
addEventListener("resize", () => reach(document));
addEventListener("contentvisibilityautostatechange", ({ skipped, target }) => skipped || reach(target), true);
document.addEventListener("toggle", ({ target }) => reach(target), true);

// A figure's picture once more, in its full size and without waiting; of a plot the one that is shown.
const again = (box) => {
  const shown = [...box.querySelectorAll("img")].find((picture) => picture.clientWidth);
  const copy = shown?.cloneNode();
  for (const hint of ["loading", "srcset", "sizes", "style", "width", "height"]) copy?.removeAttribute(hint);
  return copy;
};

// A click or Enter on a figure enlarges it; Escape, a click or Enter closes it.
const dialog = document.createElement("dialog");
dialog.className = "enlarged";
dialog.innerHTML = '<button type="button" aria-label="Close"></button>';
const close = dialog.firstChild;
close.addEventListener("click", () => dialog.close());
document.addEventListener("click", (event) => {
  const link = event.target.closest(".bd-article a.image-reference");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  close.replaceChildren(again(link));
  dialog.showModal();
});
addEventListener("DOMContentLoaded", () => document.body.append(dialog));

// The slider of the first page.
addEventListener("DOMContentLoaded", () => {
  for (const slider of document.querySelectorAll(".compare input")) {
    const box = slider.parentElement;
    box.classList.add("live");
    slider.hidden = false;
    slider.addEventListener("input", () => box.style.setProperty("--shown", `${slider.value}%`));
  }
});

// Terms, citations and figures of the same page are previewed on hover and focus; Escape closes.
const tip = document.createElement("div");
tip.className = "preview";
tip.id = "preview";
tip.setAttribute("role", "tooltip");
tip.hidden = true;
let shownFor = null;
let timer = 0;
const hide = () => {
  clearTimeout(timer);
  tip.hidden = true;
  shownFor?.removeAttribute("aria-describedby");
  shownFor = null;
};
const later = () => { clearTimeout(timer); timer = setTimeout(hide, 200); };
const content = (link) => {
  if (link.dataset.preview) return document.createTextNode(link.dataset.preview);
  const href = link.getAttribute("href") ?? "";
  const figure = href.startsWith("#") && document.getElementById(href.slice(1))?.closest("figure");
  return (figure && again(figure)) || null;
};
const show = (link) => {
  clearTimeout(timer);
  if (link === shownFor) return;
  hide();
  const inside = content(link);
  if (!inside) return;
  tip.replaceChildren(inside);
  tip.hidden = false;
  const at = link.getBoundingClientRect();
  const left = Math.min(at.left, document.documentElement.clientWidth - tip.offsetWidth - 8);
  const below = at.bottom + tip.offsetHeight + 8 < innerHeight;
  tip.style.left = `${Math.max(8, left)}px`;
  tip.style.top = `${below ? at.bottom + 4 : Math.max(4, at.top - tip.offsetHeight - 4)}px`;
  link.setAttribute("aria-describedby", "preview");
  shownFor = link;
};
const asked = (event) => event.target.closest?.(".bd-article a.reference.internal");
addEventListener("DOMContentLoaded", () => {
  document.body.append(tip);
  for (const [start, end] of [["mouseover", "mouseout"], ["focusin", "focusout"]]) {
    document.addEventListener(start, (event) => { const link = asked(event); if (link) show(link); });
    document.addEventListener(end, (event) => { if (asked(event)) later(); });
  }
  tip.addEventListener("mouseenter", () => clearTimeout(timer));
  tip.addEventListener("mouseleave", later);
});
addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
addEventListener("scroll", hide, { passive: true });

const decoded = (hash) => {
  try {
    return decodeURIComponent(hash);
  } catch {
    return hash; // an address that somebody cut
  }
};

// A solution or a fold that a link or a search leads to opens by itself. Sections before it may change their height
// when they come near the window: so the window goes there again.
const open = () => {
  const goal = location.hash && document.getElementById(decoded(location.hash.slice(1)));
  if (!goal) return;
  for (let part = goal; part; part = part.parentElement) if (part.localName === "details") part.open = true;
  let frames = 10;
  const go = () => { goal.scrollIntoView(); if (frames--) requestAnimationFrame(go); };
  requestAnimationFrame(go);
};
addEventListener("DOMContentLoaded", open);
addEventListener("hashchange", open);

// What the search shows of a page is its prose: no contents, no code, no formulas.
addEventListener("DOMContentLoaded", () => {
  if (typeof Search === "undefined") return;
  const unwanted = ".headerlink, script, style, mjx-container, .cell, .teaser, .report, .chapter-facts, nav";
  Search.htmlToText = (source, anchor) => {
    const page = new DOMParser().parseFromString(source, "text/html");
    page.querySelectorAll(unwanted).forEach((part) => part.remove());
    const article = page.querySelector("article");
    article?.querySelectorAll("dt, dd, p, li, h1, h2, h3, td, th").forEach((part) => part.append(" "));
    return ((anchor && article?.querySelector(anchor)) || article)?.textContent ?? "";
  };
});

// On paper everything is open and light.
let before = [];
let theme = "";
addEventListener("beforeprint", () => {
  before = [...document.querySelectorAll("details:not([open])")];
  before.forEach((fold) => (fold.open = true));
  theme = document.documentElement.dataset.theme;
  document.documentElement.dataset.theme = "light";
});
addEventListener("afterprint", () => {
  before.forEach((fold) => (fold.open = false));
  document.documentElement.dataset.theme = theme;
});
}
