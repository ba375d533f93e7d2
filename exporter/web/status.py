"""The /status routes: the store as JSON."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from aiohttp import hdrs, web

from exporter.metrics.negotiation import allows_gzip
from exporter.model.states import BotStatus, PlatformTraits
from exporter.model.status import BotRecord, LobbyRecord
from exporter.packing import Codec, Member, fastest
from exporter.process import ProcessState
from exporter.slices import Pace
from exporter.stats import LogonStats
from exporter.store import Records
from exporter.timing import Clock
from exporter.web import encode
from exporter.web.answers import JSON_TYPE, HttpProblem, encoded
from exporter.web.board import Board, Piece, Texts
from exporter.web.encode import Cluster
from exporter.web.request import NAMES
from exporter.web.shown import Shown
from exporter.web.streaming import streamed

_TINY_BYTES: Final = 1400  # one packet, compressed or not

_WORD: Mapping[str, Callable[[BotRecord], str]] = {
    "status": lambda bot: bot.status.word,
    "platform": lambda bot: bot.platform,
    "healthy": lambda bot: "true" if bot.healthy else "false",
}


def find_bot(store: Records, name: str) -> BotRecord | None:
    """Return the bot of that name, or with that Steam username."""
    users = (each for each in store.bots.values() if each.traits.subject == "username")
    return store.bots.get(name) or next((each for each in users if each.subject == name), None)


async def find_lobby(store: Records, lobby_id: str) -> LobbyRecord | None:
    """Return the lobby of that id. One that another process has just made may have to be asked for first."""
    found = _lobby(store, lobby_id)
    if found is None:
        await store.catch_up()
        found = _lobby(store, lobby_id)
    return found


def _lobby(store: Records, lobby_id: str) -> LobbyRecord | None:
    there = (each for each in store.lobbies.values() if each.lobby_id is not None)
    return next((each for each in there if str(each.lobby_id) == lobby_id), None)


class StatusPages:
    """The handlers of /status and below.

    Lists are put together from texts that were written when their objects changed. Every answer has an ETag.
    `lobbies_created` is the lifetime count, over all runs of the process; `logons` is Steam's queue, if a bot needs it.
    `waits_for` is what this process waits for while it drains.
    """

    def __init__(
        self,
        store: Records,
        process: ProcessState,
        traits: Sequence[PlatformTraits],
        clock: Clock,
        *,
        lobbies_created: Callable[[], int],
        logons: Callable[[], LogonStats | None],
        waits_for: Callable[[], Sequence[str]],
        cluster: Cluster | None = None,
        codec: Codec | None = None,
    ) -> None:
        encode.check_traits(traits)
        self._store = store
        self._process = process
        self._traits = tuple(traits)
        self._clock = clock
        self._lobbies_created = lobbies_created
        self._logons = logons
        self._waits_for = waits_for
        self._cluster = cluster
        self._shown = Shown(store, process)
        self._board = Board(store, process)
        self._codec = codec or fastest()
        self._made_of: object = None
        self._figures = Piece(b"")

    async def everything(self, request: web.Request) -> web.StreamResponse:
        """Return the system, every bot, every lobby and every race."""
        await self._board.refreshed(Pace())
        board = self._board
        return await self._answer(
            request,
            *(b'{"system":', self._system(), b',"bots":[', board.bots, b'],"lobbies":[', board.lobbies),
            *(b'],"races":[', board.races, b"]}"),
        )

    async def system(self, request: web.Request) -> web.StreamResponse:
        """Return the figures of the whole process."""
        return await self._answer(request, self._system())

    async def bots(self, request: web.Request) -> web.StreamResponse:
        """Return the bots; `status`, `platform` and `healthy` filter, given several times any of the values counts."""
        wanted = self._filters(request)
        await self._board.refreshed(Pace())
        if not wanted:
            return await self._answer(request, b'{"bots":[', self._board.bots, b"]}")
        chosen = (
            name
            for name, record in self._store.bots.items()
            if all(_WORD[key](record) in values for key, values in wanted.items())
        )
        return await self._answer(request, b'{"bots":[', Piece(self._board.bots.chosen(chosen)), b"]}")

    async def bot(self, request: web.Request) -> web.StreamResponse:
        """Return one bot, by its name or its Steam username."""
        name = request[NAMES]["name"]
        record = find_bot(self._store, name)
        if record is None:
            raise HttpProblem(404, f"there is no bot with the name or username {name!r}: /status/bots lists them")
        return await self._answer(request, Piece(encoded(self._shown.bot(record))))

    async def lobbies(self, request: web.Request) -> web.StreamResponse:
        """Return the lobbies, finished ones for ten minutes more."""
        await self._board.refreshed(Pace())
        return await self._answer(request, b'{"lobbies":[', self._board.lobbies, b"]}")

    async def lobby(self, request: web.Request) -> web.StreamResponse:
        """Return one lobby by its id."""
        asked = request[NAMES]["lobby_id"]
        record = await find_lobby(self._store, asked)
        if record is None:
            raise HttpProblem(404, f"there is no lobby with the id {asked!r}: /status/lobbies lists them")
        return await self._answer(request, Piece(encoded(self._shown.lobby(record))))

    async def races(self, request: web.Request) -> web.StreamResponse:
        """Return the races that our bots follow."""
        await self._board.refreshed(Pace())
        return await self._answer(request, b'{"races":[', self._board.races, b"]}")

    async def race(self, request: web.Request) -> web.StreamResponse:
        """Return one race by its category and slug."""
        name = f"{request[NAMES]['category']}/{request[NAMES]['slug']}"
        record = self._store.races.get(name)
        if record is None:
            raise HttpProblem(404, f"no bot follows a race {name!r}: /status/races lists them")
        return await self._answer(request, Piece(encoded(self._shown.race(record))))

    def figures(self) -> encode.Json:
        """Return the system as JSON."""
        return encode.system(
            self._store,
            self._process,
            self._traits,
            now=self._clock.now(),
            lobbies_created=self._lobbies_created(),
            logons=self._logons(),
            counts=self._board.counts(),
            waits_for=self._waits_for() if self._process.draining else (),
            cluster=self._cluster,
        )

    def _system(self) -> Piece:
        """Return the figures, which is the same for a second unless something happens."""
        uptime_s, logons = int(self._clock.now() - self._process.started_at), self._logons()
        queue = (logons.queue_length, logons.cooldown_until) if logons is not None else None
        there = self._cluster.instances() if self._cluster is not None else None
        made_of = (uptime_s, self._board.changes, self._process.draining, self._lobbies_created(), queue, there)
        if made_of != self._made_of:
            self._made_of, self._figures = made_of, Piece(encoded(self.figures()))
        return self._figures

    async def _answer(self, request: web.Request, *parts: bytes | Piece | Texts) -> web.StreamResponse:
        """Return the parts as one body, or 304 if the client has it; compressed, if the client takes that.

        Bytes are those that every answer to such a request has.
        """
        run = f"{int(self._process.started_at * 1000):x}"
        tag = "-".join([run, *[part.tag for part in parts if not isinstance(part, bytes)]])
        headers: dict[str, str] = {hdrs.ETAG: f'W/"{tag}"', hdrs.VARY: hdrs.ACCEPT_ENCODING}
        known = request.if_none_match
        if known and any(each.value in (tag, "*") for each in known):
            return web.Response(status=304, headers=headers)
        headers[hdrs.CONTENT_TYPE] = JSON_TYPE
        pieces: list[Piece] = []
        for part in parts:
            pieces += part.pieces() if isinstance(part, Texts) else (Piece(part) if isinstance(part, bytes) else part,)
        texts = [piece.text for piece in pieces]
        if sum(map(len, texts)) < _TINY_BYTES or not _takes_gzip(request):
            return await streamed(request, texts, headers)
        headers[hdrs.CONTENT_ENCODING] = "gzip"
        member, pace = Member(self._codec), Pace()
        for piece in pieces:
            member.add(piece.packed(self._codec))
            await pace.rest()
        return await streamed(request, member.close(), headers)

    def _filters(self, request: web.Request) -> dict[str, set[str]]:
        """Return the allowed words of each filter that is set; an empty value filters nothing."""
        allowed = {
            "status": [status.word for status in BotStatus],
            "platform": [each.name for each in self._traits],
            "healthy": ["true", "false"],
        }
        wanted: dict[str, set[str]] = {}
        for key, value in request.query.items():
            if key not in allowed:
                raise HttpProblem(400, f"there is no filter {key!r}: use {', '.join(allowed)}")
            if value and value not in allowed[key]:
                raise HttpProblem(400, f"{key} cannot be {value!r}: use one of {', '.join(allowed[key])}")
            if value:
                wanted.setdefault(key, set()).add(value)
        return wanted


def _takes_gzip(request: web.Request) -> bool:
    return allows_gzip(", ".join(request.headers.getall(hdrs.ACCEPT_ENCODING, [])) or None)
