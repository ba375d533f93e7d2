"""A program, not a test: steam-next's own client takes a lobby through its life at the coordinator of Dota 2.

Run in a process of its own, because gevent patches sockets for the whole process. What it sends is put together by
hand, and what it hears is taken apart by hand: nothing here knows our definitions. It prints what it heard as JSON.
"""

import json
import struct
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import steam.monkey

steam.monkey.patch_minimal()

from steam.client import SteamClient  # noqa: E402  (after the patches)
from steam.client.gc import GameCoordinator  # noqa: E402
from steam.core.msg import GCMsgHdrProto  # noqa: E402

DOTA2 = 570
PATIENCE_S = 60.0
CREATE_JOB, DESTROY_JOB = 4242, 4243
UI, RUN, POST_GAME = 0, 2, 3
POOL = 4


# --- protobuf by hand ---


def varint(value: int) -> bytes:
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def nested(field: int, data: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(data)) + data


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value, shift, at = value | (byte & 0x7F) << shift, shift + 7, at + 1
        if byte < 0x80:
            return value, at


def fields(data: bytes) -> Iterator[tuple[int, Any]]:
    at = 0
    while at < len(data):
        key, at = read_varint(data, at)
        value: Any
        if key & 7 == 0:
            value, at = read_varint(data, at)
        elif key & 7 == 1:
            value, at = struct.unpack_from("<Q", data, at)[0], at + 8
        elif key & 7 == 2:
            length, at = read_varint(data, at)
            value, at = data[at : at + length], at + length
        else:
            raise ValueError(f"wire type {key & 7}")
        yield key >> 3, value


def many(data: bytes, field: int) -> list[Any]:
    return [value for each, value in fields(data) if each == field]


def one(data: bytes, field: int, default: Any = None) -> Any:
    return next(iter(many(data, field)), default)


def integers(data: bytes, field: int) -> list[int]:
    """Return repeated integers, packed or not."""
    found: list[int] = []
    for value in many(data, field):
        at = 0
        while isinstance(value, bytes) and at < len(value):
            each, at = read_varint(value, at)
            found.append(each)
        if isinstance(value, int):
            found.append(value)
    return found


# --- the client ---


class Dota2(GameCoordinator):  # type: ignore[misc]  # the library has no types
    """Writes down what the coordinator says."""

    def __init__(self, client: Any) -> None:
        super().__init__(client, DOTA2)
        self.heard: list[int] = []
        self.answers: list[tuple[int, int, int]] = []
        self.lobby = b""
        self.states: list[int] = []
        self.names: list[str] = []
        self.welcomed = self.gone = False
        self.cache = 0

    def _process_gc_message(self, emsg: int, header: Any, body: bytes) -> None:
        self.heard.append(emsg)
        if emsg == 4004:
            self.welcomed = True
        elif emsg == 24:
            self.cache = one(one(body, 4), 2)
            for kind in many(body, 2):
                self.take(one(kind, 1), one(kind, 2))
        elif emsg == 26:
            for each in many(body, 2):
                self.take(one(each, 1), one(each, 2))
        elif emsg == 25:
            self.gone = one(one(body, 2), 2) == self.cache
        elif emsg in {7055, 8247}:
            self.answers.append((emsg, header.proto.jobid_target, one(body, 1, 0)))

    def take(self, kind: int, data: bytes) -> None:
        if kind == 2004:
            self.lobby = data
            if self.states[-1:] != [self.state]:
                self.states.append(self.state)
        elif kind == 2014:
            self.names = [one(each, 1, b"").decode() for each in many(data, 1)]

    @property
    def state(self) -> int:
        return int(one(self.lobby, 4, 0))

    @property
    def teams(self) -> dict[str, int]:
        members = many(self.lobby, 120)
        return {self.names[place]: one(members[place], 3, 0) for place in integers(self.lobby, 121)}

    def say(self, emsg: int, body: bytes = b"", job: int | None = None) -> None:
        header = GCMsgHdrProto(emsg)
        if job is not None:
            header.proto.jobid_source = job
        self.send(header, body)

    def until(self, condition: Callable[[], object]) -> None:
        limit = time.monotonic() + PATIENCE_S
        while not condition():
            if time.monotonic() > limit:
                raise TimeoutError(f"not in time; heard {self.heard}")
            self.steam.sleep(0.01)


def tell(what: str, **facts: Any) -> None:
    sys.stdout.write(json.dumps({"what": what, **facts}) + "\n")
    sys.stdout.flush()


def creation(name: bytes, league: int) -> bytes:
    details = nested(2, name) + number(4, 3) + number(5, 2) + nested(15, b"pass") + number(16, league)
    return nested(5, b"pass") + number(6, 1) + nested(7, details)


def main(port: str, username: str, password: str) -> None:
    client = SteamClient()
    client.auto_discovery = False
    client.cm_servers.merge_list([("127.0.0.1", int(port))])
    client.login(username, password)
    game = Dota2(client)
    client.games_played([DOTA2])
    client.sleep(0.1)
    game.say(4006, number(3, 104) + number(7, 1))
    game.until(lambda: game.welcomed)
    tell("welcome", heard=game.heard)

    game.say(7038, creation(b"by hand", 0), job=CREATE_JOB)
    game.until(lambda: game.lobby and game.answers)
    tell("created", lobby_id=one(game.lobby, 1), name=one(game.lobby, 16).decode(), teams=game.teams,
         answers=game.answers, cache=game.cache)  # fmt: skip
    game.say(7047, number(1, POOL))
    game.until(lambda: sorted(game.teams.values()) == [0, 1, POOL])
    tell("full", teams=game.teams, names=game.names, places=len(many(game.lobby, 120)))
    game.say(7041)
    game.until(lambda: game.state == RUN)
    tell("running", match=one(game.lobby, 30), server=one(game.lobby, 6), connect=one(game.lobby, 5).decode())
    game.until(lambda: game.gone)
    tell("over", states=game.states, outcome=one(game.lobby, 70), game_state=one(game.lobby, 22),
         leaver_status=[one(each, 16, 0) for each in many(game.lobby, 120)])  # fmt: skip

    game.lobby, game.gone = b"", False
    game.say(7038, creation(b"again", 5))
    game.until(lambda: game.lobby)
    tell("again", teams=game.teams)
    game.say(8246, job=DESTROY_JOB)
    game.until(lambda: game.gone and game.answers[-1][0] == 8247)
    tell("destroyed", answer=game.answers[-1])
    client.logout()
    client.disconnect()


if __name__ == "__main__":
    main(*sys.argv[1:])
