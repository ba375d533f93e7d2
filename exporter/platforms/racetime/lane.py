"""Whole text frames, taken out of a WebSocket's bytes without the library: nearly all that a room sends is one.

Everything else, and every text in several frames, is for the library. No sockets, no surprises: what is no valid frame
is the library's to refuse, too, and then all that follows.
"""

_TEXT, _FINAL, _CONTROL, _MASKED = 0x81, 0x80, 0x08, 0x80
_LENGTH_16 = 126
_ENDLESS = 1 << 64


class Lane:
    """Splits what the other side sends. `most_bytes` is the longest text that is taken.

    It must see every byte after the handshake, in order.
    """

    __slots__ = ("_most_bytes", "_needed", "_parts", "_rest", "blocked")

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._rest = bytearray()
        self._needed = 0
        self._parts = False
        self.blocked = False

    def split(self, data: bytes) -> list[tuple[bool, bytes]]:
        """Return what is complete now, in order: True with the bytes of a text, False with what the library must read.

        Once `blocked` it returns everything for the library.
        """
        if self.blocked:
            return [(False, data)]
        if self._rest:
            self._rest += data
            if len(self._rest) < self._needed:
                return []
            data = bytes(self._rest)
            self._rest.clear()
        found: list[tuple[bool, bytes]] = []
        at = 0
        have = len(data)
        while at < have:
            start, size = at + 2, data[at + 1] if at + 1 < have else 0
            if size >= _LENGTH_16:
                start, size = _long(data, at, size)
                if size > self._most_bytes:
                    self.blocked = True
                    found.append((False, data[at:]))
                    break
            end = start + size
            if end > have:
                self._rest += data[at:] if at else data
                self._needed = end - at
                break
            first = data[at]
            if first == _TEXT and not self._parts:
                found.append((True, data[start:end]))
            else:
                found.append((False, data[at:end]))
                if not first & _CONTROL:
                    self._parts = not first & _FINAL
            at = end
        return found


def _long(data: bytes, at: int, length: int) -> tuple[int, int]:
    """Return where the payload of a longer frame at `at` begins and how long it is; 0 if that is still to come.

    No server may mask: such a frame is longer than anything.
    """
    if length & _MASKED:
        return at + 2, _ENDLESS
    start = at + (4 if length == _LENGTH_16 else 10)
    return start, int.from_bytes(data[at + 2 : start], "big") if start <= len(data) else 0
