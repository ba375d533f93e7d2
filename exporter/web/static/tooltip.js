// One tooltip for the page: over whatever has `data-tip`, for the pointer and for the keyboard. Escape puts it away,
// and the pointer may go over to it.

import {element} from "./dom.js";

const GONE_MS = 150;

const bubble = element("div", {id: "tip", role: "tooltip", hidden: true});
let owner = null;
let timer = null;

function show(target) {
  clearTimeout(timer);
  if (owner !== target) {
    hide();
    owner = target;
    target.setAttribute("aria-describedby", "tip");
  }
  bubble.textContent = target.dataset.tip;
  bubble.lang = "en";
  // A dialog lies above everything else: what is said about its inside has to be inside.
  (target.closest("dialog") ?? document.body).append(bubble);
  bubble.hidden = false;
  const place = target.getBoundingClientRect();
  const own = bubble.getBoundingClientRect();
  const left = Math.min(Math.max(8, place.left), document.documentElement.clientWidth - own.width - 8);
  const above = place.top - own.height - 6;
  bubble.style.left = `${left}px`;
  bubble.style.top = `${above > 8 ? above : place.bottom + 6}px`;
}

function hide() {
  clearTimeout(timer);
  owner?.removeAttribute("aria-describedby");
  owner = null;
  bubble.hidden = true;
}

const tipped = (event) => (event.target instanceof Element ? event.target.closest("[data-tip], #tip") : null);

export function startTooltips() {
  document.body.append(bubble);
  document.addEventListener("pointerover", (event) => {
    const target = tipped(event);
    if (target === bubble) {
      clearTimeout(timer);
    } else if (target !== null) {
      show(target);
    }
  });
  document.addEventListener("pointerout", (event) => {
    if (tipped(event) !== null) {
      clearTimeout(timer);
      timer = setTimeout(hide, GONE_MS);
    }
  });
  document.addEventListener("focusin", (event) => (tipped(event) === null ? hide() : show(tipped(event))));
  document.addEventListener("focusout", hide);
  document.addEventListener("scroll", hide, {capture: true, passive: true});
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && owner !== null) {
      hide();
      event.preventDefault(); // the dialog beneath stays
    }
  }, {capture: true});
}

// What it belongs to may have been made anew, or be gone.
export function checkTooltip() {
  if (owner !== null && !owner.isConnected) {
    hide();
  }
}
