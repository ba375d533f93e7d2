"""Logging: one line per event, logfmt or JSON, for our own and for the libraries' messages, without secrets.

    structlog event ─┐
                     ├─> traceback as text -> Redactor -> line -> stream
    logging record ──┘

Values come from services and strangers (player names, error texts): whatever they hold, a line stays one line.
"""

import base64
import heapq
import json
import logging
import math
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, Literal, Protocol, TextIO
from urllib.parse import quote, quote_plus

import structlog

STARS: Final = "**********"

_LEVELS: Final = {"debug": 10, "info": 20, "warn": 30, "warning": 30, "error": 40}
# At debug level websockets logs frames, which carry tokens; access logs repeat what the metrics count.
_QUIET: Final = ("websockets", "aiohttp.access", "alembic")
_SHORTEST_SECRET: Final = 6
_MOST_DEPTH: Final = 8


# --- redaction ---


class Revealable(Protocol):
    """A secret that hides itself, such as `exporter.secrets.Secret`."""

    def reveal(self) -> str:
        """Return the secret itself."""


_SECRET_WORDS: Final = re.compile(
    r"(?:^|_)(?:secrets?|tokens?|passwords?|passwd|passphrase|pwd|authorization|credentials?|cookies?|guard|bearer"
    r"|api_?keys?|private_?key|access_?key|(?:auth|login|email|factor)_?code)(?:_|$)|^code$"
)
_FACTS_ABOUT_SECRETS: Final = re.compile(
    r"_(?:at|in|file|path|url|type|kind|name|state|status|reason|count|length|expiry|expires|seconds|s|required|waiting)$"
)
_NAMED: Final = r"[\w-]*(?:secret|token|password|passwd|api[_-]?key|guard[_-]?code|session[_-]?id)"
_PATTERNS: Final = (
    # a JSON Web Token: two base64url parts that begin with {", and a signature
    re.compile(r"\beyJ[\w-]{5,}\.[\w-]{5,}(?:\.[\w-]*)?"),
    re.compile(r"(?i)(?P<keep>\bauthorization[\"']?\s*[:=]\s*[\"']?(?:(?:basic|bearer|token)\s+)?)[^\s\"',;]+"),
    re.compile(r"(?i)(?P<keep>\bbearer\s+)[^\s\"',;]+"),
    re.compile(rf"(?i)(?P<keep>\b{_NAMED}=)(?:\"[^\"]*\"|'[^']*'|[^\s&\"',;)]+)"),
    re.compile(rf"(?i)(?P<keep>[\"']{_NAMED}[\"']\s*[:=]\s*)(?:\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')"),
    re.compile(r"(?i)(?P<keep>[?&](?:code|key|sig|signature)=)[^\s&\"',;]+"),
)
# One of these is in every text that a pattern above can match: most texts are done after this one search.
_SUSPICIOUS: Final = re.compile(r"(?i)eyJ|authorization|bearer|[=:]")


class Redactor:
    """Takes secrets out of whatever is to be shown: registered values, secret-looking keys and patterns.

    It belongs to whoever wires the program, and is given to each part that learns a secret.
    """

    __slots__ = ("_ends", "_heads", "_held", "_now", "_queued", "_until")

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        # Values by their first characters, so that the cost follows the text's length, not the fleet's size.
        self._heads: dict[str, tuple[str, ...]] = {}
        self._held: Counter[str] = Counter()  # by how many values each form is hidden
        self._until: dict[str, float] = {}
        self._ends: list[tuple[float, str]] = []
        self._queued: set[str] = set()
        self._now = now

    def __len__(self) -> int:
        """Return how many values are hidden."""
        return len(self._until)

    def add(self, secret: str | Revealable, for_s: float = math.inf) -> None:
        """Hide this value from now on, in its URL, JSON, repr and base64 forms too; one under 6 characters is ignored.

        So short a value would turn up inside ordinary words. A value that is good for a limited time only is hidden
        for `for_s` seconds, and forgotten later: a process that lives for months must not keep each token it ever had.
        Whoever hides it again prolongs that, and nobody can shorten it.
        """
        value = _value_of(secret)
        if len(value) < _SHORTEST_SECRET:
            return
        now = self._now()
        self._forget(now)
        until = now + for_s
        if until <= self._until.get(value, -math.inf):
            return
        if value not in self._until:
            self._hide(value)
        self._until[value] = until
        self._queue(value, until)

    def discard(self, secret: str | Revealable) -> None:
        """Forget a value that no one uses any more, such as an expired token."""
        value = _value_of(secret)
        if self._until.pop(value, None) is None:
            return
        for form in _forms(value):
            self._held[form] -= 1
            if self._held[form]:  # another value looks like this too
                continue
            del self._held[form]
            head = form[:_SHORTEST_SECRET]
            if others := tuple(each for each in self._heads[head] if each != form):
                self._heads[head] = others
            else:
                del self._heads[head]

    def _hide(self, value: str) -> None:
        for form in _forms(value):
            self._held[form] += 1
            if self._held[form] == 1:
                head = form[:_SHORTEST_SECRET]
                self._heads[head] = (form, *self._heads.get(head, ()))

    def _forget(self, now: float) -> None:
        while self._ends and self._ends[0][0] <= now:
            _, value = heapq.heappop(self._ends)
            self._queued.discard(value)
            until = self._until.get(value, -math.inf)
            if until > now:
                self._queue(value, until)
            else:
                self.discard(value)

    def _queue(self, value: str, until: float) -> None:
        """Have a value looked at when its time is over: it has one place, however often it is prolonged."""
        if until < math.inf and value not in self._queued:
            self._queued.add(value)
            heapq.heappush(self._ends, (until, value))

    def text(self, text: str) -> str:
        """Return a text without secrets."""
        if self._heads:
            windows = {text[i : i + _SHORTEST_SECRET] for i in range(len(text) - _SHORTEST_SECRET + 1)}
            if heads := self._heads.keys() & windows:
                forms = (form for head in heads for form in self._heads[head])
                for form in sorted(forms, key=len, reverse=True):  # the longest first: one may begin another
                    text = text.replace(form, STARS)
        if _SUSPICIOUS.search(text):
            for pattern in _PATTERNS:
                text = pattern.sub(_keep_name, text)
        return text

    def value(self, value: object, depth: int = 0) -> object:
        """Return any value as plain data without secrets; what is no plain data becomes text."""
        match value:
            case None | bool():
                return value
            case str():
                return self.text(value)
            case int() if abs(value) >= 1 << 128:  # Python refuses to write very long ones in decimal
                return self.text(hex(value))
            case int() | float():
                text = str(value)
                return value if math.isfinite(value) and self.text(text) == text else self.text(text)
            case bytes() | bytearray():
                return self.text(bytes(value).decode(errors="backslashreplace"))
            case _ if depth >= _MOST_DEPTH:
                return "..."
            case Mapping():
                return dict(self._items(value, depth + 1))
            case list() | tuple() | set() | frozenset():
                return [self.value(each, depth + 1) for each in value]
            case _:
                return self.text(_text_of(value))

    def _items(self, values: Mapping[object, object], depth: int) -> Iterator[tuple[str, object]]:
        for key, value in values.items():
            name = self.text(key if isinstance(key, str) else _text_of(key))
            hide = not isinstance(value, bool) and value is not None and is_secret_name(name)
            yield name, STARS if hide else self.value(value, depth)

    def __call__(
        self, _logger: object, _method: str, event: MutableMapping[str, object]
    ) -> MutableMapping[str, object]:
        """Act as a structlog processor."""
        return dict(self._items(event, 0))  # type: ignore[arg-type]  # str keys are object keys here


@lru_cache(maxsize=1024)
def is_secret_name(name: str) -> bool:
    """Say whether a value of this name is a secret: `client_secret` and `Api-Key`, not `token_expires_at`."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+", "_", name[:200]).lower()
    return bool(_SECRET_WORDS.search(snake)) and not _FACTS_ABOUT_SECRETS.search(snake)


def _keep_name(match: re.Match[str]) -> str:
    return (match.groupdict().get("keep") or "") + STARS


def _value_of(secret: str | Revealable) -> str:
    return secret if isinstance(secret, str) else secret.reveal()


def _forms(value: str) -> set[str]:
    safe = value.encode(errors="replace")
    packed = {base64.b64encode(safe).decode(), base64.urlsafe_b64encode(safe).decode()}
    shown = {value, quote(safe), quote(safe, safe=""), quote_plus(safe), json.dumps(value)[1:-1], repr(value)[1:-1]}
    return shown | {form.rstrip("=") for form in packed}


def _text_of(value: object) -> str:
    try:
        return str(value)
    except Exception as error:  # noqa: BLE001  (any object may be logged; its fault must not be the caller's)
        return f"<{type(value).__name__} without text: {type(error).__name__}>"


# --- lines ---

_FIRST_FIELDS: Final = ("ts", "level", "component", "logger", "bot", "msg")
_BARE: Final = re.compile(r"[!#-<>-\[\]-~]+")  # printable ASCII without space, quote, equals sign and backslash
_NO_KEY: Final = re.compile(r"[^A-Za-z0-9_.]+")


class _Fields:
    """The processor that puts time, level and message before the event's own fields."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now

    def __call__(self, _logger: object, method: str, event: MutableMapping[str, object]) -> dict[str, object]:
        moment = datetime.fromtimestamp(self._now(), UTC).isoformat(timespec="milliseconds")
        level = {"warning": "warn", "exception": "error"}.get(method, method)
        head = {"ts": moment.replace("+00:00", "Z"), "level": level, "msg": event.pop("event", "")}
        # A field of the event that is called like one of these keeps its value under another name.
        fields = head | {f"{key}_" if key in head else key: value for key, value in event.items()}
        fields |= {"exception": fields.pop("exception")} if "exception" in fields else {}  # long: it goes last
        return {key: fields[key] for key in _FIRST_FIELDS if key in fields} | fields


def logfmt(_logger: object, _method: str, fields: Mapping[str, object]) -> str:
    """Render one line of `key=value`; a quoted value is a JSON string, so that any escape can be read back."""
    return " ".join(f"{_NO_KEY.sub('_', key) or '_'}={_logfmt_value(value)}" for key, value in fields.items())


def _logfmt_value(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if _BARE.fullmatch(text) else f'"{"".join(map(_escaped, text))}"'


def _escaped(char: str) -> str:
    # isprintable() is false for control characters, line separators, bidirectional overrides and lone surrogates.
    return char if char.isprintable() and char not in '"\\' else json.dumps(char)[1:-1]


def _json_line(_logger: object, _method: str, fields: Mapping[str, object]) -> str:
    return json.dumps(fields)


# --- wiring ---


class _Output:
    """Where lines go. A broken stream (a closed terminal, a full disk) is no reason for a bot to stop."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def msg(self, line: str) -> None:
        """Write one line."""
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            return

    debug = info = warning = error = critical = exception = msg


class _StandardLibrary(logging.Handler):
    """Hands the libraries' log records to structlog, so that they take the same way out."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log a record as an event of its logger."""
        try:
            message = record.getMessage()
        except Exception:  # noqa: BLE001  (a library's wrong format arguments must not break the library)
            message = f"{_text_of(record.msg)} {_text_of(record.args)}"
        log = structlog.get_logger().bind(logger=record.name)
        failed = record.exc_info if record.exc_info and record.exc_info[0] else None
        level = max((each for each in _LEVELS.values() if each <= record.levelno), default=logging.DEBUG)
        # The message goes as a value: a percent sign in it is no format.
        log.log(level, message, **({"exc_info": failed} if failed else {}))


def configure(
    level: str,
    format: Literal["logfmt", "json"],  # noqa: A002  (the flag is called --log.format)
    stream: TextIO | None = None,
    *,
    redactor: Redactor | None = None,
    now: Callable[[], float] = time.time,
) -> Redactor:
    """Send every log message to `stream` (stderr) from `level` on; return the redactor that guards it.

    Can be called again: loggers from `structlog.get_logger` follow, those already bound keep the old way.
    Raises ValueError for an unknown level.
    """
    if level not in _LEVELS:
        raise ValueError(f"unknown log level {level!r}: use debug, info, warn or error")
    number = _LEVELS[level]
    guard = redactor or Redactor()
    structlog.configure(
        processors=[
            structlog.processors.format_exc_info,
            guard,
            _Fields(now),
            _json_line if format == "json" else logfmt,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_: _Output(stream or sys.stderr),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    for handler in [each for each in root.handlers if isinstance(each, _StandardLibrary)]:
        root.removeHandler(handler)
    root.addHandler(_StandardLibrary())
    root.setLevel(number)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(number, logging.WARNING))
    return guard
