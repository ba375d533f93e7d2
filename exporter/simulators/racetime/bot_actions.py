"""The actions a bot may send in a room (racetime protocol notes, section 6).

`ping`, `getrace` and `gethistory` need no authorisation and belong to the socket; the other sixteen are here.
An action raises Refused for an `error` frame. Input that the real server does not survive raises ServerCrash.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from exporter.simulators.racetime.people import People
from exporter.simulators.racetime.records import Bot, Entrant, Message, Race, User
from exporter.simulators.racetime.registry import Refused

MAX_TEXT = 1000
MAX_META = 2048
MAX_ACTIONS = 4
_GUID = re.compile(r"[0-9a-z-]+")

Data = Mapping[str, Any]


class ServerCrash(Exception):
    """The real server has no answer to this input: an exception there, the end of the socket."""


def send_message(world: People, race: Race, bot: Bot, data: Data, now: float) -> None:
    """Write a line as the bot; a repeated guid is dropped without a word."""
    guid = data.get("guid", "")
    if not isinstance(guid, str):
        raise ServerCrash
    if not _GUID.fullmatch(guid):
        text = "Bad request, no GUID supplied. A unique string is required to prevent duplicate messaging."
        raise Refused(text)
    if not world.guid_is_new(guid, now):
        return
    line = _read_message(world, data)
    if race.chat_is_closed(now):
        raise Refused("This race chat is now closed. No new messages may be added.")
    world.deliver(race, world.new_message(race, now, bot=bot, **line), now)


def _read_message(world: People, data: Data) -> dict[str, Any]:
    errors = []
    to: User | None = None
    if data.get("direct_to"):
        to = world.users.get(str(data["direct_to"]))
        if to is None:
            errors.append("direct_to: Unrecognised user")
    text = str(data.get("message") or "").strip()
    errors += _too_long("message", text)
    if not text:
        errors.append("message: This field is required.")
    actions = data.get("actions") or {}
    if to is not None:
        actions = {}
    if len(actions) > MAX_ACTIONS:
        errors.append(f"actions: A message may only have up to {MAX_ACTIONS} actions.")
    if errors:
        raise Refused(*errors)
    return {"text": text, "direct_to": to, "pinned": bool(data.get("pinned")) and to is None, "actions": actions}


def _too_long(name: str, text: str) -> list[str]:
    if len(text) <= MAX_TEXT:
        return []
    return [f"{name}: Ensure this value has at most {MAX_TEXT} characters (it has {len(text)})."]


def pin_message(world: People, race: Race, _: Bot, data: Data, now: float) -> None:
    """Pin a line."""
    world.set_pin(race, _line(race, data, now), now, pinned=True)


def unpin_message(world: People, race: Race, _: Bot, data: Data, now: float) -> None:
    """Unpin a line."""
    world.set_pin(race, _line(race, data, now), now, pinned=False)


def _line(race: Race, data: Data, now: float) -> Message:
    if race.chat_is_closed(now):
        raise Refused("This race chat is now closed.")
    line = race.message(data.get("message"))
    if line is None:
        raise Refused("Could not find a message with that ID.")
    return line


def set_info(world: People, race: Race, bot: Bot, data: Data, now: float) -> None:
    """Write the information of the race; an empty text changes nothing but is announced all the same."""
    given = {"info_user": data["info"]} if "info" in data else data
    info_bot, info_user = (str(given.get(name) or "").strip() for name in ("info_bot", "info_user"))
    errors = _too_long("info_bot", info_bot) + _too_long("info_user", info_user)
    if errors:
        raise Refused(*errors)
    old = race.settings
    race.settings = replace(old, info_bot=info_bot or old.info_bot, info_user=info_user or old.info_user)
    world.change(race)
    world.announce(race, f"##bot##{bot}## updated the race information.", now)


def set_meta(world: People, race: Race, _: Bot, data: Data, _now: float) -> None:
    """Merge the bot's own data into the race; the version rises and nobody is told."""
    meta = {**race.bot_meta, **data}
    if len(json.dumps({"bot_meta": meta})) > MAX_META:
        raise Refused("Data provided is too large to save.")
    race.bot_meta = meta
    world.change(race)


def _user(world: People, data: Data) -> User:
    user = world.users.get(str(data.get("user")))
    if user is None:
        raise Refused("No user found matching the given ID.")
    return user


def _entrant(world: People, race: Race, data: Data) -> tuple[User, Entrant]:
    user = _user(world, data)
    entrant = race.entrant_of(user)
    if entrant is None:
        raise Refused("Specified user is not a race entrant.")
    return user, entrant


BotAction = Callable[[People, Race, Bot, Data, float], object]

_NEED_NO_DATA: dict[str, BotAction] = {
    "make_open": lambda world, race, bot, _, now: world.make_open(race, bot, now),
    "make_invitational": lambda world, race, bot, _, now: world.make_invitational(race, bot, now),
    "begin": lambda world, race, bot, _, now: world.begin(race, bot, now),
    "cancel": lambda world, race, bot, _, now: world.cancel(race, bot, now),
}
_NEED_DATA: dict[str, BotAction] = {
    "message": send_message,
    "pin_message": pin_message,
    "unpin_message": unpin_message,
    "setinfo": set_info,
    "setmeta": set_meta,
    "invite": lambda world, race, bot, data, now: world.invite(race, _user(world, data), bot, now),
    "accept_request": lambda world, race, bot, data, now: world.accept_request(
        race, _entrant(world, race, data)[1], bot, now
    ),
    "force_unready": lambda world, race, bot, data, now: world.force_unready(
        race, _entrant(world, race, data)[1], bot, now
    ),
    "remove_entrant": lambda world, race, bot, data, now: world.remove_entrant(
        race, _entrant(world, race, data)[1], bot, now
    ),
    "override_stream": lambda world, race, bot, data, now: world.override_stream(
        race, _entrant(world, race, data)[1], bot, now
    ),
    "add_monitor": lambda world, race, bot, data, now: world.add_monitor(
        race, _entrant(world, race, data)[0], bot, now
    ),
    "remove_monitor": lambda world, race, bot, data, now: world.remove_monitor(
        race, _entrant(world, race, data)[0], bot, now
    ),
}

BOT_ACTIONS = frozenset({*_NEED_NO_DATA, *_NEED_DATA})


def act(world: People, race: Race, bot: Bot, action: str, data: object, *, now: float) -> None:
    """Do one action of `BOT_ACTIONS`; raises Refused or ServerCrash."""
    if action in _NEED_NO_DATA:
        _NEED_NO_DATA[action](world, race, bot, {}, now)
        return
    if not isinstance(data, dict):
        raise ServerCrash
    _NEED_DATA[action](world, race, bot, data, now)
