"""The order that waits for the coordinator's word: what confirms it, what refuses it, and when that takes too long.

The lobby itself is the best witness: an order is confirmed when the lobby shows it. Beside that the coordinator answers
some orders by a result. Of 7055 the notes say 0 for success; in logs of real bots it was 1 for success and 2 for a
refusal, as Steam's results are, and it came after the lobby had changed. So 0 and 1 are no refusals there, but for a
creation without a lobby, which then means "already in game". Of 7113 only 0 is success.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from exporter.errors import OrderError, OrderInDoubt, OrderRefused, ServiceRefused
from exporter.platforms.dota2.alarm import soonest
from exporter.platforms.dota2.coordinator import Answered, Event, InvitationCreated
from exporter.platforms.dota2.objects import LobbyGone, LobbySeen
from exporter.platforms.dota2.proto import dota2_pb2 as pb
from exporter.platforms.dota2.wire import GcMsg, JoinResult
from exporter.timing import format_duration

_OK: Final = 0
_OK_OR_ALREADY: Final = 1


class AlreadyInGame(ServiceRefused):
    """The coordinator says that the account is in a lobby or game already."""


class BotLost(OrderInDoubt):
    """The session with the coordinator ended before it answered."""


@dataclass(frozen=True, slots=True)
class Order:
    """What was ordered, and how its success shows.

    `shown` looks at the lobby; `by_answer` says whether a good answer alone will do, `by_end` whether the end of the
    lobby is what was wanted; `invited` is whom an invitation was for.
    """

    name: str
    shown: Callable[[pb.CSODOTALobby], bool] = lambda _: False
    by_answer: bool = False
    by_end: bool = False
    creates: bool = False
    invited: int | None = None


@dataclass(slots=True)
class PendingOrder:
    """An order under way; `settled` gets None, or the error that its giver is told."""

    order: Order
    job: int
    settled: "asyncio.Future[None]" = field(repr=False)
    limit_s: float
    due: float
    doubted_at: float | None = None
    accepted: bool = False

    def succeed(self) -> None:
        if not self.settled.done():
            self.settled.set_result(None)

    def fail(self, error: OrderError) -> None:
        if not self.settled.done():
            self.settled.set_exception(error)


class OrderDesk:
    """Has one order at a time. `now` is in monotonic seconds wherever it appears; `settle_s` is how long a lobby may
    come later than an answer that says 1.
    """

    def __init__(self, settle_s: float) -> None:
        self._settle_s = settle_s
        self._pending: PendingOrder | None = None

    @property
    def creating(self) -> bool:
        """Whether a creation waits for its lobby."""
        return self._pending is not None and self._pending.order.creates

    @property
    def next_deadline(self) -> float | None:
        """When `tick` has something to do."""
        if self._pending is None:
            return None
        return soonest(self._pending.due, self._pending.doubted_at)

    def sent(self, pending: PendingOrder) -> None:
        """Note that an order is being sent."""
        self._pending = pending

    def created(self) -> None:
        """The lobby of the creation that waits is there."""
        if self._pending is not None and self._pending.order.creates:
            self._pending.succeed()

    def dropped(self, pending: PendingOrder) -> None:
        """Nobody waits for this order any more."""
        if self._pending is pending:
            self._pending = None

    def tick(self, now: float) -> None:
        """Give up what took too long."""
        pending = self._pending
        if pending is None:
            return
        name = pending.order.name
        if pending.doubted_at is not None and now >= pending.doubted_at:
            pending.fail(AlreadyInGame(f"{name}: the coordinator says that the bot is in a game already"))
        elif now >= pending.due:
            within = format_duration(pending.limit_s) if pending.limit_s >= 1 else f"{pending.limit_s:g}s"
            if pending.order.creates:
                text = f"no confirmation within {within}: a lobby that appears later is destroyed"
            elif pending.accepted:
                text = f"the coordinator accepted it, but the lobby does not show it within {within}"
            else:
                text = f"no confirmation within {within}: it may have happened"
            pending.fail(OrderInDoubt(f"{name}: {text}"))

    def lost(self, trouble: str) -> None:
        """The session is over: the order that waits is in doubt."""
        if self._pending is not None:
            name = self._pending.order.name
            self._pending.fail(BotLost(f"{name}: {trouble}, before an answer came: it may have happened"))

    def received(self, event: Event, now: float) -> bool:
        """Settle what this event settles; False for an answer that belongs to no order."""
        pending = self._pending
        if pending is None or pending.settled.done():
            return not isinstance(event, Answered)
        match event:
            case Answered(job=job):
                if job is not None and job != pending.job:
                    return False
                self._answered(pending, event, now)
            case LobbySeen(lobby=lobby):
                if pending.order.shown(lobby):
                    pending.succeed()
            case LobbyGone():
                if pending.order.by_end:
                    pending.succeed()
                elif not pending.order.creates:
                    pending.fail(OrderRefused(f"{pending.order.name}: the lobby is gone"))
            case InvitationCreated(steam_id=steam_id):
                if steam_id == pending.order.invited:
                    pending.succeed()
        return True

    def _answered(self, pending: PendingOrder, answer: Answered, now: float) -> None:
        creates, result = pending.order.creates, answer.result
        generic = answer.number is GcMsg.LOBBY_RESPONSE
        if generic and creates and result == _OK_OR_ALREADY:
            pending.doubted_at = now + self._settle_s
        elif result == _OK or (generic and result == _OK_OR_ALREADY):
            pending.accepted = True
            if pending.order.by_answer:
                pending.succeed()
        elif creates and result == JoinResult.ALREADY_IN_GAME:
            pending.fail(AlreadyInGame(f"{pending.order.name}: the coordinator says that the bot is in a game already"))
        else:
            word = _word(answer, creates=creates)
            pending.fail(ServiceRefused(f"{pending.order.name}: the coordinator refused it: {word} ({result})", [word]))


def _word(answer: Answered, *, creates: bool) -> str:
    """Return a result in words, as far as they are known."""
    if answer.number is GcMsg.LOBBY_DESTROY_RESPONSE:
        return "access denied"
    if not creates and answer.number is GcMsg.LOBBY_RESPONSE:
        return "not possible now"
    try:
        return JoinResult(answer.result).name.lower().replace("_", " ")
    except ValueError:
        return "unknown result"
