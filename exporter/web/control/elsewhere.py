"""Passes orders on to the process whose bot they are about, and its answer back to whoever gave them.

What came over from another process is never passed on again: ownership that has just moved is a 503, not a circle.
Nothing is guessed: a process that was not reached has done nothing (503); one that was, and does not answer, may have
carried the order out (504).
"""

import ssl
from collections import Counter
from collections.abc import Callable, Iterable
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final

import aiohttp
import structlog
from aiohttp import hdrs, web
from yarl import URL

from exporter.model.cluster import Instance
from exporter.model.status import BotRecord
from exporter.store import StatusStore
from exporter.web.answers import HttpProblem
from exporter.web.control.requests import wait_s
from exporter.web.headers import INSTANCE
from exporter.web.request import NAMES
from exporter.web.status import find_bot, find_lobby

if TYPE_CHECKING:
    from exporter.cluster.fleet import WholeFleet  # a process that runs its fleet alone reads none of it

PASSED_ON: Final = "Bot-Exporter-Passed-On-By"
"""The header of an order that another process has passed on: its name."""

_RETRY_S: Final = 5
_CONNECT_S: Final = 3.0
_MARGIN_S: Final = 10.0
_SENT: Final = ("X-API-Key", "Authorization", "Idempotency-Key", "Content-Type")
_RETURNED: Final = ("Content-Type", "Order-Id", "Retry-After", "WWW-Authenticate", INSTANCE)
_KEYS_DIFFER: Final = frozenset({401, 403, 421})

_log = structlog.get_logger(component="orders")


class NotReached(HttpProblem):
    """The other process was not reached: nothing was done."""

    def __init__(self, detail: str) -> None:
        super().__init__(503, detail, {hdrs.RETRY_AFTER: str(_RETRY_S)})


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Return what verifies other processes: by the system's authorities, and by those of a file. Blocks for it."""
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context


class Elsewhere:
    """Knows which orders are another process's, and passes them on. `close` it at the end.

    `tls` is made by `tls_context`. `most_wait_s` is how long a process may take beyond the time that its client waits.
    """

    def __init__(
        self, fleet: "WholeFleet", own: StatusStore, tls: ssl.SSLContext, *, most_wait_s: float = _MARGIN_S
    ) -> None:
        self.fleet = fleet
        self._own = own
        self._tls = tls
        self._most_wait_s = most_wait_s
        self._client: aiohttp.ClientSession | None = None
        self._under_way: Counter[str] = Counter()

    async def close(self) -> None:
        """Close the connections to other processes."""
        if self._client is not None:
            await self._client.close()

    async def bot_of(self, request: web.Request) -> str | None:
        """Return the bot that the path of an order is about, if it is another process's."""
        match request.get(NAMES):
            case {"name": name}:
                record = find_bot(self.fleet, name)
                bots = [record.name] if record is not None else []
            case {"lobby_id": lobby_id}:
                lobby = await find_lobby(self.fleet, lobby_id)
                bots = [lobby.bot] if lobby is not None else []
            case {"category": category, "slug": slug}:
                bots = self._bots_of_room(category, slug)
            case _:
                bots = []
        return self.first(bots)

    def first(self, bots: Iterable[str]) -> str | None:
        """Return the first of these bots, which are another process's; None if there are none, or one is ours."""
        names = list(bots)
        if any(name in self._own.bots for name in names):
            return None
        return next(iter(names), None)

    def others(self, fits: Callable[[BotRecord], bool]) -> list[Instance]:
        """Return the instances that have a bot for new work, the one with the most of them first."""
        free: Counter[str] = Counter()
        for name, record in self.fleet.bots.items():
            origin = self.fleet.origin("bot", name)
            if origin is None or origin.own or origin.draining or origin.instance is None:
                continue
            if fits(record) and record.ready and not record.busy:
                free[origin.instance] += 1
        there = {each.name: each for each in self.fleet.instances()}
        # What is on its way may be told already, or not yet: it says who is asked first, and never that none is free.
        chosen = sorted(free, key=lambda name: self._under_way[name] - free[name])
        return [there[name] for name in chosen if name in there]

    async def to_bot(self, request: web.Request, bot: str) -> web.Response:
        """Have a bot's process carry out an order. Raises HttpProblem (502, 503, 504)."""
        check_first_hand(request)
        owner = self.fleet.owner_of(bot)
        if owner is None:
            record = self.fleet.bots.get(bot)
            why = record.status_message if record is not None else None
            raise NotReached(f"bot {bot}: {why or 'no process runs it now'}; nothing was done, try again later")
        if owner.name == self.fleet.me:
            raise NotReached(f"bot {bot} is just coming to this process: nothing was done, try again")
        return await self.to_instance(request, owner)

    async def to_instance(self, request: web.Request, instance: Instance) -> web.Response:
        """Have an instance carry out an order. Raises HttpProblem (502, 503, 504)."""
        self._under_way[instance.name] += 1
        try:
            return await self._passed_on(request, instance)
        finally:
            self._under_way[instance.name] -= 1

    async def _passed_on(self, request: web.Request, instance: Instance) -> web.Response:
        headers = {name: request.headers[name] for name in _SENT if name in request.headers}
        headers |= {PASSED_ON: self.fleet.me, hdrs.ACCEPT_ENCODING: "identity"}
        limits = aiohttp.ClientTimeout(total=wait_s(request) + self._most_wait_s, connect=_CONNECT_S)
        url = instance.advertise_url + request.rel_url.raw_path_qs
        try:
            async with self._session().request(
                request.method,
                URL(url, encoded=True),
                data=await request.read(),
                headers=headers,
                timeout=limits,
                ssl=self._tls,
                allow_redirects=False,
            ) as answer:
                body = await answer.read()
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            _log.warning("another process was not reached", instance=instance.name, reason=str(error))
            raise NotReached(
                f"the process {instance.name}, which runs the bot, was not reached: nothing was done, try again later"
            ) from None
        except (aiohttp.ClientError, TimeoutError) as error:
            _log.warning("another process did not answer", instance=instance.name, reason=repr(error))
            raise HttpProblem(
                504,
                f"the process {instance.name} got the order and did not answer: it may have been carried out; look at "
                "/status, or repeat it with the same Idempotency-Key to have the answer",
            ) from None
        if HTTPStatus.MULTIPLE_CHOICES <= answer.status < HTTPStatus.BAD_REQUEST:
            raise HttpProblem(
                502,
                f"the address of the process {instance.name} redirects ({answer.status}), and keys go nowhere else: "
                "let its cluster.advertise_url be where it answers itself",
            )
        if answer.status in _KEYS_DIFFER:
            raise HttpProblem(
                502,
                f"the process {instance.name} refused what this one accepted ({answer.status}): give all processes the "
                "same web.keys, and let each be called by its cluster.advertise_url",
            )
        return web.Response(status=answer.status, body=body, headers=_returned(answer))

    def _session(self) -> aiohttp.ClientSession:
        if self._client is None:
            # No connection is kept: one that ends in the same moment could not be told from an order that was begun.
            connector = aiohttp.TCPConnector(force_close=True, limit=0)
            self._client = aiohttp.ClientSession(connector=connector, auto_decompress=False, trust_env=False)
        return self._client

    def _bots_of_room(self, category: str, slug: str) -> list[str]:
        """Return the bots for a room, in the order in which they are asked: those in it, else those of the category."""
        race = self.fleet.races.get(f"{category}/{slug}")
        names = race.bots if race is not None else ()
        bots = [self.fleet.bots[name] for name in names if name in self.fleet.bots]
        if not bots:
            bots = [
                each
                for each in self.fleet.bots.values()
                if (each.traits.subject, each.subject) == ("category", category)
            ]
        return [each.name for each in sorted(bots, key=lambda each: not each.healthy)]


def is_passed_on(request: web.Request) -> bool:
    """Say whether an order has come from another process."""
    return PASSED_ON in request.headers


def check_first_hand(request: web.Request) -> None:
    """Raise HttpProblem (503) for an order that has come from another process already."""
    if is_passed_on(request):
        raise NotReached("the bot has just moved to another process: nothing was done, try again")


def _returned(answer: aiohttp.ClientResponse) -> dict[str, str]:
    """Return the headers of the answer that are the order's; a place is one of every process, so it names none."""
    headers = {name: answer.headers[name] for name in _RETURNED if name in answer.headers}
    location = answer.headers.get(hdrs.LOCATION)
    if location is not None:
        headers[hdrs.LOCATION] = "/" + location.split("://", 1)[-1].split("/", 1)[-1] if "://" in location else location
    return headers
