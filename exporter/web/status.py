"""The /status routes: the store as JSON."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from aiohttp import web

from exporter.model.states import BotStatus, PlatformTraits
from exporter.model.status import BotRecord, LobbyRecord
from exporter.process import ProcessState
from exporter.stats import LogonStats
from exporter.store import StatusStore
from exporter.timing import Clock
from exporter.web import encode
from exporter.web.answers import HttpProblem, json_answer

_WORD: Mapping[str, Callable[[BotRecord], str]] = {
    "status": lambda bot: bot.status.word,
    "platform": lambda bot: bot.platform,
    "healthy": lambda bot: "true" if bot.healthy else "false",
}


def find_bot(store: StatusStore, name: str) -> BotRecord | None:
    """Return the bot of that name, or with that Steam username."""
    users = (each for each in store.bots.values() if each.traits.subject == "username")
    return store.bots.get(name) or next((each for each in users if each.subject == name), None)


class StatusPages:
    """The handlers of /status and below.

    `lobbies_created` is the lifetime count, over all runs of the process; `logons` is Steam's queue, if a bot needs it.
    """

    def __init__(
        self,
        store: StatusStore,
        process: ProcessState,
        traits: Sequence[PlatformTraits],
        clock: Clock,
        *,
        lobbies_created: Callable[[], int],
        logons: Callable[[], LogonStats | None],
    ) -> None:
        encode.check_traits(traits)
        self._store = store
        self._process = process
        self._traits = tuple(traits)
        self._clock = clock
        self._lobbies_created = lobbies_created
        self._logons = logons

    async def everything(self, _: web.Request) -> web.Response:
        """Return the system, every bot, every lobby and every race."""
        return json_answer(
            {
                "system": self.figures(),
                "bots": self._bots(self._store.bots.values()),
                "lobbies": self._lobbies(),
                "races": self._races(),
            }
        )

    async def system(self, _: web.Request) -> web.Response:
        """Return the figures of the whole process."""
        return json_answer(self.figures())

    async def bots(self, request: web.Request) -> web.Response:
        """Return the bots; `status`, `platform` and `healthy` filter, given several times any of the values counts."""
        wanted = self._filters(request)
        chosen = (
            record
            for record in self._store.bots.values()
            if all(_WORD[key](record) in values for key, values in wanted.items())
        )
        return json_answer({"bots": self._bots(chosen)})

    async def bot(self, request: web.Request) -> web.Response:
        """Return one bot, by its name or its Steam username."""
        name = request.match_info["name"]
        record = find_bot(self._store, name)
        if record is None:
            raise HttpProblem(404, f"there is no bot with the name or username {name!r}: /status/bots lists them")
        return json_answer(encode.bot(record, draining=self._process.draining))

    async def lobbies(self, _: web.Request) -> web.Response:
        """Return the lobbies, finished ones for ten minutes more."""
        return json_answer({"lobbies": self._lobbies()})

    async def lobby(self, request: web.Request) -> web.Response:
        """Return one lobby by its id."""
        asked = request.match_info["lobby_id"]
        for record in self._store.lobbies.values():
            if record.lobby_id is not None and str(record.lobby_id) == asked:
                return json_answer(self._lobby(record))
        raise HttpProblem(404, f"there is no lobby with the id {asked!r}: /status/lobbies lists them")

    async def races(self, _: web.Request) -> web.Response:
        """Return the races that our bots follow."""
        return json_answer({"races": self._races()})

    async def race(self, request: web.Request) -> web.Response:
        """Return one race by its category and slug."""
        name = f"{request.match_info['category']}/{request.match_info['slug']}"
        record = self._store.races.get(name)
        if record is None:
            raise HttpProblem(404, f"no bot follows a race {name!r}: /status/races lists them")
        return json_answer(encode.race(record))

    def figures(self) -> encode.Json:
        """Return the system as JSON."""
        return encode.system(
            self._store,
            self._process,
            self._traits,
            now=self._clock.now(),
            lobbies_created=self._lobbies_created(),
            logons=self._logons(),
        )

    def _bots(self, records: Iterable[BotRecord]) -> list[Any]:
        return [encode.bot(record, draining=self._process.draining) for record in records]

    def _lobbies(self) -> list[Any]:
        return [self._lobby(record) for record in self._store.lobbies.values()]

    def _lobby(self, record: LobbyRecord) -> encode.Json:
        bot = self._store.bots.get(record.bot)
        return encode.lobby(record, bot_username=bot.subject if bot is not None else None)

    def _races(self) -> list[Any]:
        return [encode.race(record) for record in self._store.races.values()]

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
