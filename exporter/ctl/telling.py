"""What is told of the server's answers: what happened, one bot's story, what came of orders. Pure functions."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from exporter.ctl.look import Column, Facts, Look, state_text, status_text, table
from exporter.ctl.tables import count, maintenance, outcome, seats, subject, why
from exporter.ctl.words import words
from exporter.model.remedies import remedy

Json = Mapping[str, Any]


def history(page: Json, look: Look, *, bot: str | None = None) -> RenderableType:
    """Return what has happened, the newest last: it stands where the prompt comes back."""
    if not page["items"]:
        return Text("nothing has happened, as far as this reaches")
    columns = (
        Column("TIME", keep=8),
        Column("KIND"),
        *(() if bot is not None else (Column("BOT", keep=8),)),
        Column("CHANGE", gives=True, keep=27),
        Column("WHAT", gives=True, keep=16),
    )
    rows = [
        (
            look.clock(each["time"]),
            each["kind"],
            *(() if bot is not None else (each["bot"] or "",)),
            change(each, look),
            _said(each),
        )
        for each in reversed(page["items"])
    ]
    made = table(columns, rows, look.width)
    if page["next"] is None:
        return made
    return Group(made, Text(f"there is more before that: add --before {page['next']}", style="dim"))


def change(item: Json, look: Look) -> Text:
    """Return from where to where a history item leads."""
    before, after = words(item["before"]), words(item["after"])
    if item["kind"] == "status" and item["after"]:
        after = f"{look.mark(item['after'])} {after}"
    return Text(f"{before} {look.arrow} {after}" if before and after else after or before)


def _said(item: Json) -> str:
    said = ": ".join(each for each in (words(item["reason"]), item["message"]) if each)
    return f"{said} (by {item['actor']})" if item["actor"] else said


def health(found: Json, look: Look) -> RenderableType:
    """Return how the whole is, and its parts."""
    style = {"ok": "green", "degraded": "yellow", "down": "bold red"}
    mark = {"ok": look.mark("connected"), "degraded": "!", "down": look.mark("auth_failed")}

    def verdict(word: str) -> Text:
        return Text(f"{mark.get(word, '?')} {word}", style=style.get(word, ""))

    parts = [(name, verdict(word)) for name, word in sorted(found["components"].items())]
    return Facts([("bot-exporter", verdict(found["status"])), *((f"  {name}", word) for name, word in parts)])


def bot_line(bot: Json, look: Look) -> RenderableType:
    """Return in a sentence how a bot is, and why."""
    line = Text.assemble(status_text(bot["status_name"], look), (f", {words(bot['state'])}", "not bold"))
    if not bot["healthy"] and why(bot):
        line.append(f": {why(bot)}")
    if bot["next_retry_at"]:
        line.append(f"; next try {look.ago(bot['next_retry_at'], short=False)}")
    if bot["maintenance"]:
        line.append(f"; {maintenance(bot['maintenance'], look)}")
    return Facts([(bot["name"], line)])


def story(bot: Json, page: Json, metrics: Sequence[str], *, since: str | None, look: Look) -> RenderableType:
    """Return one bot's story: how it is, why, what happens next, what to do, what happened, what it exports."""
    status = status_text(bot["status_name"], look)
    if since:
        status.append(f" since {look.clock(since)} ({look.ago(since, short=False)})", style="not bold")
    help_ = remedy(bot["status_name"], bot["status_reason"])
    note = bot["maintenance"]
    proved = look.ago(bot["last_status_check_at"], short=False)
    error = bot["last_error"] if bot["last_error"] != bot["status_message"] else None
    head = Facts(
        (
            ("bot", Text(f"{bot['name']}, {bot['platform']}, for {subject(bot)}", style="bold")),
            ("status", status),
            ("why", why(bot) if not bot["healthy"] else None),
            ("state", words(bot["state"])),
            ("works on", str(bot.get("current_lobby_id") or "") or ", ".join(bot.get("races") or ())),
            ("takes work", "yes" if bot["available"] else "no"),
            ("switched", "on" if bot["is_active"] else "off"),
            ("proved", proved or "never"),
            ("next try", f"{look.clock(bot['next_retry_at'])}, {look.ago(bot['next_retry_at'], short=False)}"
             if bot["next_retry_at"] else None),
            ("last error", f"{error} ({look.ago(bot['last_error_time'], short=False)})" if error else None),
            ("maintenance", maintenance(note, look).removeprefix("in maintenance ") if note else None),
            ("to do", Text(help_.advice.format(bot=bot["name"]), style="bold")),
            ("more", f"docs/runbooks/{help_.runbook}.md" if help_.runbook else None),
        )
    )  # fmt: skip
    parts: list[RenderableType] = [
        head,
        Text(),
        Text("Last changes", style="bold"),
        history({**page, "next": None}, look, bot=bot["name"]),
    ]
    if metrics:
        parts += [Text(), Text("Metrics", style="bold")]
        parts += [Text(line, no_wrap=True, overflow="ignore") for line in metrics]  # whole, to be copied
    return Group(*parts)


def order(found: Json, look: Look) -> RenderableType:
    """Return an order and what came of it."""
    result = found["result"] or {}
    code = found["code"]
    outcome = {"begun": "still being carried out", "in_doubt": "in doubt: it may or may not have been carried out"}
    return Facts(
        (
            ("order", found["id"]),
            ("action", f"{words(found['action'])}: {found['target']}" if found["target"] else words(found["action"])),
            ("bot", found["bot"]),
            ("by", found["actor"]),
            ("given", look.ago(found["created_at"], short=False)),
            ("outcome", outcome.get(found["state"]) or (f"refused ({code})" if code >= 400 else "done")),
            ("detail", str(result.get("detail") or "")),
        )
    )


def reloaded(found: Json) -> RenderableType:
    """Return what a reload did."""
    lines = [f"reloaded: {count(found['unchanged'], 'bot')} unchanged"]
    lines += [f"{name}: {', '.join(found[name])}" for name in ("added", "removed", "changed") if found[name]]
    if found["needs_restart"]:
        lines.append(f"not used before a restart: {', '.join(found['needs_restart'])}")
    return Text("\n".join(lines))


def change_line(kind: str, name: str, before: Json | None, after: Json | None, look: Look) -> Text | None:
    """Return in a line what has changed; None for what nobody would want to be told."""
    line = Text.assemble((look.time_of_day, "dim"), "  ", (name or "bot-exporter", "bold"), "  ")
    if after is None:
        if kind == "lobby" and before is not None and before["lobby_id"] is None:
            return None  # it has its id now, and comes under that
        return line.append("left the fleet" if kind == "bot" else f"this {kind} is no longer shown")
    title = {"lobby": f"{after.get('name')}: ", "race": "race "}.get(kind, "")
    if before is None:
        new = line.append(f"is new: {title}").append_text(_short(kind, after, None, look))
        return None if kind == "system" else new
    was, now = _short(kind, before, after, look), _short(kind, after, before, look)
    if was == now:
        return None
    return line.append(title).append_text(was).append(f" {look.arrow} ").append_text(now)


def _short(kind: str, data: Json, other: Json | None, look: Look) -> Text:
    """Return how something is, and only what differs from the other time."""
    if kind == "system":
        return Text("draining" if data["draining"] else "new work is taken on")
    if kind == "bot":
        if other is None or all(data[key] == other[key] for key in ("status_name", "status_reason")):
            return Text(words(data["state"]))
        text = status_text(data["status_name"], look)
        return text.append(f", {words(data['status_reason'])}") if data["status_reason"] else text
    state, crowd = (
        (outcome(data), seats(data))
        if kind == "lobby"
        else (state_text(data["state"]), count(data["entrants_count"], "entrant"))
    )
    if other is None:
        return state.append(f", {crowd}", style="not bold")
    return state if data["state"] != other["state"] else Text(crowd)
