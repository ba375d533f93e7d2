// Fetches /status every five seconds and shows it. Whatever comes from outside (names of players, texts of services)
// is put in as text, never as markup.

const EVERY_MS = 5000;
const PATIENCE_MS = 10000;
const COLOUR = {connected: "good", auth_failed: "bad", connection_error: "bad", disconnected: "warn", unknown: "none"};
const ORDER = ["auth_failed", "connection_error", "unknown", "connected", "disconnected"];
const FIGURES = ["total_bots", "available_bots", "busy_bots", "disconnected_bots", "active_races", "active_lobbies"];
const ENDED = new Set(["finished", "cancelled", "partitioned"]);
const CODE_WANTED = new Set(["guard_code_required", "guard_code_mismatch"]);
const KEY = "bot-exporter-key";

const at = (id) => document.getElementById(id);
let serverAheadMs = 0; // the browser's clock may be wrong: times are told by the server's
let lastAnswer = null;
let timer = null;

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    made.setAttribute(key, value);
  }
  made.append(...children.filter((each) => each !== null && each !== undefined));
  return made;
}

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#${name}`);
  svg.setAttribute("aria-hidden", "true");
  svg.append(use);
  return svg;
}

function cell(label, ...children) {
  return element("td", {"data-label": label}, ...children);
}

function span(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const parts = [[Math.floor(whole / 86400), "d"], [Math.floor(whole / 3600) % 24, "h"], [Math.floor(whole / 60) % 60, "m"]]
    .filter(([count]) => count > 0).map(([count, unit]) => count + unit);
  if (whole < 60) {
    return `${whole}s`;
  }
  return parts.slice(0, 2).join(" ");
}

function relative(iso) {
  const seconds = (Date.parse(iso) - Date.now() - serverAheadMs) / 1000;
  if (Math.abs(seconds) < 1) {
    return "now";
  }
  return seconds > 0 ? `in ${span(seconds)}` : `${span(-seconds)} ago`;
}

function local(iso) {
  return new Date(iso).toLocaleString();
}

// A time both ways: relative, kept up to date by `tick`, and as the clock of whoever reads it shows it.
function moment(iso) {
  if (!iso) {
    return [];
  }
  const shown = element("time", {datetime: iso, title: local(iso)}, relative(iso));
  return [shown, element("small", {}, local(iso))];
}

function tick() {
  for (const each of document.querySelectorAll("time[datetime]")) {
    const text = relative(each.dateTime);
    if (each.textContent !== text) {
      each.textContent = text;
    }
  }
}

function words(text) {
  return text.replaceAll("_", " ");
}

// A logon that has ended over its code has these reasons too, but nobody can help it by a code.
function waitsForCode(bot) {
  return bot.state === "connecting" && CODE_WANTED.has(bot.status_reason);
}

function guardBadge(bot) {
  return waitsForCode(bot) ? element("span", {class: "badge warn"}, icon("help"), "Guard code wanted") : null;
}

function statusBadge(bot) {
  const title = bot.status_message ?? bot.status_display;
  return element("span", {class: `badge ${COLOUR[bot.status_name] ?? "none"}`, title}, icon(bot.status_icon), bot.status_display);
}

function reason(bot) {
  if (bot.healthy || !(bot.status_message || bot.status_reason)) {
    return null;
  }
  const text = [bot.status_reason && words(bot.status_reason), bot.status_message].filter(Boolean).join(": ");
  return element("span", {class: COLOUR[bot.status_name] === "bad" ? "reason bad" : "reason quiet"}, text);
}

function retry(bot) {
  if (bot.next_retry_at) {
    return moment(bot.next_retry_at);
  }
  if (waitsForCode(bot)) {
    return [element("span", {}, "goes on once it is confirmed")];
  }
  if (bot.status_name === "auth_failed" && bot.is_active) {
    return [element("span", {}, "none by itself"), element("small", {}, "correct the credentials: a changed secret file is noticed by itself")];
  }
  return [];
}

function work(bot) {
  const parts = bot.racing.map((race) => element("span", {}, race, element("br")));
  if (bot.current_lobby_id) {
    parts.push(element("span", {}, `lobby ${bot.current_lobby_id}`));
  }
  return parts;
}

function activity(bot) {
  if (bot.maintenance) {
    const until = bot.maintenance.until ? `until ${local(bot.maintenance.until)}` : "until taken back";
    return [element("span", {class: "badge warn", title: bot.maintenance.reason}, "Maintenance"),
      element("small", {}, `${bot.maintenance.reason}, ${until}`)];
  }
  return [bot.is_active ? element("span", {class: "badge good"}, "Active") : element("span", {class: "badge"}, "Inactive")];
}

function botRow(bot) {
  return [
    cell("Bot", element("strong", {}, bot.name), element("small", {}, `${bot.platform} · ${bot.category ?? bot.username ?? ""}`)),
    cell("Active", ...activity(bot)),
    cell("Status", statusBadge(bot), " ", guardBadge(bot), reason(bot)),
    cell("Next retry", ...retry(bot)),
    cell("State", element("span", {}, words(bot.state))),
    cell("Last connected", ...moment(bot.last_connected_at)),
    cell("Working on", ...work(bot)),
  ];
}

function raceRow(race) {
  // Only web addresses become links: the text is another server's.
  const name = /^https?:\/\//i.test(race.url)
    ? element("a", {href: race.url, rel: "noopener noreferrer"}, race.name) : element("strong", {}, race.name);
  const entrants = `${race.entrants_count} entrants, ${race.entrants_count_finished} finished, ${race.entrants_count_inactive} inactive`;
  return [
    cell("Race", name, race.info ? element("small", {}, race.info) : null),
    cell("State", element("span", {class: race.state === "in_progress" ? "badge good" : "badge"}, words(race.state))),
    cell("Goal", element("span", {}, race.goal.name)),
    cell("Entrants", element("span", {title: race.entrants.map((each) => `${each.name}: ${words(each.status)}`).join("\n")}, entrants)),
    cell("Bot", element("span", {}, race.bot ?? "")),
    cell("Room", element("span", {class: race.room_connected ? "badge good" : "badge"}, race.room_connected ? "connected" : "not connected")),
  ];
}

function lobbyRow(lobby) {
  const names = lobby.players.map((each) => `${each.name} (${each.team})`).join("\n");
  const counts = `${lobby.radiant_count} radiant, ${lobby.dire_count} dire, ${lobby.spectator_count} watching`;
  return [
    cell("Lobby", element("strong", {}, lobby.name), element("small", {}, lobby.lobby_id ?? "not confirmed yet")),
    cell("State", element("span", {class: "badge"}, words(lobby.state))),
    cell("Mode", element("span", {}, `${lobby.game_mode_name}, ${lobby.server_region_name}`)),
    cell("Players", element("span", {title: names}, counts)),
    cell("Bot", element("span", {}, lobby.bot)),
  ];
}

// Rows are made anew only when what they show has changed: selections and tooltips survive.
function fill(id, items, keyOf, rowOf) {
  const body = at(id);
  const known = new Map([...body.rows].map((row) => [row.dataset.key, row]));
  const rows = items.map((item) => {
    const key = keyOf(item);
    const text = JSON.stringify(item);
    const row = known.get(key) ?? element("tr", {"data-key": key});
    if (row.shown !== text) {
      row.shown = text;
      row.replaceChildren(...rowOf(item));
    }
    return row;
  });
  const same = rows.length === body.rows.length && rows.every((row, index) => row === body.rows[index]);
  if (!same) {
    body.replaceChildren(...rows);
  }
}

function showLogons(steam) {
  const parts = [];
  if (steam?.logon_cooldown_until) {
    const until = new Date(steam.logon_cooldown_until).toLocaleTimeString([], {hour: "2-digit", minute: "2-digit"});
    parts.push(`Steam limits our logons until ${until}.`);
  }
  if (steam?.logon_queue_length) {
    parts.push(steam.logon_queue_length === 1 ? "1 logon waits." : `${steam.logon_queue_length} logons wait.`);
  }
  at("logons").hidden = parts.length === 0;
  at("logons").textContent = parts.join(" ");
  at("logons").classList.toggle("warn", Boolean(steam?.logon_cooldown_until));
}

function show({system, bots, lobbies, races}) {
  serverAheadMs = Date.parse(system.started_at) + system.uptime_seconds * 1000 - Date.now();
  for (const id of FIGURES) {
    at(id).textContent = system[id];
    at(id).parentElement.classList.toggle("some", system[id] > 0);
  }
  at("uptime").textContent = `· up for ${span(system.uptime_seconds)}`;
  const rank = (bot) => ORDER.indexOf(bot.status_name);
  bots.sort((one, other) => rank(one) - rank(other) || (one.name < other.name ? -1 : 1));
  const running = new Set(races.filter((race) => !ENDED.has(race.state)).map((race) => race.name));
  for (const bot of bots) {
    bot.racing = (bot.races ?? []).filter((race) => running.has(race));
  }
  fill("bots", bots, (bot) => bot.name, botRow);
  fill("races", races, (race) => race.name, raceRow);
  fill("lobbies", lobbies, (lobby) => lobby.lobby_id ?? `of ${lobby.bot}`, lobbyRow);
  at("no-bots").hidden = bots.length > 0;
  at("no-races").hidden = races.length > 0;
  at("lobbies-section").hidden = lobbies.length === 0;
  const waits = system.draining_waits_for;
  at("draining").hidden = !system.draining;
  at("draining").textContent = `Draining: no new work is taken.${waits.length ? ` Waiting for ${waits.join(", ")}.` : ""}`;
  showLogons(system.steam);
  const failed = bots.filter((bot) => ["auth_failed", "connection_error"].includes(bot.status_name)).length;
  document.title = failed ? `(${failed} failing) bot-exporter` : "bot-exporter";
}

function lose(why) {
  at("lost").hidden = false;
  at("lost").textContent = lastAnswer
    ? `No answer from the server since ${lastAnswer.toLocaleTimeString()} (${why}). What you see below is from then.`
    : `No answer from the server (${why}).`;
  at("facts").classList.add("stale");
  at("fresh").textContent = "Trying again every 5 seconds.";
  document.title = "(no answer) bot-exporter";
}

function lock(why) {
  at("locked").hidden = false;
  at("locked-why").textContent = why;
  at("facts").hidden = true;
  at("lost").hidden = true;
  at("fresh").textContent = "";
}

async function refresh() {
  const key = sessionStorage.getItem(KEY);
  let answer;
  try {
    const response = await fetch("status", {
      headers: key ? {"X-API-Key": key} : {}, cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS),
    });
    if (response.status === 401 || response.status === 403) {
      return lock(key ? "The key that was entered is not accepted." : "Keys are named under web.keys in the configuration.");
    }
    if (!response.ok) {
      return lose(`it said ${response.status}`);
    }
    answer = await response.json();
  } catch (error) {
    return lose(error.name === "TimeoutError" ? "it takes too long" : "it cannot be reached");
  }
  show(answer);
  lastAnswer = new Date();
  at("locked").hidden = true;
  at("lost").hidden = true;
  at("facts").hidden = false;
  at("facts").classList.remove("stale");
  at("fresh").textContent = `Updated ${lastAnswer.toLocaleTimeString()}, every 5 seconds.`;
}

async function poll() {
  clearTimeout(timer);
  timer = null;
  try {
    if (!document.hidden) {
      await refresh();
    }
  } finally {
    timer ??= setTimeout(poll, EVERY_MS);
  }
}

at("locked").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(KEY, at("key").value.trim());
  at("key").value = "";
  poll();
});
document.addEventListener("visibilitychange", () => document.hidden || poll());
setInterval(tick, 1000);
poll();
