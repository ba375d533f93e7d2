"""The racetime.gg site over HTTP and WebSocket: with `connection` the only file of this platform that awaits a socket.

What an answer means for the failure policy is decided here: TransientError for the network and the service,
AuthError for the credentials, OrderRefused and OrderInDoubt for orders. No error text holds a token, a secret or a
query. Redirects are never followed: they would carry the token along.
"""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from exporter.errors import (
    AuthError,
    AuthReason,
    FailureReason,
    OrderInDoubt,
    OrderInvalid,
    ServiceRefused,
    TransientError,
    UnknownTarget,
)
from exporter.platforms.racetime.connection import MOST_BYTES, RoomConnection, open_connection
from exporter.platforms.racetime.failures import Answer, Forbidden, NotFound, NotSent, form_errors, good, network_error
from exporter.platforms.racetime.form import RaceForm
from exporter.platforms.racetime.keepalive import Keepalive
from exporter.platforms.racetime.token import Token
from exporter.platforms.racetime.views import split_name
from exporter.secrets import Secret

TOKEN_LIFE_S = 36000.0

_TOO_BIG = 1009


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for the site, in seconds: for an answer, and on a quiet socket until it is pinged.

    When nothing comes within another `ping_s` the socket is ended: a hung server is noticed in about 11 s.
    """

    request_s: float = 10.0
    ping_s: float = 5.0
    close_s: float = 1.0


class RoomClosed(TransientError):
    """The socket of a room has ended; `oversized` when because of a frame beyond our limit."""

    def __init__(self, message: str, *, oversized: bool = False) -> None:
        self.oversized = oversized
        super().__init__(FailureReason.OTHER, message)


class RacetimeClient:
    """The site's calls, for all bots of the process, over shared sessions.

    `orders` must make a new connection for each request: on a kept one that the site is closing just now, nobody
    could tell whether an order was lost before or after it was carried out. The sessions must send the User-Agent.
    They belong to whoever opened them, as does `keepalive`, which must run while sockets are open.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        orders: aiohttp.ClientSession,
        base_url: str,
        *,
        user_agent: str,
        patience: Patience,
        keepalive: Keepalive,
        tls: ssl.SSLContext,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.patience = patience
        self._session = session
        self._orders = orders
        self._keepalive = keepalive
        self._user_agent = user_agent
        self._tls = tls
        parts = urlsplit(self.base_url)
        self._socket_url = f"{'wss' if parts.scheme == 'https' else 'ws'}://{parts.netloc}"

    async def fetch_token(self, client_id: str, client_secret: Secret) -> Token:
        """Ask for a new token (racetime protocol notes, section 3): only 401 speaks of credentials."""
        form = [
            ("client_id", client_id),
            ("client_secret", client_secret.reveal()),
            ("grant_type", "client_credentials"),
        ]
        answer = await self._ask("POST", "/o/token", form=form)
        if answer.status == 401:
            message = (
                "racetime.gg refused the client id and secret: they are wrong, or the bot was deactivated; "
                "compare them with the category's manage/bots page"
            )
            raise AuthError(AuthReason.INVALID_CREDENTIALS, message)
        try:
            fields = good(answer, "token").json("token")
        except (Forbidden, NotFound) as error:
            # The site's own endpoint knows neither: a proxy answers, or racetime.url is not the site.
            raise TransientError(FailureReason.PROTOCOL, f"{error}: is racetime.url the site's own address?") from error
        value, life = fields.get("access_token"), fields.get("expires_in", TOKEN_LIFE_S)
        if not isinstance(value, str) or not value.isascii() or not value.isprintable() or not value.strip():
            raise TransientError(FailureReason.PROTOCOL, "token: the answer holds no usable token")
        if isinstance(life, bool) or not isinstance(life, int | float) or life <= 0:
            raise TransientError(FailureReason.PROTOCOL, "token: the answer does not say how long the token is good")
        return Token(value, float(life))

    async def category(self, category: str, token: str) -> dict[str, object]:
        """Return the bot's own view of its category, with unlisted rooms, up to 60 s old (section 4)."""
        return await self._read(f"/o/{category}/data", token)

    async def current_races(self) -> dict[str, object]:
        """Return the listed current races of all categories, up to 30 s old (section 4)."""
        return await self._read("/races/data")

    async def race(self, category: str, slug: str) -> dict[str, object]:
        """Return a whole race object, also of an unlisted room."""
        return await self._read(f"/{category}/{slug}/data")

    async def start_race(self, category: str, form: RaceForm, token: str) -> tuple[str, str]:
        """Open a room and return its category and slug. Sent exactly once: a second try would open a second room.

        Raises OrderRefused with the site's form errors; OrderInDoubt when no answer tells what happened.
        """
        what = "opening a race"
        answer = await self._order(f"/o/{category}/startrace", what, form.pairs(), token)
        name = split_name(answer.headers.get("Location", "").removeprefix(self.base_url).strip("/"))
        if answer.status != 201 or name is None:
            raise OrderInDoubt(f"{what}: racetime.gg answered {answer.status} without naming the room")
        return name

    async def edit_race(self, category: str, slug: str, form: RaceForm, token: str) -> None:
        """Set a room's whole form; raises as `start_race` does."""
        what = "editing a race"
        answer = await self._order(f"/o/{category}/{slug}/edit", what, form.pairs(edit=True), token)
        if answer.status != 200:
            raise OrderInDoubt(f"{what}: racetime.gg answered {answer.status}")

    async def open_room(self, slug: str, token: str) -> "RoomSocket":
        """Open the socket of a room; whoever calls must close it.

        Being connected says nothing about the token: the site accepts any (section 6).
        """
        url = f"{self._socket_url}/ws/o/bot/{slug}"
        try:
            connection = await open_connection(
                url,
                ssl=self._tls if url.startswith("wss:") else None,
                additional_headers={"Authorization": f"Bearer {token}"},
                user_agent_header=self._user_agent,
                open_timeout=self.patience.request_s,
                close_timeout=self.patience.close_s,
            )
        except (OSError, EOFError, InvalidHandshake, ConnectionClosed) as error:  # the last: reset before the hello
            raise network_error(url, error) from error
        return RoomSocket(connection, self._keepalive)

    async def _read(self, path: str, token: str | None = None) -> dict[str, object]:
        return good(await self._ask("GET", path, token=token), path).json(path)

    async def _order(self, path: str, what: str, form: list[tuple[str, str]], token: str) -> Answer:
        try:
            answer = await self._ask("POST", path, token=token, form=form, session=self._orders)
        except NotSent as error:
            raise ServiceRefused(f"{what}: racetime.gg cannot be reached: {error}") from error
        except TransientError as error:
            raise OrderInDoubt(f"{what}: no answer: {error}") from error
        match answer.status:
            case 422:
                errors = form_errors(answer)
                raise OrderInvalid(f"{what}: {'; '.join(errors)}", errors)
            case 403:
                raise Forbidden(f"{what}: racetime.gg does not allow it (403)")
            case 404:
                raise UnknownTarget(f"{what}: racetime.gg knows no such category or race (404)")
            case 429:
                raise ServiceRefused(f"{what}: racetime.gg asks to slow down (429)")
        return answer

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        form: list[tuple[str, str]] | None = None,
        session: aiohttp.ClientSession | None = None,
    ) -> Answer:
        """Make one request, and read no more of the answer than fits."""
        url = f"{self.base_url}{path}"
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        data = aiohttp.FormData(form) if form is not None else None
        body = bytearray()
        try:
            async with (
                asyncio.timeout(self.patience.request_s),
                (session or self._session).request(
                    method, url, headers=headers, data=data, allow_redirects=False
                ) as response,
            ):
                async for chunk in response.content.iter_chunked(65536):
                    body += chunk
                    if len(body) > MOST_BYTES:
                        raise TransientError(FailureReason.PROTOCOL, f"{path}: the answer is over {MOST_BYTES} bytes")
                return Answer(response.status, response.headers.copy(), bytes(body))
        except (aiohttp.ClientError, OSError) as error:
            raise network_error(url, error) from error


class RoomSocket:
    """An open socket to one race room."""

    __slots__ = ("_connection", "_done", "_error", "_keepalive", "_loop", "_receive", "heard_at", "pinged_at")

    def __init__(self, connection: RoomConnection, keepalive: Keepalive) -> None:
        self._connection = connection
        self._keepalive = keepalive
        self._loop = asyncio.get_running_loop()
        self._done = asyncio.Event()
        self._receive: Callable[[str | bytes], bool] | None = None
        self._error: Exception | None = None
        self.heard_at = self._loop.time()
        self.pinged_at = 0.0
        keepalive.add(self)

    async def send(self, text: str) -> None:
        """Send one frame; raises RoomClosed."""
        try:
            await self._connection.send(text)
        except ConnectionClosed as error:
            raise _room_closed(error) from error

    def listen(self, receive: Callable[[str | bytes], bool]) -> None:
        """Call this with each message as it comes, until it returns False: then nothing more is wanted."""
        self._receive = receive
        self._connection.listen(self._heard, self._done.set)

    async def listened(self) -> None:
        """Wait until `receive` wants nothing more; raises what it raised, or RoomClosed."""
        await self._done.wait()
        if self._error is not None:
            raise self._error
        if self._receive is not None:
            error = self._connection.close_exc
            raise _room_closed(error) from error

    def ping(self) -> None:
        """Ask for a pong, which counts as heard. Never waits: what cannot be written now would not arrive either."""
        self.pinged_at = self._loop.time()
        self._connection.ask_for_pong()

    def abort(self) -> None:
        """Drop the connection; whoever listens gets RoomClosed."""
        self._connection.transport.abort()

    async def close(self) -> None:
        """Close the socket; done twice it does nothing."""
        self._keepalive.remove(self)
        await self._connection.close()

    def _heard(self, message: str | bytes | None) -> None:
        self.heard_at = self._loop.time()
        if message is None or self._receive is None:
            return
        try:
            if self._receive(message):
                return
        except Exception as error:  # noqa: BLE001  (for whoever waits: the library would only log it)
            self._error = error
        self._receive = None
        self._done.set()


def _room_closed(error: ConnectionClosed) -> RoomClosed:
    if error.sent is not None and error.sent.code == _TOO_BIG:
        return RoomClosed(f"a frame was over {MOST_BYTES} bytes", oversized=True)
    close = error.rcvd
    if close is None:
        return RoomClosed("the connection to the room was lost")
    return RoomClosed(f"racetime.gg closed the room's socket: {close.code} {close.reason}".rstrip())
