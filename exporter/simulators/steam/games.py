"""The seam behind ClientToGC and ClientFromGC: a game's coordinator as the connection managers see it.

A coordinator knows players by Steam id and never sees a socket. It is told who plays, gets each message that a player
sends, and sends with the function it is given at the start (steam-dota2 protocol notes, section 2).
"""

from typing import Protocol

from exporter.platforms.steam.framing import Header


class SendToPlayer(Protocol):
    """Send a message to whoever plays the game with that Steam id; nothing happens if nobody does."""

    def __call__(self, steamid: int, msgtype: int, header: Header, body: bytes) -> None: ...


class Game(Protocol):
    """One game's coordinator. Times are Unix seconds."""

    @property
    def appid(self) -> int:
        """Return the game's number."""

    def attach(self, send: SendToPlayer) -> None:
        """Take the function to send with; called once, before anything else."""

    def enter(self, steamid: int, now: float) -> None:
        """A player says that it plays this game."""

    def leave(self, steamid: int, now: float) -> None:
        """A player stopped playing, or its connection ended."""

    def receive(self, steamid: int, msgtype: int, header: Header, body: bytes, now: float) -> None:
        """A message from a player; `msgtype` comes without the protobuf bit."""

    def advance(self, now: float) -> None:
        """Let happen what is due by now; called again and again."""
