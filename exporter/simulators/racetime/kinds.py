"""Every way in which the simulated site can misbehave: one table.

A target is `route` or `route@who`, `*` for every route of the kind. Routes are named below; who is a category slug, a
client id, a room's slug or `category/slug`.
"""

from typing import Final

from exporter.simulators.faults import Effect, Kind

_READS: Final = frozenset({"category", "public", "race"})
_HTTP: Final = _READS | {"token", "startrace", "edit"}
_SOCKET: Final = frozenset({"socket"})
_ANY: Final = _HTTP | _SOCKET
_BOT: Final = frozenset({"bot"})
_SERVER: Final = frozenset({"server"})

ROUTES: Final = _ANY | _BOT | _SERVER
"""`category` is the authenticated list, `public` every public list, `race` one race's data, `socket` the upgrade."""

_DOUBTFUL, _HARMLESS = Effect.DOUBTFUL, Effect.HARMLESS
_CODES: Final = ("1012", "1000", "1001", "1008 policy", "1011", "1013 try again later", "4000 unknown")
_FIELDS: Final = (
    "goal info opened_at entrants_count",
    "status",
    "current_races",
    "name url slug",
    "access_token",
    "version",
)
_MEGABYTES: Final = ("20", "9", "1")


def _deed(about: str, details: tuple[str, ...] = ("",)) -> Kind:
    return Kind(about, _SOCKET, details, _HARMLESS, lasting=False)


KINDS: Final[dict[str, Kind]] = {
    # credentials (notes, sections 1 and 3)
    "refuse_credentials": Kind("the token endpoint answers 401 invalid_client", frozenset({"token"})),
    "deactivate_bot": Kind(
        "the application is deleted, its tokens die; afterwards the same credentials or new ones work",
        _BOT,
        ("same", "new"),
    ),
    "revoke_tokens": Kind("every token dies", _BOT, effect=_HARMLESS, lasting=False),
    "refuse_tokens": Kind(
        "good tokens get 403, actions are denied", frozenset({"category", "startrace", "edit", "socket"})
    ),
    # the whole server
    "refuse_connections": Kind("the listener is closed and every connection dropped; the world goes on", _SERVER),
    # before the request is looked at
    "http_status": Kind("the front proxy's HTML page with this status", _ANY, ("503", "500", "502")),
    "too_many": Kind("429 with this Retry-After", _ANY, ("30", "1", "600")),
    "challenge": Kind("403 with cf-mitigated: challenge and HTML", _ANY),
    "redirect": Kind("301 to this place", _ANY, ("/elsewhere", "https://www.racetime.invalid/")),
    "hang": Kind("accepted and never answered", _ANY),
    "slow": Kind("looked at after so many seconds", _ANY, ("2", "0.5", "15"), _DOUBTFUL),
    "drop_before": Kind("the connection drops, nothing was done", _ANY),
    # the body of a good answer
    "not_json": Kind("garbage that claims to be JSON", _HTTP),
    "html_page": Kind("HTML with status 200", _HTTP),
    "truncated": Kind("the first half of the JSON", _HTTP),
    "wrong_types": Kind(
        "JSON of wrong types: each value, or the whole", _HTTP, ("values", "list", "null", "number"), _DOUBTFUL
    ),
    "huge_body": Kind("so many megabytes more", _HTTP, _MEGABYTES, _DOUBTFUL),
    "unknown_words": Kind("unknown race and entrant states", _READS, effect=_HARMLESS),
    "extra_fields": Kind("fields nobody knows in every object", _HTTP, effect=_HARMLESS),
    "missing_fields": Kind("these fields are missing wherever they occur", _HTTP, _FIELDS, _DOUBTFUL),
    "nulls": Kind("these fields are null wherever they occur", _HTTP, _FIELDS, _DOUBTFUL),
    # the way of an answer, after the deed was done
    "trickle": Kind("16 bytes of the body every so many seconds", _HTTP, ("0.5", "0.05", "5"), _DOUBTFUL),
    "drop_middle": Kind("the connection drops in the middle of the answer", _HTTP),
    "lose_answer": Kind("the deed is done, the connection drops instead of the answer", _HTTP),
    # sockets, as long as it lasts (notes, section 6)
    "silence": Kind("the server neither reads nor writes nor pings; the connection stays", _SOCKET),
    "close_on_accept": Kind("accepted, then closed at once with this code and reason", _SOCKET, _CODES),
    "close_when_idle": Kind(
        "closed with 1011 after so many seconds without a frame (broken message bus)", _SOCKET, ("5", "1")
    ),
    # sockets, once
    "close_sockets": _deed("closed with this code and reason", _CODES),
    "drop_sockets": _deed("TCP drop, which the client calls 1006"),
    "frame_not_json": _deed("text that is no JSON"),
    "frame_binary": _deed("a binary frame"),
    "frame_wrong_shape": _deed("JSON that is no message"),
    "frame_wrong_types": _deed("messages whose values have other types"),
    "frame_unknown_type": _deed("messages of types nobody knows"),
    "frame_unknown_words": _deed("race.data with unknown states"),
    "frame_extra_fields": _deed("race.data with fields nobody knows"),
    "frame_missing_fields": _deed("race.data without these fields", _FIELDS),
    "frame_nulls": _deed("race.data with these fields null", _FIELDS),
    "frame_huge": _deed("race.data of so many megabytes", _MEGABYTES),
    "frame_flood": _deed("so many race.data at once", ("1000", "100")),
    "frame_deep": _deed("JSON nested this deep", ("100000", "500")),
}
