"""/status: what an answer costs beside a bare aiohttp handler that has its bytes ready, and beside json.dumps.

One client asks again and again over one connection. Rounds are interleaved. Where something changes before each answer,
that takes a tenth of a second, and the others rest as long: after a rest the same work costs more, as processors sleep
and caches are cold. Run it with `python -m benchmarks.status`; --help shows the options.
"""

import argparse
import json
import random
import socket
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks.lines import Helper
from benchmarks.measure import Spread, interleaved, load_average, machine, ratios, say, versions

OURS, BARE, DUMPS = "bot-exporter", "aiohttp, ready bytes", "aiohttp, json.dumps"
_LIMIT_S: Final = 120.0
_REST_S: Final = 0.1  # as long as the changes take until they are in the database


@dataclass(frozen=True, slots=True)
class Options:
    """How much to ask for."""

    bots: int
    rounds: int
    small: int
    large: int
    slow: int


@dataclass
class Report:
    """Milliseconds an answer, by what was asked and subject."""

    options: Options
    took: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    before: float = field(default_factory=load_average)

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"machine": machine()}


class Client:
    """One connection that stays open, with as little work as possible."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=_LIMIT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray(4 << 20)

    def get(self, path: str, more: str = "") -> bytes:
        """Return the body of an answer that is 200."""
        head, body = self._asked(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{more}\r\n".encode())
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head.decode())
        return body

    def time(self, path: str, times: int) -> float:
        """Return how many milliseconds one answer takes, the middle of all."""
        request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
        took = []
        for _ in range(times):
            began = time.perf_counter()
            self._asked(request)
            took.append((time.perf_counter() - began) * 1000)
        return Spread.of(took).middle

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def _asked(self, request: bytes) -> tuple[bytes, bytes]:
        self._socket.sendall(request)
        got = 0
        view = memoryview(self._buffer)
        while (end := self._buffer.find(b"\r\n\r\n", 0, got)) < 0:
            got += self._read(view[got:])
        head = bytes(view[:end])
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        whole = end + 4 + length
        if whole > len(self._buffer):
            raise RuntimeError("the answer is larger than expected")
        while got < whole:
            got += self._read(view[got:whole])
        return head, bytes(view[end + 4 : whole])

    def _read(self, into: memoryview) -> int:
        if not (count := self._socket.recv_into(into)):
            raise RuntimeError("the connection was closed")
        return count


def run(options: Options) -> Report:
    """Measure everything."""
    report = Report(options)
    chance = random.Random(1)  # noqa: S311
    with tempfile.TemporaryDirectory(prefix="bot-exporter-status-") as folder, ExitStack() as stack:
        log = stack.enter_context((Path(folder) / "log").open("wb"))
        ours, peer = (
            Helper(module, *more, log=log)
            for module, more in (("benchmarks.exposition_subject", ("ours",)), ("benchmarks.status_peer", ()))
        )
        stack.callback(ours.close)
        stack.callback(peer.close)
        for helper in (ours, peer):
            helper.ask("hold", bots=options.bots, limit_s=_LIMIT_S)
        ports = {OURS: ours.ask("serve")["port"], BARE: peer.ask("serve")["port"]}
        clients = {each: Client(ports[OURS if each == OURS else BARE]) for each in (OURS, BARE, DUMPS)}
        for client in clients.values():
            stack.callback(client.close)
        bodies = {}
        for name, path in (("system", "/status/system"), ("status", "/status")):
            body = clients[OURS].get(path)
            report.sizes[path] = len(body)
            report.sizes[f"{path}, gzip"] = len(clients[OURS].get(path, "Accept-Encoding: gzip\r\n"))
            bodies[name] = str(Path(folder) / name)
            Path(bodies[name]).write_bytes(body)
        peer.ask("load", bodies=bodies)
        cases = (
            ("GET /status/system", "/status/system", "system", options.small, False),
            ("GET /status, nothing changed", "/status", "status", options.large, False),
            ("GET /status, 1% changed and 0.1 s of rest before each", "/status", "status", options.large, True),
        )
        for title, path, name, times, changing in cases:
            say(title)
            for _, subject in interleaved(options.rounds, (OURS, BARE, DUMPS)):
                where = {OURS: path, BARE: f"/ready/{name}", DUMPS: f"/dumps/{name}"}[subject]
                count = options.slow if subject == DUMPS and name == "status" else times
                if changing:
                    took = []
                    for number in range(count):
                        if subject == OURS:
                            changed = chance.sample(range(options.bots), max(1, options.bots // 100))
                            ours.ask("change", bots=changed, number=number, limit_s=_LIMIT_S)
                        else:
                            time.sleep(_REST_S)  # ours rests as long, while its fleet changes
                        took.append(clients[subject].time(where, 1))
                    figure = Spread.of(took).middle
                else:
                    figure = clients[subject].time(where, count)
                report.took.setdefault(title, {}).setdefault(subject, []).append(figure)
    return report


def table(report: Report) -> str:
    """Return the figures as text."""
    about = machine() | versions("aiohttp", "orjson", "isal", "uvloop")
    lines = [
        f"/status with {report.options.bots} bots, {report.options.rounds} rounds; ms an answer, min / median / max",
        ", ".join(f"{name} {value}" for name, value in about.items()),
        f"load of the machine in the minute before: {report.before:.2f}; after: {load_average():.2f}",
        ", ".join(f"{path} {size} bytes" for path, size in report.sizes.items()),
    ]
    for title, subjects in report.took.items():
        ours = subjects[OURS]
        bare = Spread.of(ratios(subjects[BARE], ours)).text()
        dumps = Spread.of(ratios(subjects[DUMPS], ours)).text(1)
        lines += ["", title, *(f"  {subject}  {Spread.of(took).text(3)}" for subject, took in subjects.items())]
        lines.append(f"  of the speed of ready bytes: {bare}  (target: >= 0.8)")
        goal = "  (target: >= 40)" if title != "GET /status/system" else ""
        lines.append(f"  times the speed of json.dumps: {dumps}{goal}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="status", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--bots", type=int, default=3500, help="how many (default: %(default)s)")
    parser.add_argument("--smoke", action="store_true", help="one short round: does it still run?")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    given = parser.parse_args(arguments)
    options = Options(50, 1, 20, 5, 2) if given.smoke else Options(given.bots, 7, 500, 15, 3)
    report = run(options)
    print(table(report))
    if given.json:
        given.json.write_text(json.dumps(report.as_json(), indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
