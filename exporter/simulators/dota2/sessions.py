"""Who has a session with the coordinator: hello, queue, welcome, and what becomes of it when the coordinator goes."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from exporter.platforms.dota2.proto import dota2_pb2 as pb
from exporter.platforms.dota2.wire import CLIENT_SESSION_NEED, GcMsg, SessionStatus
from exporter.simulators.dota2 import wire
from exporter.simulators.dota2.lobbies import Lobbies
from exporter.simulators.dota2.policy import Style
from exporter.simulators.dota2.wire import Message


@dataclass(slots=True)
class Player:
    """Somebody who plays the game, with or without a session."""

    steamid: int
    welcomed: bool = False
    queued_until: float | None = None
    hellos: int = 0
    pings: int = 0
    pongs: int = 0


class Sessions:
    """All players. `send` takes a Steam id and the messages for it."""

    def __init__(self, lobbies: Lobbies, style: Style, send: Callable[[int, Iterable[Message]], None]) -> None:
        self.players: dict[int, Player] = {}
        self.down = False
        self.style = style
        self._lobbies = lobbies
        self._send = send

    def enter(self, steamid: int) -> None:
        """Somebody plays; a session begins with a hello only (section 2)."""
        self.players[steamid] = Player(steamid)

    def leave(self, steamid: int) -> None:
        """Somebody stopped playing. Its lobby stays: whoever comes back gets it again."""
        self.players.pop(steamid, None)

    def has(self, steamid: int) -> bool:
        """Whether somebody has a session."""
        player = self.players.get(steamid)
        return player is not None and player.welcomed

    @property
    def open(self) -> list[int]:
        """Return who has a session."""
        return [each.steamid for each in self.players.values() if each.welcomed]

    @property
    def queue(self) -> list[int]:
        """Return who waits for a session, in order."""
        return [each.steamid for each in self.players.values() if each.queued_until is not None]

    def hello(self, player: Player, hello: pb.CMsgClientHello, now: float) -> None:
        """Answer a hello: with the welcome, with a place in the queue, or with nothing to be had.

        Assumption: a hello within a session is answered with a welcome again, and one without the right
        client_session_need is not heard.
        """
        player.hellos += 1
        wait_s = self._lobbies.policy.queue_wait_s
        if hello.client_session_need != CLIENT_SESSION_NEED:
            return
        if self.down:
            self._send(player.steamid, [wire.connection_status(SessionStatus.NO_SESSION)])
        elif player.queued_until is not None:
            self._tell_place(player, now)
        elif wait_s and not player.welcomed:
            player.queued_until = now + wait_s
            self._tell_place(player, now)
            self._lobbies.timetable.at(now + wait_s, self._next_in_queue)
        else:
            self._welcome(player)

    def go_down(self, status: SessionStatus) -> None:
        """End all sessions, and take no hello from now on."""
        self.down = True
        self._drop_all(status)

    def restart(self) -> None:
        """End all sessions; the next hello is taken."""
        self.down = False
        self._drop_all(SessionStatus.NO_SESSION)

    def _drop_all(self, status: SessionStatus) -> None:
        for player in self.players.values():
            if player.welcomed or player.queued_until is not None:
                player.welcomed, player.queued_until = False, None
                self._send(player.steamid, [wire.connection_status(status)])

    def _next_in_queue(self, now: float) -> None:
        for player in tuple(self.players.values()):
            if player.queued_until is not None and player.queued_until <= now and not self.down:
                player.queued_until = None
                self._welcome(player)

    def _tell_place(self, player: Player, now: float) -> None:
        waiting = self.queue
        status = wire.connection_status(
            SessionStatus.IN_QUEUE,
            position=waiting.index(player.steamid) + 1,
            size=len(waiting),
            wait_s=max(0.0, (player.queued_until or now) - now),
        )
        self._send(player.steamid, [status])

    def _welcome(self, player: Player) -> None:
        player.welcomed = True
        steamid, style, lobby = player.steamid, self.style, self._lobbies.lobby_of(player.steamid)
        caches, after = [], []
        if objects := wire.player_objects(steamid, style):
            caches.append(wire.cache((wire.OWNER_PLAYER, steamid), 1, objects))
        if lobby is not None:
            held = wire.lobby_owner(lobby), 1, wire.lobby_objects(lobby, style)
            if style.lobby_in_welcome:
                caches.append(wire.cache(*held))
            else:
                after.append(wire.subscribed(*held))
        # Assumption: that the session is there is said too, after the welcome.
        self._send(steamid, [wire.welcome(caches), *after, wire.connection_status(SessionStatus.HAVE_SESSION)])

    def ping(self, steamids: Iterable[int]) -> None:
        """Ask players whether they are still there (3001); they answer with 3002."""
        for steamid in steamids:
            self.players[steamid].pings += 1
            self._send(steamid, [Message(GcMsg.PING_REQUEST, b"")])
