// One bot: what is known of it, the orders it takes, and what has happened to it. Its place in the address is
// `#bots/<name>`, so that it can be linked to.

import {at, element, foreign, refill, setText} from "./dom.js";
import {keyHeaders} from "./key.js";
import {local, moment} from "./times.js";
import {activeBadge, badge, COLOUR, hasEnded, platformName, roomBadge, sentence, statusBadge, waitsForCode, why, words} from "./words.js";

const PAGE = 30;
const AGAIN_MS = 1000; // what has happened is asked for at most so often
const ARROW = " → ";

export class Details {
  #fleet;
  #dialog = at("details");
  #name = null;
  #items = [];
  #next = null;
  #asked = 0; // answers to older questions are not wanted
  #timer = null;
  #askedAt = 0;

  // `give` is called with the word for an order and the bot.
  constructor(fleet, give) {
    this.#fleet = fleet;
    this.#dialog.addEventListener("close", () => this.#left());
    at("details-close").addEventListener("click", () => this.#dialog.close());
    at("older").addEventListener("click", () => this.#ask(this.#next));
    at("kinds").addEventListener("change", () => this.#begin());
    for (const button of at("details-orders").querySelectorAll("button")) {
      button.addEventListener("click", () => give(button.value, this.#fleet.bots.get(this.#name)));
    }
    // A click beside the dialog closes it.
    this.#dialog.addEventListener("click", (event) => event.target === this.#dialog && this.#dialog.close());
  }

  // Follows the address.
  follow(hash) {
    const [, name] = /^#bots\/([a-z0-9_.-]+)$/.exec(hash) ?? [];
    if (name === undefined || !this.#fleet.bots.has(name)) {
      if (this.#dialog.open) {
        this.#dialog.close();
      }
      return;
    }
    if (name !== this.#name) {
      this.#name = name;
      this.#show();
      this.#begin();
    }
    if (!this.#dialog.open) {
      this.#dialog.showModal();
      this.#dialog.scrollTop = 0;
    }
  }

  // `which` names the bots that look different now; null stands for all.
  changed(which) {
    if (this.#name === null || !(which === null || which.has(this.#name))) {
      return;
    }
    if (!this.#fleet.bots.has(this.#name)) {
      this.#dialog.close();
      return;
    }
    this.#show();
    this.refresh();
  }

  // Asks for what has happened meanwhile, soon.
  refresh() {
    if (this.#name !== null && this.#timer === null) {
      this.#timer = setTimeout(() => this.#ask(null), Math.max(0, this.#askedAt + AGAIN_MS - Date.now()));
    }
  }

  #left() {
    this.#name = null;
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#asked += 1;
    if (location.hash.startsWith("#bots/")) {
      history.replaceState(null, "", location.pathname + location.search);
    }
  }

  #show() {
    const bot = this.#fleet.bots.get(this.#name);
    refill(at("details-name"), bot.name, () => foreign(bot.name));
    setText(at("details-of"), [platformName(bot.platform), bot.category ?? bot.username].filter(Boolean).join(" · "));
    refill(at("details-badges"), [bot.status_name, bot.status_icon, bot.status_display, why(bot), bot.is_active, bot.maintenance], () => [statusBadge(bot), activeBadge(bot)]);
    setText(at("details-why"), why(bot));
    refill(at("details-facts"), facts(bot, this.#fleet), () => factList(bot, this.#fleet));
    const takes = {
      start: !bot.is_active,
      stop: bot.is_active,
      restart: bot.is_active,
      "guard-code": waitsForCode(bot),
      "begin-maintenance": bot.maintenance === null,
      "end-maintenance": bot.maintenance !== null,
    };
    for (const button of at("details-orders").querySelectorAll("button")) {
      const focused = button === document.activeElement;
      button.hidden = !takes[button.value];
      if (button.hidden && focused) {
        at("details-close").focus();
      }
    }
  }

  #begin() {
    this.#items = [];
    this.#next = null;
    at("timeline").replaceChildren();
    setText(at("timeline-says"), "Loading…");
    at("older").hidden = true;
    this.#ask(null);
  }

  async #ask(before) {
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#askedAt = Date.now();
    this.#asked += 1;
    const mine = this.#asked;
    const query = new URLSearchParams({limit: PAGE});
    at("kinds").value.split(" ").filter(Boolean).forEach((kind) => query.append("kind", kind));
    if (before !== null) {
      query.set("before", before);
    }
    let page;
    try {
      const answer = await fetch(`status/bots/${encodeURIComponent(this.#name)}/history?${query}`, {headers: keyHeaders(), cache: "no-store", signal: AbortSignal.timeout(10000)});
      page = await answer.json();
      if (!answer.ok) {
        throw new Error(page.detail);
      }
    } catch (error) {
      if (mine === this.#asked) {
        setText(at("timeline-says"), `The history cannot be shown: ${error.message}`);
      }
      return;
    }
    if (mine === this.#asked) {
      this.#take(page, before);
    }
  }

  #take(page, before) {
    const known = new Set(this.#items.map((item) => item.id));
    const fresh = page.items.filter((item) => !known.has(item.id));
    if (before !== null) {
      this.#items.push(...fresh);
    } else if (fresh.length === page.items.length) {
      this.#items = fresh; // nothing in common: also when more has happened than a page holds
    } else {
      this.#items.unshift(...fresh);
    }
    if (before !== null || fresh.length === page.items.length) {
      this.#next = page.next;
    }
    at("older").hidden = this.#next === null;
    setText(at("timeline-says"), this.#items.length > 0 ? "" : "Nothing has happened yet.");
    refill(at("timeline"), this.#items.map((item) => item.id), () => this.#items.map(happening));
  }
}

function happening(item) {
  const colour = item.kind === "status" ? COLOUR[item.after] ?? "none" : item.kind === "error" ? "bad" : item.kind === "order" ? "calm" : "none";
  return element("li", {class: colour},
    element("p", {class: "what"}, told(item), item.message ? [" ", foreign(item.message, {class: "quiet"})] : []),
    element("p", {class: "when"}, moment(item.time), " · ", local(item.time)));
}

function told(item) {
  const change = [item.before, item.after].filter(Boolean).map(words).join(ARROW);
  switch (item.kind) {
    case "status": return element("strong", {}, `Status ${change}`);
    case "error": return element("strong", {}, `Error: ${words(item.reason ?? "other")}`);
    case "order": return element("strong", {}, `Order ${words(item.reason ?? "")}${item.actor ? ` by ${item.actor}` : ""}: ${words(item.after ?? "begun")}.`);
    case "lobby": return element("strong", {}, `Lobby ${change}`);
    case "race": return element("strong", {}, `Race ${change}`);
    default: return element("strong", {}, `${sentence(item.kind)} ${change}${item.reason ? ` (${words(item.reason)})` : ""}`);
  }
}

// Pairs of a name and how to make what it shows; null for what is not known.
function facts(bot, fleet) {
  const lobby = fleet.lobbyOf(bot);
  return [bot, lobby && [lobby.name, lobby.state, lobby.lobby_id], fleet.racesOf(bot).map((race) => [race.slug, race.state])];
}

function factList(bot, fleet) {
  const lobby = fleet.lobbyOf(bot);
  const at_ = (iso, form) => (iso ? [moment(iso, form), element("small", {}, local(iso))] : null);
  const yes = (value, good, bad) => (value === undefined ? null : [value ? badge("good", "check_circle", good) : badge("off", "cloud_off", bad)]);
  const races = fleet.racesOf(bot).filter((race) => !hasEnded(race));
  const rooms = [...(lobby ? [[lobby.name, lobby.state, `#lobbies/${lobby.lobby_id ?? lobby.bot}`]] : []), ...races.map((race) => [race.slug, race.state, `#races/${race.name}`])];
  const pairs = [
    ["State", [sentence(bot.state)]],
    // In a cluster: which process runs it, and when another one told what is shown here.
    ["Process", bot.instance === undefined ? null : bot.instance === null ? ["none"] : [foreign(bot.instance), ...(bot.as_of ? [" told ", moment(bot.as_of)] : [])]],
    ["Works on", rooms.length > 0 ? rooms.map(([name, state, href]) => element("span", {class: "room"}, element("a", {href}, foreign(name)), " ", roomBadge(state))) : null],
    ["Maintenance", bot.maintenance ? [foreign(bot.maintenance.reason), element("small", {}, `announced by ${bot.maintenance.by ?? "an operator"}, `, bot.maintenance.until ? ["until ", local(bot.maintenance.until)] : "until it is taken back")] : null],
    ["Next retry", at_(bot.next_retry_at, "countdown")],
    ["Steam", yes(bot.steam_connected, "logged on", "not logged on")],
    ["Coordinator", yes(bot.gc_connected, "has a session", "no session")],
    ["Connected since", at_(bot.connected_since)],
    ["Last connected", at_(bot.last_connected_at)],
    ["Last proof", at_(bot.last_status_check_at)],
    ["Last poll", at_(bot.last_poll_at)],
    ["Last activity", at_(bot.last_activity)],
    ["Token expires", at_(bot.token_expires_at)],
    ["Last error", bot.last_error ? [foreign(bot.last_error), ...(at_(bot.last_error_time) ?? [])] : null],
    ["Reconnects", [String(bot.reconnects)]],
  ];
  return pairs.filter(([, value]) => value !== null).map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value)));
}
