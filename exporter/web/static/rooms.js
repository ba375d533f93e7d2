// Lobbies and races as cards. Who is in one is shown when it is opened, and only then put together.

import {arrange, at, element, foreign, icon, refill, setText} from "./dom.js";
import {moment, raceTime} from "./times.js";
import {hasEnded, plural, roomBadge, words} from "./words.js";

const LOBBY_RANK = {creating: 0, in_game: 1, ready: 2, waiting: 3, finished: 4};
const RACE_RANK = {in_progress: 0, pending: 1, open: 2, invitational: 3, unknown: 4, finished: 5, cancelled: 6, partitioned: 7};
const TEAMS = [["radiant", "Radiant"], ["dire", "Dire"], ["spectator", "Watching"], ["unassigned", "No team"]];
const LEFT = new Set(["dnf", "dq", "declined"]);

class Card {
  element = element("details", {class: "card"});
  #title = element("span", {class: "card-title"});
  #state = element("span");
  #facts = element("span", {class: "card-facts"});
  #inside = element("div", {class: "inside"});
  #kind;
  #room = null;

  constructor(kind, id) {
    this.#kind = kind;
    this.element.id = `${kind.place}/${id}`;
    this.element.append(element("summary", {}, element("span", {class: "card-head"}, this.#title, this.#state), this.#facts), this.#inside);
    this.element.addEventListener("toggle", () => this.#showInside());
  }

  show(room) {
    this.#room = room;
    this.element.classList.toggle("ended", hasEnded(room));
    refill(this.#title, this.#kind.title(room), () => this.#kind.makeTitle(room));
    refill(this.#state, room.state, () => roomBadge(room.state));
    refill(this.#facts, this.#kind.facts(room), () => this.#kind.makeFacts(room));
    this.#showInside();
  }

  #showInside() {
    if (this.element.open) {
      refill(this.#inside, this.#room, () => this.#kind.makeInside(this.#room));
    }
  }
}

const people = (list, make) => element("ul", {class: "people"}, list.map((each) => element("li", {}, make(each))));
const fact = (name, ...value) => [element("dt", {}, name), element("dd", {}, ...value)];
const bot = (name) => element("a", {href: `#bots/${name}`}, foreign(name));

const LOBBIES = {
  place: "lobbies",
  idOf: (lobby) => lobby.lobby_id ?? lobby.bot,
  rank: (lobby) => LOBBY_RANK[lobby.state] ?? 5,
  begun: (lobby) => lobby.created_at,
  title: (lobby) => [lobby.name, lobby.has_password],
  makeTitle: (lobby) => [foreign(lobby.name), lobby.has_password ? element("span", {class: "mark"}, icon("lock"), element("span", {class: "unseen"}, "with a password")) : null],
  facts: (lobby) => [lobby.game_mode_name, lobby.server_region_name, lobby.radiant_count, lobby.dire_count, lobby.spectator_count, lobby.bot, lobby.watched, lobby.match_outcome, lobby.state],
  makeFacts: (lobby) => {
    const watching = lobby.spectator_count > 0 ? `, ${lobby.spectator_count} watching` : "";
    return [
      element("span", {}, `${lobby.radiant_count} vs ${lobby.dire_count}${watching}`),
      element("span", {}, `${lobby.game_mode_name} · ${words(lobby.server_region_name)}`),
      element("span", {}, "by ", foreign(lobby.bot)),
      lobby.match_outcome ? element("span", {}, `ended: ${words(lobby.match_outcome)}`) : null,
      lobby.watched || hasEnded(lobby) || lobby.state === "creating" ? null : element("span", {class: "warn-text"}, "as last seen: its bot is away"),
    ];
  },
  makeInside: (lobby) => {
    const teams = TEAMS.map(([team, title]) => [title, lobby.players.filter((player) => player.team === team)]).filter(([title, list]) => list.length > 0 || title === "Radiant" || title === "Dire");
    return [
      element("div", {class: "teams"}, teams.map(([title, list]) => element("section", {},
        element("h3", {}, title, element("span", {class: "count"}, String(list.length))),
        list.length > 0
          ? people([...list].sort((one, other) => (one.slot ?? 99) - (other.slot ?? 99)), (player) => foreign(player.name ?? player.steam_id, {title: player.steam_id}))
          : element("p", {class: "quiet"}, "nobody yet")))),
      element("dl", {},
        fact("Bot", bot(lobby.bot)),
        fact("Lobby id", lobby.lobby_id ?? "not confirmed yet"),
        lobby.match_id ? fact("Match", lobby.match_id) : [],
        lobby.created_at ? fact("Created", moment(lobby.created_at)) : []),
    ];
  },
};

const RACES = {
  place: "races",
  idOf: (race) => race.name,
  rank: (race) => RACE_RANK[race.state] ?? 4,
  begun: (race) => race.opened_at,
  title: (race) => race.name,
  makeTitle: (race) => [foreign(race.slug)],
  facts: (race) => [race.category, race.goal, race.entrants_count, race.entrants_count_finished, race.entrants_count_inactive, race.bot, race.room_connected, race.state, race.started_at],
  makeFacts: (race) => [
    element("span", {}, foreign(race.category), " · ", foreign(race.goal.name)),
    element("span", {}, `${plural(race.entrants_count, "entrant")}${race.entrants_count_finished > 0 ? `, ${race.entrants_count_finished} finished` : ""}`),
    race.state === "in_progress" && race.started_at ? element("span", {}, "running for ", moment(race.started_at, "lasting")) : null,
    race.room_connected || hasEnded(race) ? null : element("span", {class: "warn-text"}, "room not connected"),
  ],
  makeInside: (race) => [
    race.entrants.length > 0 ? people([...race.entrants].sort((one, other) => (one.place ?? 999) - (other.place ?? 999)), entrant) : element("p", {class: "quiet"}, "No entrants are known."),
    element("dl", {},
      race.bot ? fact("Bot", bot(race.bot)) : [],
      race.info ? fact("Info", foreign(race.info)) : [],
      // Only web addresses become links: the text is another server's.
      /^https?:\/\//i.test(race.url ?? "") ? fact("Room", element("a", {href: race.url, rel: "noopener noreferrer"}, foreign(race.url))) : [],
      race.opened_by_bot ? fact("Opened by", foreign(race.opened_by_bot)) : [],
      race.opened_at ? fact("Opened", moment(race.opened_at)) : [],
      race.ended_at ? fact("Ended", moment(race.ended_at)) : []),
  ],
};

function entrant(each) {
  const result = each.finish_time_seconds !== null ? raceTime(each.finish_time_seconds) : words(each.status);
  return [
    element("span", {class: "place"}, each.place !== null ? `${each.place}.` : ""),
    foreign(each.name),
    each.team ? element("small", {}, "team ", foreign(each.team)) : null,
    element("span", {class: LEFT.has(each.status) ? "result quiet" : "result"}, result),
  ].filter((part) => part !== null);
}

class Cards {
  #kind;
  #cards = new Map();

  constructor(kind) {
    this.#kind = kind;
  }

  show(rooms) {
    const {idOf, rank, begun, place} = this.#kind;
    const ordered = [...rooms].sort((one, other) => rank(one) - rank(other) || ((begun(one) ?? "") > (begun(other) ?? "") ? -1 : 1));
    const ids = new Set(ordered.map(idOf));
    for (const id of this.#cards.keys()) {
      if (!ids.has(id)) {
        this.#cards.delete(id);
      }
    }
    arrange(at(place), ordered.map((room) => {
      let card = this.#cards.get(idOf(room));
      if (card === undefined) {
        card = new Card(this.#kind, idOf(room));
        this.#cards.set(idOf(room), card);
      }
      card.show(room);
      return card.element;
    }));
    const active = ordered.filter((room) => !hasEnded(room)).length;
    setText(at(`${place}-count`), ordered.length > 0 ? `${active} active${ordered.length > active ? `, ${ordered.length - active} ended lately` : ""}` : "");
    at(`no-${place}`).hidden = ordered.length > 0;
  }
}

export class Rooms {
  #lobbies = new Cards(LOBBIES);
  #races = new Cards(RACES);

  show(fleet, {lobbies, races}) {
    const platforms = new Set([...fleet.bots.values()].map((bot) => bot.platform));
    at("lobbies-section").hidden = fleet.lobbies.size === 0 && !platforms.has("dota2");
    at("races-section").hidden = fleet.races.size === 0 && !platforms.has("racetime");
    if (lobbies) {
      this.#lobbies.show(fleet.lobbies.values());
    }
    if (races) {
      this.#races.show(fleet.races.values());
    }
  }
}
