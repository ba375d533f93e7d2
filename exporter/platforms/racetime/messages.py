"""The text frames that a race room sends (racetime protocol notes, section 6), as values: no sockets, no surprises."""

from collections.abc import Callable
from dataclasses import dataclass

import orjson

from exporter.platforms.racetime.values import Fields, Note, Oddity


@dataclass(frozen=True, slots=True)
class RaceData:
    """The race as it is now; `race` is the site's own object, `at` the site's clock."""

    race: dict[str, object]
    at: float | None


@dataclass(frozen=True, slots=True)
class Renders:
    """HTML for browsers, right after each race.data."""


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One line of chat: of a user, of a bot, or of the site when both names are None."""

    id: str
    text: str
    plain: str
    user_id: str | None
    user: str | None
    bot: str | None
    posted_at: float | None
    is_bot: bool
    is_system: bool
    is_monitor: bool
    is_pinned: bool
    delay_s: int


@dataclass(frozen=True, slots=True)
class ChatLine:
    """What must be remembered of a line of chat that nobody reads."""

    id: str
    posted_at: float | None


@dataclass(frozen=True, slots=True)
class ChatHistory:
    """The answer to `gethistory`: oldest first, pinned ones last."""

    messages: tuple[ChatMessage, ...]


@dataclass(frozen=True, slots=True)
class ChatDm:
    """A direct message passed; its text is not sent."""

    message_id: str
    from_bot: str | None
    to_user_id: str | None


@dataclass(frozen=True, slots=True)
class Pin:
    """A message was pinned."""

    message: ChatMessage


@dataclass(frozen=True, slots=True)
class Unpin:
    """A message is no longer pinned."""

    message: ChatMessage


@dataclass(frozen=True, slots=True)
class ChatDelete:
    """A moderator removed one message."""

    message_id: str


@dataclass(frozen=True, slots=True)
class ChatPurge:
    """A moderator removed all messages of a user."""

    user_id: str | None


@dataclass(frozen=True, slots=True)
class RaceSplit:
    """A live split of a timer."""

    user_id: str | None
    name: str
    time: str | None
    is_undo: bool
    is_finish: bool


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to `ping`."""


@dataclass(frozen=True, slots=True)
class ErrorFrame:
    """An action failed, in the site's own words."""

    errors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UnknownFrame:
    """A type that we do not know: to be ignored."""

    type: str


@dataclass(frozen=True, slots=True)
class Malformed:
    """A frame that cannot be used."""

    kind: Oddity


Frame = (
    RaceData
    | Renders
    | ChatMessage
    | ChatLine
    | ChatHistory
    | ChatDm
    | Pin
    | Unpin
    | ChatDelete
    | ChatPurge
    | RaceSplit
    | Pong
    | ErrorFrame
    | UnknownFrame
    | Malformed
)


_RENDERS = ('{"type": "race.renders", "date": ', '{"type":"race.renders","date":')


def is_html(data: str | bytes) -> bool:
    """Say whether this is HTML for browsers.

    It is large and comes with every change, so it is known by its first characters; written in another way it is read
    like all other frames.
    """
    return isinstance(data, str) and data.startswith(_RENDERS)


def parse_frame(data: str | bytes, note: Note, *, brief: bool = False) -> Frame:
    """Return what a frame says. Never raises: what cannot be used is Malformed, small oddities are noted.

    With `brief` a line of chat becomes a ChatLine.
    """
    if not isinstance(data, str):
        return Malformed(Oddity.BINARY)
    if is_html(data):
        return Renders()
    try:
        obj: object = orjson.loads(data)
    except (ValueError, RecursionError):
        return Malformed(Oddity.JSON)
    if not isinstance(obj, dict):
        return Malformed(Oddity.TYPE)
    kind = obj.get("type")
    if not isinstance(kind, str):
        return Malformed(Oddity.TYPE)
    parse = _chat_line if brief and kind == "chat.message" else _FRAMES.get(kind)
    return parse(Fields(obj, note), obj, note) if parse else UnknownFrame(kind)


def json_object(data: str | bytes) -> dict[str, object] | None:
    """Return a text frame's JSON object as it is; None when it holds none."""
    try:
        value: object = orjson.loads(data) if isinstance(data, str) else None
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _race_data(frame: Fields, obj: dict[str, object], _: Note) -> Frame:
    race = obj.get("race")
    return RaceData(race, frame.time("date")) if isinstance(race, dict) else Malformed(Oddity.SHAPE)


def _chat_message(_: Fields, obj: dict[str, object], note: Note) -> Frame:
    return _message(obj.get("message"), note) or Malformed(Oddity.SHAPE)


def _chat_line(_: Fields, obj: dict[str, object], note: Note) -> Frame:
    message = Fields(obj.get("message"), note)
    message_id = message.text("id")
    return ChatLine(message_id, message.time("posted_at")) if message_id else Malformed(Oddity.SHAPE)


def _chat_history(frame: Fields, _: dict[str, object], note: Note) -> Frame:
    found = [_message(each, note) for each in frame.items("messages")]
    if None in found:
        note(Oddity.SHAPE)
    return ChatHistory(tuple(each for each in found if each is not None))


def _chat_dm(frame: Fields, _: dict[str, object], __: Note) -> Frame:
    return ChatDm(frame.text("message"), frame.optional_text("from_bot"), frame.inner("to").optional_text("id"))


def _pin(_: Fields, obj: dict[str, object], note: Note) -> Frame:
    message = _message(obj.get("message"), note)
    return Pin(message) if message else Malformed(Oddity.SHAPE)


def _unpin(_: Fields, obj: dict[str, object], note: Note) -> Frame:
    message = _message(obj.get("message"), note)
    return Unpin(message) if message else Malformed(Oddity.SHAPE)


def _chat_delete(frame: Fields, _: dict[str, object], __: Note) -> Frame:
    return ChatDelete(frame.inner("delete").text("id"))


def _chat_purge(frame: Fields, _: dict[str, object], __: Note) -> Frame:
    return ChatPurge(frame.inner("purge").inner("user").optional_text("id"))


def _race_split(frame: Fields, _: dict[str, object], __: Note) -> Frame:
    split = frame.inner("split")
    return RaceSplit(
        user_id=split.optional_text("user_id"),
        name=split.text("split_name"),
        time=split.optional_text("split_time"),
        is_undo=split.flag("is_undo"),
        is_finish=split.flag("is_finish"),
    )


def _error(frame: Fields, _: dict[str, object], __: Note) -> Frame:
    return ErrorFrame(tuple(each for each in frame.items("errors") if isinstance(each, str)))


def _message(value: object, note: Note) -> ChatMessage | None:
    message = Fields(value, note)
    message_id = message.text("id")
    if not message_id:
        return None
    user = message.inner("user")
    return ChatMessage(
        id=message_id,
        text=message.text("message"),
        plain=message.text("message_plain"),
        user_id=user.optional_text("id"),
        user=user.optional_text("name"),
        bot=message.optional_text("bot"),
        posted_at=message.time("posted_at"),
        is_bot=message.flag("is_bot"),
        is_system=message.flag("is_system"),
        is_monitor=message.flag("is_monitor"),
        is_pinned=message.flag("is_pinned"),
        delay_s=message.count("delay"),
    )


_FRAMES: dict[str, Callable[[Fields, dict[str, object], Note], Frame]] = {
    "race.data": _race_data,
    "race.renders": lambda *_: Renders(),
    "chat.message": _chat_message,
    "chat.history": _chat_history,
    "chat.dm": _chat_dm,
    "chat.pin": _pin,
    "chat.unpin": _unpin,
    "chat.delete": _chat_delete,
    "chat.purge": _chat_purge,
    "race.split": _race_split,
    "pong": lambda *_: Pong(),
    "error": _error,
}
