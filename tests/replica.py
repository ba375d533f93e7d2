"""A client of the live feed, by the three rules of docs/feed.md: what it has is what /status says."""

import json
from collections.abc import Iterator
from typing import Any

from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

KEYS = ["type", "cursor", "kind", "id", "data"]
Key = tuple[str, str | None]


class Replica:
    """Holds the objects of a stream, over its connections; checks that each frame is as the document says."""

    def __init__(self) -> None:
        self.objects: dict[Key, Any] = {}
        self.cursor = ""
        self.complete = False
        self.frames: list[dict[str, Any]] = []
        self._fresh = True

    def connected(self) -> None:
        """Begin to take the frames of another connection."""
        self.frames = []
        self._fresh = True

    @property
    def types(self) -> list[str]:
        return [frame["type"] for frame in self.frames]

    def take(self, text: str | bytes) -> None:
        """Take one frame."""
        frame = json.loads(text)
        assert list(frame) == KEYS
        kind, name, data = frame["kind"], frame["id"], frame["data"]
        boot, _, number = frame["cursor"].partition("-")
        before, _, last = self.cursor.partition("-")
        if self._fresh:
            self.complete = frame["type"] != "snapshot"
            if frame["type"] == "snapshot":
                self.objects = {}
            else:
                assert before == boot
        if frame["type"] == "snapshot":
            assert not self.complete
            assert number == "0" or kind is None
            self.complete = kind is None
        else:
            assert self.complete
            assert before == boot
            assert int(number) >= int(last) + (frame["type"] == "change")
        assert (kind is None) == (frame["type"] == "heartbeat" or (frame["type"] == "snapshot" and self.complete))
        if kind is not None and data is not None:
            self.objects[kind, name] = data
        elif kind is not None:
            self.objects.pop((kind, name), None)
        self.cursor = frame["cursor"]
        self._fresh = False
        self.frames.append(frame)


def messages(data: bytes) -> Iterator[bytes]:
    """Yield the messages of a WebSocket's bytes, which must end with a whole one; of a close, its payload."""
    reader = StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    while not _run(reader.at_eof()):
        frame = _run(Frame.parse(reader.read_exact, mask=False))
        assert frame.fin
        assert frame.opcode in (Opcode.TEXT, Opcode.CLOSE)
        yield bytes(frame.data)


def _run(steps: Any) -> Any:
    """Run one of the library's parsers, which has all its bytes."""
    try:
        next(steps)
    except StopIteration as done:
        return done.value
    raise AssertionError("the bytes end within a message")


def events(text: str) -> Iterator[tuple[str, str]]:
    """Yield `id` and `data` of whole Server-Sent Events."""
    for block in text.split("\n\n")[:-1]:
        fields = dict(line.split(": ", 1) for line in block.splitlines())
        if "data" in fields:
            yield fields["id"], fields["data"]
