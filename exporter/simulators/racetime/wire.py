"""The JSON of the site: pure mappings from records (racetime protocol notes, sections 4, 6 and 8)."""

import re
from datetime import UTC, datetime
from html import escape
from typing import Any

from exporter.simulators.racetime.records import Category, Entrant, EntryState, Message, Race, RaceState, User

Json = dict[str, Any]

_STYLE_MARK = re.compile(r"##(?:good|bad|bot)##(.*?)##")

_RACE_STATUS = {
    RaceState.OPEN: ("Open", "Anyone may join this race"),
    RaceState.INVITATIONAL: ("Invitational", "Only invitees may join this race"),
    RaceState.PENDING: ("Getting ready", "Waiting for race to begin"),
    RaceState.IN_PROGRESS: ("In progress", "Race is in progress"),
    RaceState.FINISHED: ("Finished", "This race has been completed"),
    RaceState.CANCELLED: ("Cancelled", "This race has been cancelled"),
    RaceState.PARTITIONED: ("Partitioned", "Race has been partitioned into separate 1v1 races"),
}
_ENTRANT_STATUS = {
    "requested": ("Join request", "Wishes to join the race."),
    "invited": ("Invited", "Invited to join the race."),
    "declined": ("Declined", "Declined invitation to join."),
    "partitioned": ("Partitioned", "Moved to partitioned race room."),
    "dnf": ("DNF", "Did not finish the race."),
    "dq": ("DQ", "Disqualified by a category moderator."),
    "done": ("Finished", "Finished the race."),
    "in_progress": ("In progress", "Still flyin'."),
    "ready": ("Ready", "Ready to begin the race."),
    "not_ready": ("Not ready", "Not ready to begin yet."),
}
_ORDER = {"done": 1, "ready": 2, "in_progress": 2, "not_ready": 3, "invited": 4, "requested": 5, "dnf": 6, "dq": 7}


def exact_time(at: float) -> str:
    """Return the form of `date`, `posted_at` and X-Date-Exact: microseconds and +00:00."""
    return datetime.fromtimestamp(at, UTC).isoformat()


def race_time(at: float | None) -> str | None:
    """Return the form of race data: milliseconds and Z; no fraction at all on a whole second."""
    if at is None:
        return None
    moment = datetime.fromtimestamp(at, UTC)
    fraction = f".{moment.microsecond // 1000:03}" if moment.microsecond else ""
    return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}Z"


def duration(seconds: float | None) -> str | None:
    """Return an ISO 8601 duration as the site writes it, such as P0DT00H00M05.722589S."""
    if seconds is None:
        return None
    whole, micros = divmod(round(seconds * 1_000_000), 1_000_000)
    days, rest = divmod(whole, 86400)
    fraction = f".{micros:06}" if micros else ""
    return f"P{days}DT{rest // 3600:02}H{rest // 60 % 60:02}M{rest % 60:02}{fraction}S"


def timer(seconds: float, *, tenths: bool = True) -> str:
    """Return a time for people: 0:00:07.7, or 0:00:07."""
    whole, tenth = divmod(int(seconds * 10), 10)
    text = f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
    return f"{text}.{tenth}" if tenths else text


def ordinal(place: int) -> str:
    """Return 1st, 2nd, 3rd, 4th, 11th ..."""
    ending = "th" if place % 100 in {11, 12, 13} else {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    return f"{place}{ending}"


def user(person: User | None, category: Category) -> Json | None:
    """Return a user object as seen in one category; None for a deleted account."""
    if person is None:
        return None
    can_moderate = category.can_moderate(person)
    flair = [("staff", person.staff), ("supporter", person.supporter), ("moderator", can_moderate)]
    handle = re.sub(r"[^a-z0-9]+", "-", person.name.lower()).strip("-")
    return {
        "id": person.id,
        "full_name": str(person),
        "name": person.name,
        "discriminator": person.discriminator,
        "url": f"/user/{person.id}/{handle}" if handle else f"/user/{person.id}",
        "avatar": None,
        "pronouns": person.pronouns,
        "flair": " ".join(word for word, holds in flair if holds),
        "twitch_name": person.twitch_name.lower() if person.twitch_name else None,
        "twitch_display_name": person.twitch_name,
        "twitch_channel": f"https://www.twitch.tv/{person.twitch_name.lower()}" if person.twitch_name else None,
        "can_moderate": can_moderate,
    }


def _user_minimal(person: User) -> Json:
    return {
        "id": person.id,
        "full_name": str(person),
        "name": person.name,
        "discriminator": person.discriminator,
    }


def _shielded(name: str) -> Json:
    absent = ("discriminator", "url", "avatar", "pronouns", "twitch_name", "twitch_display_name", "twitch_channel")
    return {"id": "", "full_name": name, "name": name, **dict.fromkeys(absent), "flair": "", "can_moderate": False}


def category_summary(category: Category) -> Json:
    """Return the short category object."""
    return {
        "name": category.name,
        "short_name": category.short_name,
        "slug": category.slug,
        "url": f"/{category.slug}",
        "data_url": f"/{category.slug}/data",
        "image": category.image,
    }


def category_data(category: Category, races: list[Race], now: float) -> Json:
    """Return /{category}/data with these current races."""
    return {
        **category_summary(category),
        "info": category.info,
        "streaming_required": category.streaming_required,
        "owners": [user(each, category) for each in category.owners],
        "moderators": [user(each, category) for each in category.moderators],
        "goals": list(category.goals),
        "current_races": [race_summary(race, now) for race in races],
        "emotes": dict(category.emotes),
    }


def _status(race: Race) -> Json:
    verbose, help_text = _RACE_STATUS[race.state]
    return {"value": race.state.value, "verbose_value": verbose, "help_text": help_text}


def _info(race: Race) -> str:
    return "\n".join((race.settings.info_user or "", race.settings.info_bot or "")).strip()


def _counts(race: Race) -> Json:
    return {
        "entrants_count": sum(each.joined for each in race.entrants),
        "entrants_count_finished": sum(each.finished for each in race.entrants),
        "entrants_count_inactive": sum(each.inactive for each in race.entrants),
    }


def race_summary(race: Race, now: float, *, with_category: bool = False, with_entrants: bool = False) -> Json:
    """Return the race as lists show it."""
    summary = {
        "name": str(race),
        "status": _status(race),
        "url": f"/{race}",
        "data_url": f"/{race}/data",
        "goal": {"name": race.goal_name, "custom": race.settings.goal is None},
        "info": _info(race),
        **_counts(race),
        "opened_at": race_time(race.opened_at),
        "started_at": race_time(race.started_at),
        "time_limit": duration(race.settings.time_limit_h * 3600),
        "opened_by_bot": race.opened_by_bot,
    }
    if with_category:
        summary["category"] = category_summary(race.category)
    if with_entrants:
        summary["entrants"] = entrants(race, now)
    if race.is_done:
        summary |= {
            "ended_at": race_time(race.ended_at),
            "cancelled_at": race_time(race.cancelled_at),
            "recordable": race.recordable,
            "recorded": race.recorded,
        }
    return summary


def entrant_word(race: Race, entrant: Entrant) -> str:
    """Return the entrant's status.value."""
    if entrant.state is not EntryState.JOINED:
        return entrant.state.value
    if entrant.dnf:
        return "dnf"
    if entrant.dq:
        return "dq"
    if entrant.finish_time_s is not None:
        return "done"
    if race.state is RaceState.IN_PROGRESS:
        return "in_progress"
    return "ready" if entrant.ready else "not_ready"


def entrant_actions(race: Race, entrant: Entrant, now: float) -> list[str]:
    """Return what that user may do now."""
    match entrant.state:
        case EntryState.REQUESTED:
            return ["cancel_invite"]
        case EntryState.INVITED:
            return ["accept_invite", "decline_invite"]
        case EntryState.JOINED:
            return [*_before_start(race, entrant), *_during_race(race, entrant, now)]
        case _:
            return []


def _before_start(race: Race, entrant: Entrant) -> list[str]:
    if not race.is_preparing:
        return []
    if entrant.ready:
        return ["unready", "leave"]
    chosen = race.settings
    if chosen.team_race and entrant.team is None:
        return ["set_team", "leave"]
    if chosen.partitionable:
        return ["partition", "leave"]
    if chosen.streaming_required and not entrant.stream_live and not entrant.stream_override:
        return ["not_live", "leave"]
    return ["ready", "leave"]


def can_comment(race: Race, entrant: Entrant, now: float) -> bool:
    """Say whether that entrant may leave a comment now."""
    if not race.settings.allow_comments or not entrant.joined or entrant.dq:
        return False
    if race.state is RaceState.IN_PROGRESS:
        return entrant.finish_time_s is not None or entrant.dnf
    return race.state is RaceState.FINISHED and not race.recorded and not race.chat_is_closed(now)


def _during_race(race: Race, entrant: Entrant, now: float) -> list[str]:
    actions = []
    if can_comment(race, entrant, now):
        actions.append("change_comment" if entrant.comment else "add_comment")
    if race.state is RaceState.IN_PROGRESS or race.can_be_undone(now):
        if not entrant.dq and not entrant.dnf:
            actions.append("done" if entrant.finish_time_s is None else "undone")
        if not entrant.dq and entrant.finish_time_s is None:
            actions.append("unforfeit" if entrant.dnf else "forfeit")
    return actions


def entrants(race: Race, now: float) -> list[Json]:
    """Return the entrants in the site's order: by outcome, then place, score and name."""

    def rank(entrant: Entrant) -> tuple[int, int, int, str]:
        group = _ORDER.get(entrant_word(race, entrant), 8)
        return group, entrant.place or 0, -(entrant.score or -1), entrant.user.name if entrant.user else ""

    return [_entrant(race, each, now) for each in sorted(race.entrants, key=rank)]


def _entrant(race: Race, entrant: Entrant, now: float) -> Json:
    word = entrant_word(race, entrant)
    verbose, help_text = _ENTRANT_STATUS[word]
    finished_at = None
    if entrant.finish_time_s is not None and race.started_at is not None:
        finished_at = race.started_at + entrant.finish_time_s
    team = entrant.team
    return {
        "user": _shielded(entrant.shield) if race.is_anonymous else user(entrant.user, race.category),
        "team": {"name": team.name, "slug": team.slug, "formal": team.formal} if team else None,
        "status": {"value": word, "verbose_value": verbose, "help_text": help_text},
        "finish_time": duration(entrant.finish_time_s),
        "finished_at": race_time(finished_at),
        "place": entrant.place,
        "place_ordinal": ordinal(entrant.place) if entrant.place else None,
        "score": entrant.score,
        "score_change": entrant.score_change,
        "comment": entrant.comment if race.is_done or not race.settings.hide_comments else None,
        "has_comment": bool(entrant.comment),
        "stream_live": entrant.stream_live,
        "stream_override": entrant.stream_override,
        "actions": entrant_actions(race, entrant, now),
    }


def race(room: Race, now: float) -> Json:
    """Return the full race object."""
    chosen = room.settings
    return {
        "version": room.version,
        "name": str(room),
        "slug": room.slug,
        "status": _status(room),
        "url": f"/{room}",
        "data_url": f"/{room}/data",
        "websocket_url": f"/ws/race/{room.slug}",
        "websocket_bot_url": f"/ws/o/bot/{room.slug}",
        "websocket_oauth_url": f"/ws/o/race/{room.slug}",
        "category": category_summary(room.category),
        "goal": {"name": room.goal_name, "custom": chosen.goal is None},
        "info": _info(room),
        "info_bot": chosen.info_bot,
        "info_user": chosen.info_user,
        "team_race": chosen.team_race,
        **_counts(room),
        "entrants": entrants(room, now),
        "opened_at": race_time(room.opened_at),
        "start_delay": duration(chosen.start_delay_s),
        "started_at": race_time(room.started_at),
        "ended_at": race_time(room.ended_at),
        "cancelled_at": race_time(room.cancelled_at),
        "ranked": chosen.ranked,
        "unlisted": chosen.unlisted,
        "time_limit": duration(chosen.time_limit_h * 3600),
        "time_limit_auto_complete": chosen.time_limit_auto_complete,
        "require_even_teams": chosen.require_even_teams,
        "streaming_required": chosen.streaming_required,
        "auto_start": chosen.auto_start,
        "opened_by": user(room.opened_by, room.category),
        "opened_by_bot": room.opened_by_bot,
        "monitors": [user(each, room.category) for each in room.monitors],
        "recordable": room.recordable,
        "recorded": room.recorded,
        "recorded_by": user(room.recorded_by, room.category),
        "disqualify_unready": room.disqualify_unready,
        "allow_comments": chosen.allow_comments,
        "hide_comments": chosen.hide_comments,
        "hide_entrants": chosen.hide_entrants,
        "chat_restricted": room.chat_is_restricted,
        "allow_prerace_chat": chosen.allow_prerace_chat,
        "allow_midrace_chat": chosen.allow_midrace_chat,
        "allow_non_entrant_chat": chosen.allow_non_entrant_chat,
        "chat_message_delay": duration(chosen.chat_message_delay_s),
        "bot_meta": dict(room.bot_meta),
    }


def race_data(room: Race, now: float) -> Json:
    """Return the body of a race.data frame."""
    return {"race": race(room, now), "version": room.version}


def race_renders(room: Race) -> Json:
    """Return the body of a race.renders frame: short HTML, everything escaped."""
    rows = "".join(
        f'<li class="entrant-row"><span class="name">{escape(room.name_of(each))}</span>'
        f'<span class="status">{entrant_word(room, each)}</span></li>\n'
        for each in room.entrants
    )
    verbose, help_text = _RACE_STATUS[room.state]
    info = _info(room)
    return {
        "renders": {
            "entrants": f'<ol>\n{rows}</ol>\n<div class="count">{len(room.entrants)} entrants</div>\n',
            "intro": f'<span class="goal">{escape(room.goal_name)}</span>\n<span class="info">{escape(info)}</span>\n',
            "status": f'<span class="value">{verbose}</span>\n<span class="help">{escape(help_text)}</span>\n',
            "streams": '<ol>\n<li id="stream-none">No race entrants are currently streaming.</li>\n</ol>\n',
        },
        "version": room.version,
    }


def message(room: Race, line: Message) -> Json:
    """Return a message object."""
    return {
        "id": line.id,
        "user": user(line.user, room.category),
        "bot": line.bot.name if line.bot else None,
        "direct_to": _user_minimal(line.direct_to) if line.direct_to else None,
        "posted_at": exact_time(line.posted_at),
        "message": line.text,
        "message_plain": _STYLE_MARK.sub(r"\1", line.text),
        "highlight": line.highlight,
        "is_dm": line.direct_to is not None,
        "is_bot": line.bot is not None,
        "is_monitor": line.from_monitor,
        "is_system": line.is_system,
        "is_pinned": line.pinned,
        "delay": line.delay_s,
        "actions": line.actions,
    }


def direct_message(line: Message, to: User) -> Json:
    """Return the body of a chat.dm frame: who to whom, but not what."""
    return {
        "message": line.id,
        "from_user": _user_minimal(line.user) if line.user else None,
        "from_bot": line.bot.name if line.bot else None,
        "to": _user_minimal(to),
    }


def history(room: Race, last_message: object = None) -> list[Json]:
    """Return the last 100 lines, or those after a known id; pinned ones come last, private ones never."""
    lines = [each for each in room.messages if each.direct_to is None and not each.deleted]
    after = next((place for place, each in enumerate(lines, 1) if each.id == last_message), 0)
    lines = lines[after:]
    plain = [each for each in lines if not each.pinned][-100:]
    return [message(room, each) for each in (*plain, *(each for each in lines if each.pinned))]
