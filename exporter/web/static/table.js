// The table of bots: rows with keys, of which only the cells change that look different now.

import {arrange, at, element, foreign, refill, setText} from "./dom.js";
import {remember, settings} from "./settings.js";
import {local, moment} from "./times.js";
import {activeBadge, badge, groupOf, hasEnded, isFailing, platformName, roomBadge, sentence, statusBadge, waitsForCode, why, words} from "./words.js";

const NEVER = Number.MAX_SAFE_INTEGER;
const SHOWN_RACES = 3;
const STILL_MS = 2500; // rows do not run away from a pointer that has just moved
const byName = (one, other) => (one.name < other.name ? -1 : 1);
const time = (iso, none) => (iso ? Date.parse(iso) : none);

// What needs somebody first: failing bots, then what is not proved, then what works, then what is off on purpose.
function trouble(bot) {
  if (isFailing(bot)) {
    return waitsForCode(bot) ? 0 : bot.status_name === "auth_failed" ? 1 : 2;
  }
  return {failing: 3, unknown: 4, connected: 5, disconnected: 6}[groupOf(bot)];
}

const ORDERS = {
  trouble: (one, other) => trouble(one) - trouble(other),
  name: byName,
  active: (one, other) => Number(other.is_active) - Number(one.is_active),
  state: (one, other) => (one.state < other.state ? -1 : one.state > other.state ? 1 : 0),
  connected: (one, other) => time(other.last_connected_at, 0) - time(one.last_connected_at, 0),
  retry: (one, other) => time(one.next_retry_at, NEVER) - time(other.next_retry_at, NEVER),
};

// Each column: what it shows, as facts that are compared, and how that becomes elements.
const CELLS = {
  name: {
    facts: (bot) => [bot.name, bot.platform, bot.category ?? bot.username],
    make: ([name, platform, subject]) => [
      element("a", {class: "name", href: `#bots/${name}`}, foreign(name)),
      element("small", {}, platformName(platform), subject && subject !== name ? [" · ", foreign(subject)] : []),
    ],
  },
  status: {
    facts: (bot) => [bot.status_name, bot.status_display, bot.status_icon, why(bot), waitsForCode(bot)],
    make: ([, , , text, code], bot) => [
      element("span", {class: "badges"}, statusBadge(bot), code ? badge("calm", "key_on", "Guard code wanted") : null),
      text ? foreign(text, {class: "why"}) : null,
    ],
  },
  active: {
    facts: (bot) => [bot.is_active, bot.maintenance],
    make: (_, bot) => [activeBadge(bot)],
  },
  state: {
    facts: (bot) => bot.state,
    make: (state) => [sentence(state)],
  },
  work: {
    facts: (bot, fleet) => {
      const lobby = fleet.lobbyOf(bot);
      const races = fleet.racesOf(bot).filter((race) => !hasEnded(race));
      return {
        lobby: lobby && [lobby.name, lobby.state, lobby.lobby_id ?? lobby.bot, lobby.watched],
        unseen: lobby === null ? bot.current_lobby_id ?? null : null,
        races: races.slice(0, SHOWN_RACES).map((race) => [race.slug, race.state, race.name]),
        more: Math.max(0, races.length - SHOWN_RACES),
      };
    },
    make: ({lobby, unseen, races, more}) => [
      ...(lobby ? [room(lobby[0], lobby[1], `#lobbies/${lobby[2]}`)] : []),
      ...(unseen ? [element("span", {}, `lobby ${unseen}`)] : []),
      ...races.map(([slug, state, name]) => room(slug, state, `#races/${name}`)),
      ...(more > 0 ? [element("small", {}, `and ${more} more`)] : []),
    ],
  },
  connected: {
    facts: (bot) => bot.last_connected_at,
    make: (at) => (at ? [moment(at), element("small", {}, local(at))] : [element("small", {}, "never yet")]),
  },
  retry: {
    facts: (bot) => [bot.next_retry_at, waitsForCode(bot), isFailing(bot) && bot.status_name === "auth_failed"],
    make: ([at, code, refused]) => {
      if (at) {
        return [moment(at, "countdown")];
      }
      return code ? [element("small", {}, "once it is confirmed")] : refused ? [element("small", {}, "none by itself")] : [];
    },
  },
};
const LABELS = {name: "Bot", status: "Status", active: "Active", state: "State", work: "Lobby or races", connected: "Last connected", retry: "Next retry"};

function room(name, state, href) {
  return element("span", {class: "room"}, element("a", {href}, foreign(name)), " ", roomBadge(state));
}

class Row {
  element = element("tr", {role: "row"});
  stale = true; // whether it has to be looked at again before it is shown
  #cells;

  constructor() {
    this.#cells = Object.keys(CELLS).map((column) => [CELLS[column], element("td", {role: "cell", class: `c-${column}`, "data-label": LABELS[column]})]);
    this.element.append(...this.#cells.map(([, cell]) => cell));
  }

  show(bot, fleet) {
    this.element.dataset.group = isFailing(bot) ? "failing" : groupOf(bot) === "failing" ? "quiet" : groupOf(bot);
    for (const [column, cell] of this.#cells) {
      const facts = column.facts(bot, fleet) ?? null;
      refill(cell, facts, () => column.make(facts, bot));
    }
    this.stale = false;
  }
}

export class BotTable {
  #rows = new Map();
  #stillUntil = 0;
  #stillTimer = null;
  #fleet;
  #changed;

  // `changed` is called when somebody wants to see other bots, or in another order.
  constructor(fleet, changed) {
    this.#fleet = fleet;
    this.#changed = changed;
    at("search").addEventListener("input", () => this.#choose({}));
    at("platform").addEventListener("change", () => this.#choose({platform: at("platform").value}));
    at("sort").addEventListener("change", () => this.#choose({sort: at("sort").value, descending: false}));
    at("clear").addEventListener("click", () => {
      at("search").value = "";
      this.#choose({status: "all", platform: ""});
      at("search").focus();
    });
    for (const chip of at("chips").querySelectorAll("button")) {
      chip.addEventListener("click", () => this.#choose({status: chip.value}));
    }
    for (const button of at("head").querySelectorAll("button")) {
      button.addEventListener("click", () => this.#sortBy(button.value));
    }
    at("bots").addEventListener("keydown", (event) => this.#walk(event));
    at("bots").addEventListener("pointermove", (event) => event.pointerType === "mouse" && this.#holdStill(STILL_MS));
    at("bots").addEventListener("pointerleave", () => this.#holdStill(0));
  }

  // `which` names the bots that changed; null stands for all of them.
  show(which) {
    const bots = this.#fleet.bots;
    for (const name of this.#rows.keys()) {
      if (!bots.has(name)) {
        this.#rows.delete(name);
      }
    }
    for (const name of which ?? this.#rows.keys()) {
      const row = this.#rows.get(name);
      if (row !== undefined) {
        row.stale = true;
      }
    }
    const all = [...bots.values()];
    const wanted = this.#inOrder(all.filter(this.#filter()));
    arrange(at("bots"), wanted.map((bot) => {
      let row = this.#rows.get(bot.name);
      if (row === undefined) {
        row = new Row();
        this.#rows.set(bot.name, row);
      }
      if (row.stale) {
        row.show(bot, this.#fleet);
      }
      return row.element;
    }));
    this.#showTools(all, wanted.length);
  }

  // Somebody is about to click: what changes changes in its place, and is put in order a little later.
  #holdStill(ms) {
    this.#stillUntil = Date.now() + ms;
    clearTimeout(this.#stillTimer);
    this.#stillTimer = setTimeout(this.#changed, ms);
  }

  #choose(changes) {
    this.#stillUntil = 0;
    remember(changes);
    this.#changed();
  }

  #sortBy(column) {
    this.#choose({sort: column, descending: settings.sort === column && !settings.descending});
  }

  #filter() {
    const text = at("search").value.trim().toLowerCase();
    const {status, platform} = settings;
    return (bot) => (status === "all" || groupOf(bot) === status) && (platform === "" || bot.platform === platform)
      && (text === "" || this.#textOf(bot).includes(text));
  }

  #textOf(bot) {
    const rooms = [this.#fleet.lobbyOf(bot)?.name, ...(bot.races ?? [])];
    const own = [bot.name, bot.category, bot.username, platformName(bot.platform), words(bot.state), bot.status_display, why(bot)];
    return [...own, bot.maintenance?.reason, ...rooms].filter(Boolean).join("\n").toLowerCase();
  }

  #inOrder(bots) {
    if (Date.now() < this.#stillUntil) {
      const places = new Map([...at("bots").children].map((row, index) => [row, index]));
      const place = (bot) => places.get(this.#rows.get(bot.name)?.element) ?? NEVER;
      return bots.sort((one, other) => place(one) - place(other));
    }
    const order = ORDERS[settings.sort] ?? ORDERS.trouble;
    const sign = settings.descending ? -1 : 1;
    return bots.sort((one, other) => sign * order(one, other) || byName(one, other));
  }

  #showTools(all, shown) {
    const counts = {all: all.length, failing: 0, unknown: 0, connected: 0, disconnected: 0};
    all.forEach((bot) => { counts[groupOf(bot)] += 1; });
    for (const chip of at("chips").querySelectorAll("button")) {
      setText(chip.querySelector("b"), String(counts[chip.value]));
      chip.setAttribute("aria-pressed", String(settings.status === chip.value));
    }
    const platforms = [...new Set(all.map((bot) => bot.platform))].sort();
    refill(at("platform"), platforms, () => [
      element("option", {value: ""}, "All platforms"),
      ...platforms.map((name) => element("option", {value: name}, platformName(name))),
    ]);
    // A platform that is remembered and not there any more must not hide everything.
    if (settings.platform !== "" && all.length > 0 && !platforms.includes(settings.platform)) {
      return this.#choose({platform: ""});
    }
    at("platform").value = settings.platform;
    at("sort").value = settings.sort;
    for (const button of at("head").querySelectorAll("button")) {
      const current = settings.sort === button.value;
      button.closest("th").setAttribute("aria-sort", current ? (settings.descending ? "descending" : "ascending") : "none");
    }
    setText(at("shown"), shown === all.length ? "" : `${shown} of ${all.length} shown`);
    at("clear").hidden = shown === all.length;
    at("nothing").hidden = shown > 0 || all.length === 0;
    at("table").hidden = shown === 0;
  }

  // Up and down go from bot to bot.
  #walk(event) {
    const step = {ArrowDown: 1, ArrowUp: -1}[event.key];
    const row = event.target.closest("tr");
    if (step === undefined || row === null) {
      return;
    }
    const next = step > 0 ? row.nextElementSibling : row.previousElementSibling;
    if (next !== null) {
      next.querySelector("a.name").focus();
      next.scrollIntoView({block: "nearest"});
      event.preventDefault();
    }
  }
}
