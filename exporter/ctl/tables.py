"""What is shown of the server's answers: pure functions from JSON, its texts made plain before, to what rich prints."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.text import Text

from exporter.ctl.look import Column, Facts, Look, rank, state_text, status_text, table
from exporter.ctl.words import natural, span, words

Json = Mapping[str, Any]

MOST_AT_A_GLANCE: Final = 30
_ENDED: Final = frozenset({"finished", "cancelled", "partitioned"})
_CODE_WANTED: Final = frozenset({"guard_code_required", "guard_code_mismatch"})


def everything(status: Json, look: Look, *, url: str) -> RenderableType:
    """Return the fleet at a glance: figures, bots, troubles, lobbies, races."""
    system, fleet = status["system"], _sorted(status["bots"])
    lobbies = [each for each in status["lobbies"] if each["state"] not in _ENDED]
    races = [each for each in status["races"] if each["state"] not in _ENDED]
    parts: list[RenderableType] = [system_lines(system, look, url=url), Text()]
    if len(fleet) > MOST_AT_A_GLANCE:
        shown = [each for each in fleet if _troubled(each)][:MOST_AT_A_GLANCE]
        parts.append(Text(f"botctl bots shows all of the {len(fleet)} bots, here are those that need somebody"))
        parts += [Text(), bots(shown, look, races=status["races"])] if shown else []
    else:
        parts.append(bots(fleet, look, races=status["races"]))
    if lobbies:
        parts += [Text(), lobby_table(lobbies, look)]
    if races:
        parts += [Text(), race_table(races, look)]
    return Group(*parts)


def live(
    system: Json | None,
    fleet: Sequence[Json],
    lobbies: Sequence[Json],
    races: Sequence[Json],
    look: Look,
    *,
    url: str,
    height: int | None,
) -> RenderableType:
    """Return the fleet as a picture of at most `height` lines: what needs somebody is at the top."""
    open_lobbies = [each for each in lobbies if each["state"] not in _ENDED]
    open_races = [each for each in races if each["state"] not in _ENDED]
    parts = [system_lines(system, look, url=url)] if system is not None else []
    parts += [_bot_table(_sorted(fleet), races, look)] if fleet else []
    parts += [lobby_table(open_lobbies, look)] if open_lobbies else []
    parts += [race_table(open_races, look)] if open_races else []
    lines = [line for part in parts for line in (Text(), *part.renderables)]
    if height is not None and len(lines) > height:
        cut = len(lines) - height + 1
        lines = [*lines[: height - 1], Text(f"{count(cut, 'more line')}: make the window higher", style="dim")]
    return Group(*lines)


def system_lines(system: Json, look: Look, *, url: str) -> Group:
    """Return the figures of the process in a few lines."""
    up = span(float(system["uptime_seconds"]))
    lines = [
        Text(f"bot-exporter {system['version']} at {url}, up {up}", style="bold"),
        Text(
            f"{count(system['total_bots'], 'bot')}: {system['available_bots']} available, {system['busy_bots']} busy, "
            f"{system['disconnected_bots']} not usable; {count(system['active_lobbies'], 'lobby', 'lobbies')}, "
            f"{count(system['active_races'], 'race')}"
        ),
    ]
    counts = Text()
    for status, number in sorted(system["bot_status_summary"].items(), key=lambda each: rank(each[0])):
        if number:
            counts.append("   " if counts else "").append(status_text(status, look)).append(f" {number}")
    lines += [counts] if counts else []
    steam = system.get("steam") or {}
    if steam.get("logon_cooldown_until"):
        until = steam["logon_cooldown_until"]
        lines.append(Text(f"Steam limits our logons until {look.clock(until)}, {look.ago(until)}", style="yellow"))
    if steam.get("logon_queue_length"):
        lines.append(Text(f"{count(steam['logon_queue_length'], 'bot')} in the queue for a logon to Steam"))
    if system["draining"]:
        lines.append(Text(draining_words(system["draining_waits_for"]), style="yellow"))
    return Group(*lines)


def draining_words(waits_for: Sequence[str]) -> str:
    """Say that the process drains, and what for."""
    if not waits_for:
        return "draining: no new work is taken on, and nothing is left to wait for"
    return f"draining: no new work is taken on; waiting for {', '.join(waits_for)}"


def bots(fleet: Sequence[Json], look: Look, *, races: Sequence[Json]) -> RenderableType:
    """Return the bots, first those that need somebody, and below the table what is wrong with them."""
    if not fleet:
        return Text("no bots")
    fleet = _sorted(fleet)
    return Group(_bot_table(fleet, races, look), *_troubles(fleet, look))


def _bot_table(fleet: Sequence[Json], races: Sequence[Json], look: Look) -> Group:
    running = {each["name"] for each in races if each["state"] not in _ENDED}
    columns = (
        Column("BOT", keep=12),
        Column("PLATFORM", least=100),
        Column("FOR", least=100, gives=True, keep=8),
        Column("STATUS", keep=18),
        Column("STATE", keep=12),
        Column("WORKS ON", gives=True, keep=8),
        Column("PROVED"),
        Column("SINCE", least=100),
        Column("NEXT TRY", least=120),
        Column("RECONNECTS", least=140, right=True),
    )
    rows = [
        (
            bot["name"],
            bot["platform"],
            subject(bot),
            status_text(bot["status_name"], look),
            words(bot["state"]),
            _work(bot, running),
            look.ago(bot["last_status_check_at"]) or "never",
            look.ago(bot["connected_since"]),
            look.ago(bot["next_retry_at"]),
            str(bot["reconnects"]),
        )
        for bot in fleet
    ]
    return table(columns, rows, look.width)


def _work(bot: Json, running: Iterable[str]) -> str:
    races = [each for each in bot.get("races") or () if each in running]
    if bot.get("current_lobby_id"):
        return f"lobby {bot['current_lobby_id']}"
    if bot["maintenance"] and not races:
        return "in maintenance"
    return races[0] if len(races) == 1 else f"{len(races)} races" if races else ""


def subject(bot: Json) -> str:
    """Return what a bot stands for: its category or its account."""
    return str(bot.get("category") or bot.get("username") or "")


def _troubled(bot: Json) -> bool:
    return bool(bot["is_active"]) and bot["status_name"] not in ("connected", "disconnected")


def _troubles(fleet: Sequence[Json], look: Look) -> list[RenderableType]:
    """Return a paragraph for each bot that does not work though it should, or that is in maintenance."""
    found = list[tuple[str, str | Text]]()
    for bot in fleet:
        if _troubled(bot) and (bot["status_message"] or bot["status_reason"]):
            found += [(bot["name"], why(bot)), ("", Text(then(bot, look), style="dim"))]
        if bot["maintenance"]:
            found.append((bot["name"], maintenance(bot["maintenance"], look)))
    return [Text(), Facts(found)] if found else []


def why(bot: Json) -> str:
    """Say why a bot is not connected."""
    return ": ".join(each for each in (words(bot["status_reason"]), bot["status_message"]) if each)


def then(bot: Json, look: Look) -> str:
    """Say what happens next, and where to look."""
    more = f"botctl explain {bot['name']} tells what to do"
    if bot["next_retry_at"]:
        return f"next try {look.ago(bot['next_retry_at'], short=False)}; {more}"
    if bot["state"] == "connecting" and bot["status_reason"] in _CODE_WANTED:
        return f"goes on with a code: botctl guard-code {bot['name']}"
    return f"no next try by itself; {more}" if bot["status_name"] == "auth_failed" else more


def maintenance(note: Json, look: Look) -> str:
    """Say that a bot is in maintenance."""
    until = f"until {look.clock(note['until'])}" if note["until"] else "until it is taken back"
    by = f" (by {note['by']})" if note["by"] else ""
    return f"in maintenance {until}: {note['reason']}{by}"


def lobbies(found: Sequence[Json], look: Look) -> RenderableType:
    """Return the lobbies."""
    return lobby_table(found, look) if found else Text("no lobbies")


def lobby_table(found: Sequence[Json], look: Look) -> Group:
    """Return lobbies as a table, the finished ones last."""
    columns = (
        Column("LOBBY", keep=17),
        Column("NAME", gives=True, keep=8),
        Column("STATE", keep=10),
        Column("BOT", keep=8),
        Column("PLAYERS"),
        Column("MODE", least=90),
        Column("AGE"),
        Column("MATCH", least=100),
        Column("PASSWORD", least=110),
        Column("WATCHED", least=120),
    )
    ordered = sorted(found, key=lambda each: (each["state"] in _ENDED, natural(each["bot"])))
    rows = [
        (
            each["lobby_id"] or "not there yet",
            each["name"],
            outcome(each),
            each["bot"],
            seats(each),
            f"{each['game_mode_name']} {each['server_region_name']}",
            look.ago(each["created_at"]).removesuffix(" ago"),
            each["match_id"] or "",
            "yes" if each["has_password"] else "no",
            "yes" if each["watched"] else "no",
        )
        for each in ordered
    ]
    return table(columns, rows, look.width)


def outcome(lobby: Json) -> Text:
    """Return the state of a lobby, and how it ended."""
    state = state_text(lobby["state"])
    return state.append(f", {words(lobby['match_outcome'])}") if lobby["match_outcome"] else state


def seats(lobby: Json) -> str:
    """Return how many sit where: `5 v 4 +1`, with one who watches."""
    watching = f" +{lobby['spectator_count']}" if lobby["spectator_count"] else ""
    return f"{lobby['radiant_count']} v {lobby['dire_count']}{watching}"


def lobby(found: Json, look: Look) -> RenderableType:
    """Return one lobby with its players."""
    head = Facts(
        (
            ("lobby", f"{found['name']} ({found['lobby_id'] or 'not there yet'})"),
            ("state", outcome(found)),
            ("bot", f"{found['bot']} ({found['bot_username']})" if found["bot_username"] else found["bot"]),
            ("game", f"{found['game_mode_name']} in {found['server_region_name']}"),
            ("password", "yes" if found["has_password"] else "no: everybody may come in"),
            ("created", look.ago(found["created_at"], short=False)),
            ("match", found["match_id"]),
            ("watched", None if found["watched"] or found["state"] in _ENDED else "no: shown as it was seen last"),
        )
    )
    columns = (Column("TEAM"), Column("SLOT", right=True), Column("PLAYER", gives=True, keep=8), Column("STEAM ID"))
    teams = ("radiant", "dire", "spectator", "unassigned")
    players = sorted(
        found["players"],
        key=lambda each: (teams.index(each["team"]) if each["team"] in teams else 9, each["slot"] or 0),
    )
    rows = [(each["team"], str(each["slot"] or ""), each["name"] or "", each["steam_id"]) for each in players]
    return Group(head, Text(), table(columns, rows, look.width)) if rows else head


def races(found: Sequence[Json], look: Look) -> RenderableType:
    """Return the races."""
    return race_table(found, look) if found else Text("no races")


def race_table(found: Sequence[Json], look: Look) -> Group:
    """Return races as a table, those that are over last."""
    columns = (
        Column("RACE", keep=20),
        Column("STATE", keep=11),
        Column("ENTRANTS"),
        Column("GOAL", gives=True, keep=8),
        Column("BOT", keep=8),
        Column("AGE"),
        Column("ROOM", least=100),
        Column("INFO", least=120, gives=True, keep=8),
    )
    ordered = sorted(found, key=lambda each: (each["state"] in _ENDED, natural(each["name"])))
    rows = [
        (
            each["name"],
            state_text(each["state"]),
            entrants(each),
            str(each["goal"]["name"] or ""),
            each["bot"] or "",
            look.ago(each["started_at"] or each["opened_at"]).removesuffix(" ago"),
            "connected" if each["room_connected"] else "not connected",
            each["info"] or "",
        )
        for each in ordered
    ]
    return table(columns, rows, look.width)


def race(found: Json, look: Look) -> RenderableType:
    """Return one race."""
    goal = found["goal"]
    return Facts(
        (
            ("race", found["name"]),
            ("state", state_text(found["state"])),
            ("goal", f"{goal['name']}{' (custom)' if goal['custom'] else ''}"),
            ("info", found["info"]),
            ("entrants", entrants(found)),
            ("bot", found["bot"]),
            ("url", found["url"]),
            ("opened", look.ago(found["opened_at"], short=False)),
            ("started", look.ago(found["started_at"], short=False)),
            ("ended", look.ago(found["ended_at"], short=False)),
        )
    )


def entrants(race: Json) -> str:
    """Return how many race, and how many are done."""
    done = race["entrants_count_finished"]
    return f"{race['entrants_count']} ({done} done)" if done else str(race["entrants_count"])


def _sorted(fleet: Sequence[Json]) -> list[Json]:
    return sorted(fleet, key=lambda each: (rank(each["status_name"]), natural(each["name"])))


def count(number: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun."""
    return f"{number} {one if number == 1 else many or f'{one}s'}"
