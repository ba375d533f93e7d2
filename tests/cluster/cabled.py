"""Three exporters as processes of their own, one Steam that counts, one PostgreSQL, and a cable to it for each."""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit, urlunsplit

import aiohttp

from exporter.platforms.steam.messages import Result
from exporter.simulators.dota2 import Coordinator
from exporter.simulators.dota2.records import Admitted
from exporter.simulators.steam import SteamSimulator, World
from exporter.simulators.steam.records import Session
from exporter.timing import SystemClock
from tests.e2e.prometheus import free_port
from tests.eventually import until

Json = dict[str, Any]
KEY: Final = "the-key-of-all-of-them"
NAMES: Final = ("exporter-1", "exporter-2", "exporter-3")
ROOT: Final = Path(__file__).resolve().parents[2]
START_LIMIT_S: Final = 120.0


class CountingSteam(World):
    """A Steam that notes every account that logs on while it is on already: that is what must never be."""

    def __init__(self) -> None:
        super().__init__(seed=1)
        self.twice = list[str]()

    def log_on(
        self, steamid: int, token: str, login_id: int, now: float, *, address: str = "", verdict: int = Result.OK
    ) -> Session:
        before = {each.account.steamid: each.account.username for each in self.sessions.values()}
        if steamid in before:
            self.twice.append(before[steamid])
        return super().log_on(steamid, token, login_id, now, address=address, verdict=verdict)


class Cable:
    """What lies between one process and the database. A cable that is cut holds what is sent until it is mended."""

    def __init__(self, behind: Path) -> None:
        self._behind = behind
        self._whole = asyncio.Event()
        self._whole.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def lay(self, place: Path) -> None:
        place.parent.mkdir()
        self._server = await asyncio.start_unix_server(self._accept, place)

    def cut(self) -> None:
        self._whole.clear()

    def mend(self) -> None:
        self._whole.set()

    async def remove(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._join(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: writer.transport.abort())  # also of one that never began

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.CancelledError):
            await self._whole.wait()
            there, back = await asyncio.open_unix_connection(self._behind)
            ways = [asyncio.create_task(self._carry(*way)) for way in ((reader, back), (there, writer))]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                back.transport.abort()  # before anything that `remove` could cut short
                for way in ways:
                    way.cancel()
                await asyncio.wait(ways)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                await self._whole.wait()
                writer.write(data)
                await writer.drain()


@dataclass
class Exporter:
    """One of them: its configuration, its cable, and the process while it runs."""

    name: str
    folder: Path
    port: int
    cable: Cable
    life_s: float
    process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8")

    async def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.cluster.member", str(self.folder / "config.yaml")),
                *(str(self.folder / "data"), f"--port={self.port}", f"--life={self.life_s}"),
                cwd=ROOT,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=log,
                stdin=asyncio.subprocess.DEVNULL,
            )

    async def terminate(self) -> None:
        """Ask it to end, and wait until it has; it must not have failed."""
        assert self.process is not None
        self.process.terminate()
        async with asyncio.timeout(60):
            assert await self.process.wait() == 0, self.log[-3000:]

    async def end(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()


@dataclass
class Rig:
    """The whole of it."""

    steam: CountingSteam
    coordinator: Coordinator
    exporters: list[Exporter]
    bots: int
    session: aiohttp.ClientSession
    made: Counter[str] = field(default_factory=Counter)
    """How often a lobby of each name was made at the coordinator."""

    async def call(self, exporter: Exporter, method: str, path: str, body: Json | None = None, **headers: str) -> Any:
        """Return status and body; raises aiohttp.ClientError or TimeoutError."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.request(method, exporter.url + path, json=body, headers=named) as answer:
            return answer.status, await answer.json(content_type=None)

    async def system(self, exporter: Exporter) -> Json:
        """Return what a process tells of the whole fleet; nothing while it does not listen."""
        try:
            _, told = await self.call(exporter, "GET", "/status/system")
        except (aiohttp.ClientError, TimeoutError):
            return {"instances": [], "available_bots": 0, "busy_bots": 0}
        return dict(told)

    async def until_whole(self, *exporters: Exporter, limit_s: float = START_LIMIT_S) -> None:
        """Wait until each of these sees all of these, with every bot at work in one of them."""
        wanted = {each.name for each in exporters}

        def whole(told: Json) -> bool:
            shares = {each["name"]: each["bots"] for each in told["instances"]}
            at_work = told["available_bots"] + told["busy_bots"]
            return set(shares) == wanted and sum(shares.values()) == at_work == self.bots

        for each in exporters:
            await until(
                lambda each=each: self.system(each),  # type: ignore[misc]
                whole,
                limit_s,
                told=lambda: "\n".join(f"--- {one.name}\n{one.log[-1500:]}" for one in self.exporters),
            )

    async def bots_of(self, exporter: Exporter) -> set[str]:
        _, told = await self.call(exporter, "GET", "/status/bots")
        return {each["name"] for each in told["bots"] if each["instance"] == exporter.name}


@asynccontextmanager
async def rig(folder: Path, database: str, *, bots: int, life_s: float) -> AsyncIterator[Rig]:
    """Run all of it until every bot works."""
    clock, steam, coordinator = SystemClock(), CountingSteam(), Coordinator()
    accounts = [steam.add_account(f"account-{number}", f"password-{number}") for number in range(bots)]
    made = Counter[str]()
    coordinator.world.subscribe(
        lambda notice: made.update([notice.lobby.settings.game_name]) if isinstance(notice, Admitted) else None
    )
    simulator = SteamSimulator(steam, clock=clock, games=[coordinator], tick_s=0.1)
    async with AsyncExitStack() as stack:
        await simulator.start()
        stack.push_async_callback(simulator.stop)
        socket = Path(parse_qs(urlsplit(database).query)["host"][0]) / ".s.PGSQL.5432"
        services = {
            "steam": {"logon_interval": "0s", "cm_list": list(simulator.cm_urls), "token_dir": "../tokens"},
            "bots": [
                {"name": f"bot-{number}", "platform": "dota2", "username": each.username, "password": each.password}
                for number, each in enumerate(accounts)
            ],
        }
        exporters = list[Exporter]()
        for name in NAMES:
            cable, port = Cable(socket), free_port()
            own = folder / name
            own.mkdir()
            await cable.lay(own / "db" / socket.name)
            stack.push_async_callback(cable.remove)
            _configure(own, port, _behind(database, own / "db"), services)
            exporters.append(Exporter(name, own, port, cable, life_s))
        limits = aiohttp.ClientTimeout(total=30)
        session = await stack.enter_async_context(aiohttp.ClientSession(headers={"X-API-Key": KEY}, timeout=limits))
        for each in exporters:
            stack.push_async_callback(each.end)
            await each.start()
        running = Rig(steam, coordinator, exporters, bots, session, made)
        await running.until_whole(*exporters)
        yield running


def _behind(database: str, folder: Path) -> str:
    parts = urlsplit(database)
    return urlunsplit((*parts[:3], f"host={folder}", ""))


def _configure(folder: Path, port: int, database: str, services: Mapping[str, object]) -> None:
    """Write the configuration of the process that has this folder, and its name."""
    (folder / "admin.key").write_text(KEY)
    config = {
        "web": {"keys": [{"name": "boss", "role": "admin", "key_file": "admin.key"}]},
        "storage": {"url": database},
        "cluster": {"enabled": True, "instance": folder.name, "advertise_url": f"http://127.0.0.1:{port}"},
        **services,
    }
    (folder / "config.yaml").write_text(json.dumps(config))  # JSON is YAML
