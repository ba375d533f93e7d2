"""What a bot can ask of a room (racetime protocol notes, section 6): frames out, checked before they are sent.

The site closes the socket on some malformed actions instead of answering, so their shape is checked here. What the
site itself refuses politely is left to it: its own words are better than ours.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from uuid import uuid4

import orjson

from exporter.errors import OrderInvalid
from exporter.platforms.racetime.messages import ChatDm, ChatHistory, ChatMessage, Frame, RaceData

PING = '{"action":"ping"}'
TOKEN_REFUSED = "Permission denied. Check your authorization token."  # noqa: S105  (the site's words)

MOST_MESSAGE_CHARS = 1000
MOST_BUTTONS = 4
MOST_META_BYTES = 2048

_GUID = re.compile(r"[0-9a-z-]+")

Data = Mapping[str, object]


class ActionName(StrEnum):
    """Every action of a bot's socket except `ping`, which is the room's own business."""

    MESSAGE = "message"
    PIN_MESSAGE = "pin_message"
    UNPIN_MESSAGE = "unpin_message"
    SETINFO = "setinfo"
    SETMETA = "setmeta"
    BEGIN = "begin"
    CANCEL = "cancel"
    MAKE_OPEN = "make_open"
    MAKE_INVITATIONAL = "make_invitational"
    INVITE = "invite"
    ACCEPT_REQUEST = "accept_request"
    FORCE_UNREADY = "force_unready"
    REMOVE_ENTRANT = "remove_entrant"
    OVERRIDE_STREAM = "override_stream"
    ADD_MONITOR = "add_monitor"
    REMOVE_MONITOR = "remove_monitor"
    GETRACE = "getrace"
    GETHISTORY = "gethistory"


_ANSWERED = frozenset({ActionName.MESSAGE, ActionName.GETRACE, ActionName.GETHISTORY})


@dataclass(frozen=True, slots=True)
class Action:
    """One action, ready to be sent as `text`."""

    name: ActionName
    data: Data
    text: str

    @property
    def has_answer(self) -> bool:
        """Whether the room answers it with a frame; of the others only the consequences are seen, if any."""
        return self.name in _ANSWERED

    def answered_by(self, frame: Frame) -> bool:
        """Say whether this frame is the answer.

        A message is known by its text, because the broadcast does not carry the guid: two bots of a category
        that say the same at the same moment are taken for one another.
        """
        match self.name, frame:
            case ActionName.GETRACE, RaceData():
                return True
            case ActionName.GETHISTORY, ChatHistory():
                return True
            case ActionName.MESSAGE, ChatDm(from_bot=str(), to_user_id=to):
                return to == self.data.get("direct_to")
            case ActionName.MESSAGE, ChatMessage(is_bot=True, text=text) if "direct_to" not in self.data:
                return _squeezed(text) == _squeezed(str(self.data["message"]))
        return False


def action(name: str, data: Data | None = None) -> Action:
    """Return an action of the closed set; raises OrderInvalid when it is none or its data have the wrong shape."""
    try:
        known = ActionName(name)
    except ValueError:
        raise OrderInvalid(f"there is no action {name!r}: use one of {', '.join(ActionName)}") from None
    checked = _CHECKS.get(known, _nothing)(dict(data or {}))
    try:
        text = orjson.dumps({"action": known, "data": checked} if checked else {"action": known}).decode()
    except (TypeError, ValueError):
        raise OrderInvalid(f"{name}: the data cannot be written as JSON") from None
    return Action(known, checked, text)


def result(frame: Frame | None) -> dict[str, object]:
    """Return the answer to an action as plain JSON values; {} for an action without one."""
    match frame:
        case RaceData(race=race):
            return {"race": race}
        case ChatHistory(messages=messages):
            return {"messages": [asdict(each) for each in messages]}
        case ChatMessage():
            return {"message": asdict(frame)}
        case ChatDm(message_id=message_id, to_user_id=to):
            return {"message": {"id": message_id, "direct_to": to}}
    return {}


def _squeezed(text: str) -> str:
    """Leave out white space: Assumption: the site trims what it is sent."""
    return "".join(text.split())


def _only(data: dict[str, object], kinds: Mapping[str, type], required: tuple[str, ...] = ()) -> dict[str, object]:
    """Refuse fields that are unknown, missing or of another type."""
    words = {str: "a string", bool: "true or false", dict: "an object"}
    errors = [f"{key}: unknown field" for key in data if key not in kinds]
    errors += [f"{key}: is missing" for key in required if key not in data]
    errors += [
        f"{key}: must be {words[kind]}" for key, kind in kinds.items() if key in data and type(data[key]) is not kind
    ]
    errors += [f"{key}: must not be empty" for key in required if data.get(key) == ""]
    if errors:
        raise OrderInvalid("; ".join(errors), errors)
    return data


def _nothing(data: dict[str, object]) -> dict[str, object]:
    return _only(data, {})


def _message(data: dict[str, object]) -> dict[str, object]:
    kinds = {"message": str, "guid": str, "pinned": bool, "actions": dict, "direct_to": str}
    _only(data, kinds, ("message",))
    if len(str(data["message"])) > MOST_MESSAGE_CHARS:
        raise OrderInvalid(f"message: at most {MOST_MESSAGE_CHARS} characters")
    buttons = data.get("actions", {})
    if not isinstance(buttons, dict) or len(buttons) > MOST_BUTTONS:
        raise OrderInvalid(f"actions: at most {MOST_BUTTONS} buttons")
    if not all(isinstance(each, dict) for each in buttons.values()):
        raise OrderInvalid("actions: each button must be an object with url or message")
    # The site drops a guid that it saw within 5 minutes: whoever gives one can send again without saying it twice.
    data.setdefault("guid", str(uuid4()))
    if not _GUID.fullmatch(str(data["guid"])):
        raise OrderInvalid("guid: use only 0-9, a-z and -")
    return data


def _message_id(data: dict[str, object]) -> dict[str, object]:
    return _only(data, {"message": str}, ("message",))


def _user(data: dict[str, object]) -> dict[str, object]:
    return _only(data, {"user": str}, ("user",))


def _info(data: dict[str, object]) -> dict[str, object]:
    if "info" in data:  # the site's old name for it
        data.setdefault("info_user", data.pop("info"))
    if not data:
        raise OrderInvalid("setinfo: give info_bot, info_user or both")
    return _only(data, {"info_bot": str, "info_user": str})


def _meta(data: dict[str, object]) -> dict[str, object]:
    if not data:
        raise OrderInvalid("setmeta: give the fields to set")
    try:
        size = len(orjson.dumps(data))
    except (TypeError, ValueError):
        raise OrderInvalid("setmeta: the data cannot be written as JSON") from None
    if size > MOST_META_BYTES:
        raise OrderInvalid(f"setmeta: at most {MOST_META_BYTES} bytes of JSON, not {size}")
    return data


def _history(data: dict[str, object]) -> dict[str, object]:
    return _only(data, {"last_message": str})


_CHECKS: dict[ActionName, Callable[[dict[str, object]], dict[str, object]]] = {
    ActionName.MESSAGE: _message,
    ActionName.PIN_MESSAGE: _message_id,
    ActionName.UNPIN_MESSAGE: _message_id,
    ActionName.SETINFO: _info,
    ActionName.SETMETA: _meta,
    ActionName.GETHISTORY: _history,
    **dict.fromkeys(
        (
            ActionName.INVITE,
            ActionName.ACCEPT_REQUEST,
            ActionName.FORCE_UNREADY,
            ActionName.REMOVE_ENTRANT,
            ActionName.OVERRIDE_STREAM,
            ActionName.ADD_MONITOR,
            ActionName.REMOVE_MONITOR,
        ),
        _user,
    ),
}
