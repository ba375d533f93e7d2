// Puts the page together: what the feed tells is noted at once, and shown once a frame.

import {at, refill, setText} from "./dom.js";
import {Details} from "./details.js";
import {Feed} from "./feed.js";
import {Fleet} from "./fleet.js";
import {showHealth, showNotices} from "./health.js";
import {hasKey, onKeyChange} from "./key.js";
import {askForKey, Orders} from "./orders.js";
import {Rooms} from "./rooms.js";
import {remember, settings} from "./settings.js";
import {BotTable} from "./table.js";
import {clock, span, tick, zone} from "./times.js";
import {checkTooltip, startTooltips} from "./tooltip.js";

const HIDDEN_MS = 500; // nobody looks, but the title is to be seen on the tab
const GRACE_MS = 2500; // a connection that is back so soon is not worth a warning
const THEMES = {auto: "System theme", light: "Light theme", dark: "Dark theme"};

const fleet = new Fleet();
const orders = new Orders(fleet, () => details.refresh());
const details = new Details(fleet, (word, bot) => orders.begin(word, bot));
const rooms = new Rooms();
const table = new BotTable(fleet, () => schedule());

let changed = nothing();
let scheduled = false;

function nothing() {
  return {all: false, bots: new Set(), lobbies: new Set(), races: new Set()};
}

// A bot looks different when its lobby or one of its races does.
function touchedBots() {
  const bots = new Set(changed.bots);
  for (const id of changed.lobbies) {
    for (const bot of fleet.bots.values()) {
      if (bot.current_lobby_id === id || bot.name === id) {
        bots.add(bot.name);
      }
    }
  }
  if (changed.races.size > 0) {
    for (const bot of fleet.bots.values()) {
      if (bot.races?.some((race) => changed.races.has(race))) {
        bots.add(bot.name);
      }
    }
  }
  return bots;
}

function show() {
  if (!scheduled) {
    return;
  }
  scheduled = false;
  if (!fleet.complete) {
    return;
  }
  const which = changed.all ? null : touchedBots();
  showHealth(fleet);
  showNotices(fleet.system);
  table.show(which);
  rooms.show(fleet, {lobbies: changed.all || changed.lobbies.size > 0, races: changed.all || changed.races.size > 0});
  details.changed(which);
  const wasAll = changed.all;
  changed = nothing();
  checkTooltip();
  at("facts").hidden = false;
  if (wasAll) {
    followAddress();
  }
}

function schedule() {
  if (!scheduled) {
    scheduled = true;
    if (document.hidden) {
      setTimeout(show, HIDDEN_MS);
    } else {
      requestAnimationFrame(show);
    }
  }
}

function take(frame) {
  const kind = fleet.take(frame);
  if (kind === null) {
    return;
  }
  if (kind === "all") {
    changed.all = true;
  } else if (kind !== "system") {
    changed[{bot: "bots", lobby: "lobbies", race: "races"}[kind]].add(frame.id);
  }
  schedule();
}

const feed = new Feed({begins: () => fleet.connectionBegins(), onFrame: take, onPhase: () => showConnection()});
const LINK = {live: "Live", connecting: "Connecting…", waiting: "Not connected", locked: "Locked"};

function showConnection() {
  const {phase, why, heardAt, retryAt} = feed;
  const known = fleet.complete && heardAt !== null;
  const old = known ? span((Date.now() - heardAt) / 1000) : "";
  at("link").dataset.phase = phase;
  setText(at("link-text"), LINK[phase]);
  const lost = phase === "waiting" || (phase === "connecting" && why !== "");
  const stale = lost && known && Date.now() - heardAt > GRACE_MS;
  at("lost").hidden = !(stale || (lost && !known));
  at("facts").classList.toggle("stale", stale || phase === "locked");
  if (!at("lost").hidden) {
    setText(at("lost-text"), known ? `What you see is ${old} old, from ${clock(heardAt)}: ${why}.` : `Nothing to show yet: ${why}.`);
    setText(at("lost-next"), phase === "waiting" ? `Trying again in ${span(Math.max(0, retryAt - Date.now()) / 1000)}.` : "Trying again…");
  }
  at("locked").hidden = phase !== "locked";
  setText(at("locked-why"), why || "Keys are named under web.keys in the configuration.");
  if (stale || phase === "locked") {
    document.title = phase === "locked" ? "(locked) bot-exporter" : "(no connection) bot-exporter";
  } else if (phase === "live" && fleet.complete) {
    showHealth(fleet);
  }
}

function showKey() {
  setText(at("key-text"), hasKey() ? "Key in use" : "Enter a key");
  at("key-open").classList.toggle("held", hasKey());
}

function showTheme() {
  const {theme} = settings;
  if (theme === "auto") {
    delete document.documentElement.dataset.theme;
  } else {
    document.documentElement.dataset.theme = theme;
  }
  refill(at("theme-text"), theme, () => THEMES[theme]);
}

function named(hash) {
  try {
    return decodeURIComponent(hash.slice(1));
  } catch {
    return ""; // somebody has typed half of an escape
  }
}

// The address names what is to be seen: a bot's details, or a lobby or race, which is opened.
function followAddress() {
  details.follow(location.hash);
  const place = /^#(lobbies|races)\//.test(location.hash) ? at(named(location.hash)) : null;
  if (place !== null) {
    place.open = true;
    place.scrollIntoView({block: "center"});
    place.querySelector("summary").focus({preventScroll: true});
  }
}

window.addEventListener("hashchange", () => fleet.complete && followAddress());
// A link to where the address points already is to work again.
document.addEventListener("click", (event) => {
  const link = event.target instanceof Element ? event.target.closest('a[href^="#"]') : null;
  if (link !== null && link.getAttribute("href") === location.hash) {
    followAddress();
  }
});
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input, select, textarea, dialog");
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    at("search").focus();
  } else if (event.key === "Escape" && event.target === at("search") && at("search").value !== "") {
    at("search").value = "";
    at("search").dispatchEvent(new Event("input"));
  }
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    setTimeout(show, HIDDEN_MS); // a frame that was waited for may not come now
  } else {
    feed.hurry();
    schedule();
  }
});
window.addEventListener("online", () => feed.hurry());
at("lost-now").addEventListener("click", () => feed.hurry());
at("key-open").addEventListener("click", () => askForKey(""));
at("locked-open").addEventListener("click", () => askForKey(""));
at("create-lobby").addEventListener("click", () => orders.begin("create-lobby", null));
at("theme").addEventListener("click", () => {
  const names = Object.keys(THEMES);
  remember({theme: names[(names.indexOf(settings.theme) + 1) % names.length]});
  showTheme();
});
onKeyChange(() => {
  showKey();
  if (feed.phase === "locked") {
    feed.connect();
  }
});
setText(at("zone"), zone);
setInterval(() => {
  tick();
  if (feed.phase !== "live") {
    showConnection();
  }
}, 1000);
showKey();
showTheme();
startTooltips();
feed.connect();
