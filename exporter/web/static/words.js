// How states and statuses look and are called.

import {element, icon} from "./dom.js";

export const COLOUR = {connected: "good", auth_failed: "bad", connection_error: "bad", disconnected: "warn", unknown: "none"};
const PLATFORM = {dota2: "Dota 2", racetime: "racetime.gg"};
const ENDED = new Set(["finished", "cancelled", "partitioned"]);
const RUNNING = new Set(["in_game", "in_progress"]);
const CODE_WANTED = new Set(["guard_code_required", "guard_code_mismatch"]);

export const words = (text) => text.replaceAll("_", " ").replace(/\b(gc|dns|tls|http)\b/g, (name) => name.toUpperCase());
export const sentence = (text) => words(text).replace(/^./u, (letter) => letter.toUpperCase());
export const platformName = (name) => PLATFORM[name] ?? name;
export const hasEnded = (room) => ENDED.has(room.state);
export const plural = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;

// A logon that has ended over its code has these reasons too, but nobody can help it by a code.
export const waitsForCode = (bot) => bot.state === "connecting" && CODE_WANTED.has(bot.status_reason);

// Whether somebody has to look: what is switched off or in maintenance is quiet on purpose.
export const isFailing = (bot) => COLOUR[bot.status_name] === "bad" && bot.is_active && bot.maintenance === null;

// The groups of the filter and of the bar: each bot is in one of them.
export function groupOf(bot) {
  switch (bot.status_name) {
    case "connected": return "connected";
    case "disconnected": return "disconnected";
    case "auth_failed":
    case "connection_error": return "failing";
    default: return "unknown";
  }
}

export function why(bot) {
  if (bot.healthy) {
    return "";
  }
  const reason = bot.status_reason && bot.status_reason !== "other" ? words(bot.status_reason) : "";
  return [reason, bot.status_message].filter(Boolean).join(": ");
}

export function badge(colour, name, text, attributes = {}) {
  return element("span", {class: `badge ${colour}`, ...attributes}, name ? icon(name) : null, element("span", {}, text));
}

// The seed's badge: colour, icon and words; with something to say it has a tooltip, which keyboards reach too.
export function statusBadge(bot) {
  const tip = why(bot);
  return badge(COLOUR[bot.status_name] ?? "none", bot.status_icon, bot.status_display, tip ? {"data-tip": tip, tabindex: "0"} : {});
}

export function activeBadge(bot) {
  if (bot.maintenance) {
    return badge("calm", "build", "Maintenance", {"data-tip": `Maintenance: ${bot.maintenance.reason}`, tabindex: "0"});
  }
  return bot.is_active ? badge("plain", "check", "Active") : badge("off", "block", "Inactive");
}

export function roomBadge(state) {
  const colour = RUNNING.has(state) ? "busy" : ENDED.has(state) ? "off" : "plain";
  return badge(colour, RUNNING.has(state) ? "play" : ENDED.has(state) ? "check" : "clock", words(state));
}
