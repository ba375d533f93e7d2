// What this browser remembers of how the page is to look. Keys and searches are not among it.

const PLACE = "bot-exporter";
const DEFAULTS = {status: "all", platform: "", sort: "trouble", descending: false, theme: "auto"};

function remembered() {
  try {
    const found = JSON.parse(localStorage.getItem(PLACE)) ?? {};
    const kept = Object.keys(DEFAULTS).filter((name) => typeof found[name] === typeof DEFAULTS[name]);
    return {...DEFAULTS, ...Object.fromEntries(kept.map((name) => [name, found[name]]))};
  } catch {
    return {...DEFAULTS};
  }
}

export const settings = remembered();

export function remember(changes) {
  Object.assign(settings, changes);
  try {
    localStorage.setItem(PLACE, JSON.stringify(settings));
  } catch {
    // A browser that keeps nothing: the settings hold until the page is left.
  }
}
