"""Which connection manager to use: Steam's directory, chosen by load (steam-dota2 protocol notes, section 1)."""

import asyncio
import random
import re
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp
import orjson
import structlog

from exporter.errors import FailureReason, TransientError
from exporter.platforms.steam.files import write_whole
from exporter.timing import Clock

AMONG_BEST: Final = 5
SET_ASIDE_S: Final = 120.0
FRESH_S: Final = 3600.0
REQUEST_LIMIT_S: Final = 10.0
_MOST_BYTES: Final = 1024 * 1024
_PATH: Final = "/ISteamDirectory/GetCMListForConnect/v1/"
_QUERY: Final = {"cellid": "0", "cmtype": "websockets"}
_ENDPOINT: Final = re.compile(r"(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]):[0-9]{1,5}")

_log = structlog.get_logger(component="steam directory")


@dataclass(frozen=True, slots=True)
class Cm:
    """One connection manager: where its socket is, and how loaded it says it is (less is better)."""

    url: str
    load: float = 0.0


def parse_list(data: bytes) -> list[Cm]:
    """Return the usable CMs of a directory's answer, the least loaded first; what is no CM of ours is left out."""
    try:
        answer = orjson.loads(data)
    except ValueError:
        return []
    response = answer.get("response") if isinstance(answer, dict) else None
    items = response.get("serverlist") if isinstance(response, dict) else None
    found = [_cm(item) for item in items] if isinstance(items, list) else []
    best: dict[str, Cm] = {}
    for cm in sorted((each for each in found if each is not None), key=lambda cm: cm.load):
        best.setdefault(cm.url, cm)
    return list(best.values())


def _cm(item: object) -> Cm | None:
    if not isinstance(item, dict):
        return None
    endpoint = item.get("endpoint")
    ours = item.get("type", "websockets") == "websockets" and item.get("realm", "steamglobal") == "steamglobal"
    if not ours or not isinstance(endpoint, str) or not _ENDPOINT.fullmatch(endpoint):
        return None
    if not 0 < int(endpoint.rpartition(":")[2]) < 65536:
        return None
    load = item.get("wtd_load", item.get("load"))
    known = isinstance(load, int | float) and not isinstance(load, bool)
    return Cm(f"wss://{endpoint}/cmsocket/", float(load) if known and load is not None else float("inf"))


class CmDirectory:
    """Chooses CMs for all bots of the process.

    `fixed` are addresses of the configuration, which make it ask nobody. Otherwise the list is asked for once an hour
    at most, kept in `file` for a start while the directory is away, and shared by all bots.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base_url: str,
        file: Path,
        *,
        clock: Clock,
        rng: random.Random,
        fixed: Sequence[str] = (),
    ) -> None:
        self._session = session
        self._url = f"{base_url}{_PATH}"
        self._file = file
        self._clock = clock
        self._random = rng
        self._fixed = tuple(Cm(url) for url in fixed)
        self._list: tuple[Cm, ...] = self._fixed
        self._read_at: float | None = None
        self._aside: dict[str, float] = {}
        self._asking = asyncio.Lock()
        self._asked = 0
        self._failure: TransientError | None = None

    async def choose(self) -> Cm:
        """Return a CM to try now; raises TransientError while none is known."""
        known = await self._known()
        now = self._clock.monotonic()
        self._aside = {url: until for url, until in self._aside.items() if until > now}
        good = [cm for cm in known if cm.url not in self._aside]
        if not good:  # every one failed lately: the one whose time is over first
            return min(known, key=lambda cm: self._aside[cm.url])
        best = good if self._fixed else good[:AMONG_BEST]
        return self._random.choice(best)

    def set_aside(self, cm: Cm) -> None:
        """Do not choose this CM for two minutes: it failed."""
        self._aside[cm.url] = self._clock.monotonic() + SET_ASIDE_S

    async def _known(self) -> tuple[Cm, ...]:
        if self._fixed:
            return self._fixed
        asked = self._asked
        async with self._asking:
            now = self._clock.monotonic()
            if self._read_at is None or now - self._read_at >= FRESH_S:
                if self._failure is not None and asked != self._asked:
                    # Whoever waited for an answer has had it: a fleet must not time out one after the other.
                    raise TransientError(self._failure.reason, str(self._failure))
                try:
                    await self._refresh(now)
                    self._failure = None
                except TransientError as error:
                    self._failure = error
                    raise
                finally:
                    self._asked += 1
            return self._list

    async def _refresh(self, now: float) -> None:
        """Ask the directory; a list that is known already, or kept on disk, is good enough without it."""
        try:
            data = await self._ask()
            if not (fresh := parse_list(data)):
                raise TransientError(FailureReason.PROTOCOL, "Steam's directory named no connection manager")
        except TransientError as error:
            kept = self._list or tuple(parse_list(await asyncio.to_thread(self._kept)))
            if not kept:
                raise
            _log.warning("Steam's directory gives no list: an older one is used", error=str(error), servers=len(kept))
            self._list = kept
            self._read_at = now - FRESH_S + SET_ASIDE_S  # not every bot needs to find that out
            return
        self._list, self._read_at = tuple(fresh), now
        try:
            await asyncio.to_thread(write_whole, self._file, data)
        except OSError as error:
            _log.warning("the list of servers cannot be kept", file=str(self._file), error=error.strerror)

    def _kept(self) -> bytes:
        try:
            with self._file.open("rb") as stream:
                return stream.read(_MOST_BYTES)
        except OSError:
            return b""

    async def _ask(self) -> bytes:
        body = bytearray()
        try:
            async with (
                asyncio.timeout(REQUEST_LIMIT_S),
                self._session.get(self._url, params=_QUERY, allow_redirects=False) as response,
            ):
                if response.status != 200:
                    reason = FailureReason.HTTP_5XX if response.status >= 500 else FailureReason.PROTOCOL
                    raise TransientError(reason, f"Steam's directory answered {response.status}")
                async for chunk in response.content.iter_chunked(65536):
                    body += chunk
                    if len(body) > _MOST_BYTES:
                        raise TransientError(FailureReason.PROTOCOL, "Steam's directory answers without end")
        except aiohttp.ClientConnectorDNSError as error:
            raise TransientError(FailureReason.DNS, "the name of Steam's directory cannot be resolved") from error
        except aiohttp.ClientSSLError as error:
            raise TransientError(FailureReason.TLS, "the TLS connection to Steam's directory cannot be made") from error
        except TimeoutError as error:
            raise TransientError(FailureReason.TIMEOUT, "no answer of Steam's directory in time") from error
        except (aiohttp.ClientError, OSError) as error:
            reason = FailureReason.REFUSED if _refused(error) else FailureReason.OTHER
            raise TransientError(reason, f"Steam's directory cannot be reached ({type(error).__name__})") from error
        return bytes(body)


@asynccontextmanager
async def open_directory(
    base_url: str, file: Path, *, clock: Clock, rng: random.Random, tls: ssl.SSLContext, fixed: Sequence[str] = ()
) -> AsyncIterator[CmDirectory]:
    """Give a directory with an HTTP session of its own: no cookies, no proxies of the environment."""
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=tls, limit=1),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": "bot-exporter"},
    ) as session:
        yield CmDirectory(session, base_url, file, clock=clock, rng=rng, fixed=fixed)


def _refused(error: Exception) -> bool:
    return isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, ConnectionRefusedError)
