"""The simulator as a process part: Steam's directory and connection managers on loopback."""

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable, Iterable
from functools import partial

from exporter.platforms.steam.framing import PROTOBUF_BIT, Header, encode_frame
from exporter.platforms.steam.messages import Emsg, GameMessage, LoggedOff, PlayingSessionState, encode_body
from exporter.simulators.steam.cm import ConnectionManager
from exporter.simulators.steam.desk import Desk
from exporter.simulators.steam.directory import Directory, server_row
from exporter.simulators.steam.faults import Faults
from exporter.simulators.steam.games import Game
from exporter.simulators.steam.link import Link
from exporter.simulators.steam.records import GamesChanged, Kicked, Notice, PlayingChanged, Session
from exporter.simulators.steam.script import Scenario
from exporter.simulators.steam.stats import Stats
from exporter.simulators.steam.world import World
from exporter.timing import Clock


class SteamSimulator:
    """Steam on loopback: one directory over HTTP and `cms` connection managers over WebSockets.

    With `tls` all of them speak TLS, as the real ones do; without, plain HTTP and ws://, which clients accept on
    loopback only. `world` holds what Steam knows and outlives stop, crash and start; `faults` says what goes wrong.
    After the first start the ports are fixed, so that the same addresses come back.
    """

    def __init__(
        self,
        world: World,
        *,
        clock: Clock,
        scenario: Scenario | None = None,
        games: Iterable[Game] = (),
        cms: int = 3,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        tick_s: float = 0.5,
    ) -> None:
        self.world = world
        self.faults = Faults()
        self.stats = Stats()
        self._clock = clock
        self._scenario = scenario
        self._tick_s = tick_s
        self._games = {game.appid: game for game in games}
        self._players: dict[tuple[int, int], Link] = {}
        """Who plays what, by app and Steam id."""
        for game in self._games.values():
            game.attach(partial(self._send_to_player, game.appid))
        desk = Desk(world, self._games, self.stats)
        self.cms = [
            ConnectionManager(
                number,
                world,
                desk,
                host=host,
                port=0,
                tls=tls,
                clock=clock,
                faults=self.faults,
                stats=self.stats,
            )
            for number in range(cms)
        ]
        self.directory = Directory(
            self._rows, host=host, port=port, tls=tls, clock=clock, faults=self.faults, stats=self.stats
        )
        self._unsubscribe: Callable[[], None] | None = None
        self._ticker: asyncio.Task[None] | None = None

    @property
    def directory_url(self) -> str:
        """Return the address that stands for https://api.steampowered.com, known after the first start."""
        return self.directory.url

    @property
    def cm_urls(self) -> list[str]:
        """Return the addresses of the connection managers' sockets."""
        return [cm.url for cm in self.cms]

    @property
    def running(self) -> bool:
        return self._ticker is not None

    @property
    def links(self) -> list[Link]:
        """Return all open connections."""
        return [link for cm in self.cms for link in cm.links]

    async def start(self) -> None:
        """Start everything that does not run."""
        # The key takes a while to make: better now, and beside the event loop, than at the first question for it.
        await asyncio.to_thread(lambda: self.world.password_key)
        for cm in self.cms:
            await cm.start()
        await self.directory.listener.start()
        if self._ticker is None:
            self._unsubscribe = self.world.subscribe(self._hear)
            self._ticker = asyncio.create_task(self._tick(), name="steam-simulator-tick")

    async def stop(self) -> None:
        """End in order: connections get a close frame."""
        await self._end([cm.stop for cm in self.cms])

    async def crash(self) -> None:
        """End as on a power cut: connections are reset."""
        await self._end([cm.crash for cm in self.cms])

    async def restart_cms(self) -> None:
        """Restart the connection managers one after the other, as Steam does every week."""
        for cm in self.cms:
            await cm.stop()
            await cm.start()

    def kick_all(self, result: int) -> None:
        """End all sessions with this result: 6 logged in elsewhere, 34 session replaced."""
        for session in tuple(self.world.sessions.values()):
            self.world.kick(session, result)

    def broadcast(self, *frames: bytes) -> None:
        """Send frames, whatever they are, to every connection."""
        for link in self.links:
            link.put(frames)

    async def _end(self, ends: list[Callable[[], Awaitable[None]]]) -> None:
        ticker, self._ticker = self._ticker, None
        if ticker is not None:
            ticker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await ticker
        await asyncio.gather(*(end() for end in ends), self.directory.listener.stop(abruptly=True))
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None

    async def _tick(self) -> None:
        while True:
            await self._clock.sleep(self._tick_s)
            if self._scenario is not None:
                self._scenario.advance(self._clock.now())
            for game in self._games.values():
                game.advance(self._clock.now())
            for cm in self.cms:
                cm.drop_silent()

    def _rows(self) -> list[dict[str, object]]:
        return [server_row(cm.endpoint, cm.load) for cm in self.cms]

    def _hear(self, notice: Notice) -> None:
        link = self._link_of(notice.session)
        match notice:
            case Kicked(result=result) if link is not None:
                link.send(Emsg.CLIENT_LOGGED_OFF, encode_body(LoggedOff(eresult=result)))
                link.session = None
                link.close(abruptly=not self.world.policy.says_goodbye)
            case PlayingChanged(blocked=blocked, app=app) if link is not None:
                state = PlayingSessionState(playing_blocked=blocked, playing_app=app)
                link.send(Emsg.CLIENT_PLAYING_SESSION_STATE, encode_body(state))
            case GamesChanged(session=session, started=started, stopped=stopped):
                now, steamid = self._clock.now(), session.account.steamid
                for app in stopped:
                    self._players.pop((app, steamid), None)
                if link is not None:
                    self._players.update({(app, steamid): link for app in started})
                for game in (self._games[app] for app in stopped if app in self._games):
                    game.leave(steamid, now)
                for game in (self._games[app] for app in started if app in self._games):
                    game.enter(steamid, now)

    def _link_of(self, session: Session) -> Link | None:
        return next((link for link in self.links if link.session is session), None)

    def _send_to_player(self, appid: int, steamid: int, msgtype: int, header: Header, body: bytes) -> None:
        link = self._players.get((appid, steamid))
        if link is None or link.session is None:
            return
        payload = encode_frame(msgtype, header, body)
        message = encode_body(GameMessage(appid=appid, msgtype=msgtype | PROTOBUF_BIT, payload=payload))
        outer = Header(steamid=steamid, client_sessionid=link.session.session_id, routing_appid=appid)
        link.put([encode_frame(Emsg.CLIENT_FROM_GC, outer, message)])
