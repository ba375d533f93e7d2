// The fleet at a glance: one sentence, one bar, six figures.

import {at, element, foreign, icon, refill, setText} from "./dom.js";
import {moment} from "./times.js";
import {groupOf, isFailing, plural, why} from "./words.js";

const NAMED = 4; // so many failing bots are named in the sentence below
const RANK = {auth_failed: 0, connection_error: 1};

export function showHealth(fleet) {
  const bots = [...fleet.bots.values()];
  const failing = bots.filter(isFailing).sort((one, other) => RANK[one.status_name] - RANK[other.status_name] || (one.name < other.name ? -1 : 1));
  const verdict = judge(bots, failing);
  at("health").dataset.verdict = verdict.colour;
  refill(at("verdict-icon"), verdict.icon, () => icon(verdict.icon));
  setText(at("headline"), verdict.text);
  refill(at("subline"), [verdict.more, failing.slice(0, NAMED).map((bot) => [bot.name, why(bot)]), failing.length], () => troubles(verdict, failing));
  showBar(bots);
  showFigures(fleet.system);
  document.title = failing.length > 0 ? `(${failing.length} failing) bot-exporter` : "bot-exporter";
  const wanted = failing.length > 0 ? "static/favicon-alert.svg" : "static/favicon.svg";
  if (at("favicon").getAttribute("href") !== wanted) {
    at("favicon").setAttribute("href", wanted);
  }
}

function judge(bots, failing) {
  const count = (group) => bots.filter((bot) => groupOf(bot) === group).length;
  const [working, unproved, stopped] = [count("connected"), count("unknown"), count("disconnected")];
  const resting = bots.filter((bot) => bot.maintenance !== null).length;
  const notes = [];
  if (unproved > 0) {
    notes.push(`${unproved} not proved yet`);
  }
  if (stopped > 0) {
    notes.push(`${stopped} switched off`);
  }
  if (resting > 0) {
    notes.push(`${resting} in maintenance`);
  }
  const more = notes.join(" · ");
  if (bots.length === 0) {
    return {colour: "none", icon: "help", text: "No bots are configured", more: "Add them under “bots” in the configuration file."};
  }
  if (failing.length > 0) {
    return {colour: "bad", icon: "error", text: `${failing.length} of ${plural(bots.length, "bot")} ${failing.length === 1 ? "is" : "are"} failing`, more};
  }
  if (working === bots.length) {
    return {colour: "good", icon: "check_circle", text: bots.length === 1 ? "The bot is working" : `All ${bots.length} bots are working`, more};
  }
  if (working > 0) {
    return {colour: unproved > 0 ? "none" : "good", icon: unproved > 0 ? "clock" : "check_circle", text: `${working} of ${plural(bots.length, "bot")} working, none failing`, more};
  }
  return {colour: "none", icon: unproved > 0 ? "clock" : "cloud_off", text: unproved > 0 ? "The bots are starting" : "No bot is running", more};
}

function troubles(verdict, failing) {
  const named = failing.slice(0, NAMED).map((bot) => element("li", {},
    element("a", {href: `#bots/${bot.name}`}, foreign(bot.name)), " ", foreign(why(bot), {class: "quiet"})));
  if (failing.length > NAMED) {
    named.push(element("li", {}, `and ${failing.length - NAMED} more`));
  }
  return [verdict.more ? element("p", {}, verdict.more) : null, named.length > 0 ? element("ul", {}, named) : null];
}

const GROUPS = ["failing", "unknown", "disconnected", "busy", "ready"];

function showBar(bots) {
  const counts = Object.fromEntries(GROUPS.map((group) => [group, 0]));
  for (const bot of bots) {
    const group = groupOf(bot);
    counts[group !== "connected" ? group : bot.available && !isBusy(bot) ? "ready" : "busy"] += 1;
  }
  for (const part of at("bar").children) {
    part.style.flexGrow = counts[part.dataset.group];
    part.hidden = counts[part.dataset.group] === 0;
  }
}

const isBusy = (bot) => ["in_lobby", "in_game", "in_race"].includes(bot.state);

function showFigures(system) {
  if (system === null) {
    return;
  }
  for (const name of ["available_bots", "busy_bots", "disconnected_bots", "active_lobbies", "active_races"]) {
    setText(at(name), String(system[name]));
    at(name).parentElement.classList.toggle("some", system[name] > 0);
  }
  setText(at("total_lobbies_created"), system.total_lobbies_created > 0 ? `${system.total_lobbies_created} created in all` : "");
  refill(at("uptime"), system.started_at, () => moment(system.started_at, "lasting"));
}

export function showNotices(system) {
  const waits = system?.draining_waits_for ?? [];
  const some = waits.length > 5 ? `${waits.slice(0, 5).join(", ")} and ${waits.length - 5} more` : waits.join(", ");
  at("draining").hidden = !system?.draining;
  setText(at("draining"), `Draining: no new work is taken.${waits.length > 0 ? ` Waiting for ${some}.` : ""}`);
  const until = system?.steam?.logon_cooldown_until ?? null;
  const queued = system?.steam?.logon_queue_length ?? 0;
  at("logons").hidden = until === null && queued === 0;
  at("logons").classList.toggle("warn", until !== null);
  refill(at("logons"), [until, queued], () => [
    ...(until === null ? [] : ["Steam limits our logons: the next is ", moment(until, "countdown"), ". "]),
    queued > 0 ? `${plural(queued, "logon")} ${queued === 1 ? "waits" : "wait"} in the queue.` : null,
  ]);
}
