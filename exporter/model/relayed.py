"""Records as text, for the other processes of a cluster. A platform's traits go by its name: each process has its own.

A process of another version may write fields that this one does not know, and leave out those that have a default.
"""

import json as stdlib
from collections.abc import Mapping
from typing import Final

from msgspec import MsgspecError, convert, json, to_builtins
from msgspec.structs import asdict

from exporter.model.states import PlatformTraits
from exporter.model.status import BotRecord, LobbyRecord, RaceRecord

AnyRecord = BotRecord | LobbyRecord | RaceRecord

_KINDS: Final[Mapping[str, type[AnyRecord]]] = {"bot": BotRecord, "lobby": LobbyRecord, "race": RaceRecord}


def written(record: AnyRecord) -> str:
    """Return a record as text. Half a surrogate pair in a foreign name, which no text can hold, becomes a `?`."""
    fields = asdict(record)
    if isinstance(record, BotRecord):
        fields["traits"] = record.platform
    try:
        return json.encode(fields).decode()
    except UnicodeEncodeError:
        return stdlib.dumps(to_builtins(fields), ensure_ascii=False).encode(errors="replace").decode()


def read(kind: str, text: str, platforms: Mapping[str, PlatformTraits]) -> AnyRecord | None:
    """Return the record; None for one that cannot be understood here, such as that of an unknown platform."""
    try:
        fields = json.decode(text)
        if kind == "bot":
            fields["traits"] = platforms[fields["traits"]]
        return convert(fields, _KINDS[kind])
    except (MsgspecError, KeyError, TypeError):
        return None


def owner_of(record: AnyRecord) -> str:
    """Return the bot whose lease a record stands under: of a race, the first that follows it."""
    match record:
        case BotRecord():
            return record.name
        case LobbyRecord():
            return record.bot
        case RaceRecord():
            return record.bots[0] if record.bots else ""
