"""The lease loop: says that this instance is alive, keeps the leases of its bots, claims free ones, gives some back.

    beat -> what the database says -> what is lost, is stopped -> wait or be woken
                      '-> the plan (shares) -> claim and start, give

A lease counts from the moment at which its renewal was sent, by this machine's monotonic clock. When none succeeds, the
bots are cut off before the lease is over, so that they are gone when another instance may claim them. That is a timer
of the event loop, which needs neither the database nor a thread. Nothing that may take long holds up the next beat: a
plan is carried out beside it, one after the other, so that no bot is claimed before the last ones have started. When
the loop is too busy to beat in time, `renewal` renews in its stead.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final, NoReturn, Protocol, TypeVar

import structlog

from exporter.cluster.held import Held, LeaseTiming
from exporter.cluster.members import Membership
from exporter.cluster.renewal import Renewal
from exporter.cluster.runs import Runs, Table
from exporter.cluster.shares import Pins, View, share
from exporter.errors import ExporterError
from exporter.stats import ClusterStats
from exporter.storage.leases import Seen
from exporter.timing import Clock, set_within

_HUSH_S: Final = 0.05
_CLAIMED_AT_ONCE: Final = 200  # others get their share of a fleet that is free at once, and a plan is never very old
_MOST_NAMED: Final = 10

_log = structlog.get_logger(component="cluster")
_T = TypeVar("_T")


class InThread(Protocol):
    """Has something done that blocks, one after the other."""

    def __call__(self, work: Callable[[], _T], /) -> Awaitable[_T]: ...


class Keeper:
    """Keeps the leases of one instance; `in_thread` carries out the calls of `table`, and so has `renewal` to be.

    `draining` tells whether the process takes no bot any more and gives back those that have no work.
    """

    def __init__(
        self,
        table: Table,
        members: Membership,
        runs: Runs,
        stats: ClusterStats,
        *,
        clock: Clock,
        in_thread: InThread,
        draining: Callable[[], bool],
        timing: LeaseTiming | None = None,
    ) -> None:
        self._table = table
        self._members = members
        self._runs = runs
        self._stats = stats
        self._clock = clock
        self._in_thread = in_thread
        self._draining = draining
        self._timing = timing or LeaseTiming()
        self._held = Held(self._timing)
        self.renewal = Renewal(table, self._held, clock=clock, timing=self._timing, draining=draining)
        self._wanted: dict[str, Pins] = {}
        self._free_since: dict[str, float] = {}
        self._sticky: dict[str, float] = {}  # nobody else wanted these: until when they are not offered again
        self._leaving: set[str] = set()  # these are being stopped, or have been since the last beat
        self._left: set[str] = set()
        self._instances: frozenset[tuple[str, str]] = frozenset()
        self._planning = asyncio.Lock()
        self._plan_task: asyncio.Task[None] | None = None
        self._plan_failed = False
        self._look_again = False  # something has changed since the plan that is carried out was made
        self._woken = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    # --- what others ask ---

    def holds(self, bot: str) -> bool:
        """Return whether this process may run a bot at this very moment."""
        return bot not in self._leaving and self._held.trusted(bot, self._clock.monotonic())

    def wake(self) -> None:
        """Have the loop look now, or once its plan is carried out: something has changed, here or elsewhere."""
        if self._planning.locked():
            self._look_again = True
        else:
            self._woken.set()

    @asynccontextmanager
    async def configured(self, bots: Mapping[str, Pins]) -> AsyncIterator[None]:
        """Say which bots there are from now on. None is claimed until this is left."""
        async with self._planning:
            self._wanted = dict(bots)
            yield
        self.wake()

    # --- the loop ---

    async def run(self) -> NoReturn:
        """Keep the leases until cancelled."""
        vouching = asyncio.create_task(self.renewal.vouch(), name="vouch for the event loop")
        try:
            while True:
                began = self._clock.monotonic()
                self._woken.clear()
                good = await self.look()
                pause_s = self._timing.beat_s if good else self._timing.retry_s
                await self._wait(began + pause_s - self._clock.monotonic())
        finally:
            vouching.cancel()
            await asyncio.wait({vouching})
            await self.rest()

    async def look(self) -> bool:
        """Beat once, and begin what follows from what the database says; returns whether it answered."""
        self._leaving -= self._left
        self._left.clear()
        sent = self._clock.monotonic()
        try:
            seen = await self._in_thread(partial(self._table.beat, draining=self._draining()))
            await self._took_in(sent, seen)
        except ExporterError as error:
            self._failed(error)
            return False
        if not self._plan_failed:
            self._succeeded()
        if self._planning.locked():  # a reload goes on, or the plan before this one
            self._look_again = True
        else:
            self._plan_task = self._begin(self._carry_out(seen), "carry out a plan")
        return True

    async def rest(self) -> None:
        """Carry out no plan any more: bots that are claimed and not started yet are left so."""
        if self._plan_task is not None:
            self._plan_task.cancel()
            await asyncio.wait({self._plan_task})

    async def stop(self) -> None:
        """Give everything back, once all bots are stopped. What cannot be told to the database lapses by itself."""
        if self._timer is not None:
            self._timer.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._timing.margin_s)
        if self._runs.stuck:
            _log.error("leases are not given back: bots do not stop", names=_named(self._runs.stuck))
            return
        try:
            await self._in_thread(self._table.leave)
        except ExporterError as error:
            _log.error("leases could not be given back: they run out by themselves", error=str(error))
        else:
            _log.info("left the cluster: others run its bots now", bots=len(self._held))

    async def _took_in(self, sent: float, seen: Seen) -> None:
        self._members.saw(seen.at, seen.instances, seen.leases)
        mine = {each.bot for each in seen.leases if each.boot == self._members.boot}
        lost = [bot for bot in self._held.bots if bot not in mine]
        self._held.renewed(mine, sent)
        self._lose(lost, "the lease is another one's")
        self.fence()  # the answer may have come too late
        await self._runs.looked(seen, self._tell_of_members())

    async def _carry_out(self, seen: Seen) -> None:
        async with self._planning:
            self._look_again = False
            try:
                more = await self._plan(seen)
            except ExporterError as error:
                self._plan_failed = True
                self._failed(error)
                return
        self._plan_failed = False
        self._succeeded()
        if more or self._look_again:
            self.wake()

    async def _plan(self, seen: Seen) -> bool:
        """Carry out our part of the plan; returns whether there is more to claim."""
        owners = {each.bot: each.owner for each in seen.leases}
        mine = {each.bot for each in seen.leases if each.boot == self._members.boot}
        if aliens := set(self._runs.bots) - set(self._held.bots) - self._leaving:  # a reload crossed a loss
            await self._runs.drop(aliens)
        if stray := mine - set(self._held.bots) - self._leaving:  # they were cut off while the database was away
            await self._in_thread(partial(self._table.give, stray))
        unwanted = {bot for bot in self._held.bots if bot not in self._wanted}
        self._give(unwanted, "the configuration has them no more")
        plan = share(self._view({bot: owner for bot, owner in owners.items() if bot not in stray}))
        idle = set(self._runs.idle(plan.give))
        forced = {bot for bot in plan.give if self._draining() or not self._able(bot)}
        connected = [bot for bot in plan.give if bot not in idle and bot not in forced]
        self._give(forced, "this process is draining" if self._draining() else "they are to run elsewhere")
        self._give({*idle, *self._runs.movable(connected)} - forced, "others have fewer")
        if plan.claim:
            await self._claim(plan.claim[:_CLAIMED_AT_ONCE])
        return len(plan.claim) > _CLAIMED_AT_ONCE

    def _able(self, bot: str) -> bool:
        pins = self._wanted[bot]
        return not pins or self._members.me in pins

    def _view(self, owners: Mapping[str, str]) -> View:
        now = self._clock.monotonic()
        self._free_since = {bot: self._free_since.get(bot, now) for bot in self._wanted if bot not in owners}
        self._sticky = {bot: until for bot, until in self._sticky.items() if until > now}
        alive = self._members.instances()
        return View(
            me=self._members.me,
            members=frozenset(each.name for each in alive if not each.draining),
            leaving=frozenset(each.name for each in alive if each.draining),
            bots={bot: pins for bot, pins in self._wanted.items() if bot not in self._leaving},
            owners=owners,
            settled=frozenset({*self._runs.busy(self._held.bots), *self._sticky}),
            idle_first=frozenset(self._runs.idle(self._held.bots)),
            overdue={bot for bot, since in self._free_since.items() if now - since >= self._timing.patience_s},
        )

    async def _claim(self, bots: Collection[str]) -> None:
        sent = self._clock.monotonic()
        claimed = await self._in_thread(partial(self._table.claim, bots))
        self._held.claimed((each.bot for each in claimed), sent)
        self._set_timer()
        now = self._clock.monotonic()
        for each in claimed:
            if now - self._free_since.pop(each.bot, now) >= self._timing.patience_s:
                self._sticky[each.bot] = now + self._timing.sticky_s
            if each.before not in (None, self._members.me):
                self._stats.takeovers += 1
                _log.info("bot taken over: its lease has run out", bot=each.bot, before=each.before)
        if claimed:
            _log.info("bots claimed", bots=len(claimed), names=_named(each.bot for each in claimed))
            await self._runs.take([each for each in claimed if self.holds(each.bot)])

    def _give(self, bots: Collection[str], why: str) -> None:
        """Have bots stopped, and then given back. They take no orders from now on."""
        chosen = [bot for bot in bots if bot in self._held and bot not in self._leaving]
        if chosen:
            _log.info("bots handed back", bots=len(chosen), names=_named(chosen), reason=why)
            self._leaving.update(chosen)
            self._begin(self._hand_back(chosen), "hand bots back")

    async def _hand_back(self, bots: Collection[str]) -> None:
        await self._runs.drop(bots)
        left = set(bots)
        while left := left & set(self._held.bots):
            done = left - set(self._runs.stuck)
            if not done:  # one that does not stop stays ours: nobody else may run it
                await self._clock.sleep(self._timing.beat_s)
                continue
            self._held.forget(done)
            try:
                await self._in_thread(partial(self._table.give, done))
            except ExporterError as error:  # the next beat finds them, and gives them back
                _log.warning("bots could not be given back yet", bots=len(done), error=str(error))
            self._left |= done

    # --- leases that are over ---

    def fence(self) -> None:
        """Cut off every bot whose lease cannot be trusted any more; a timer calls it when the first one is due."""
        self._lose(self._held.over(self._clock.monotonic()), "the lease could not be renewed in time")
        self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        left_s = self._held.left_s(self._clock.monotonic())
        self._timer = None if left_s is None else asyncio.get_running_loop().call_later(left_s, self.fence)
        self._stats.owned, self._stats.instances = len(self._held), len(self._members.instances())
        nobody = (None, self._members.me)  # what we lost is ours still in what the database said last
        free = [bot for bot in self._wanted if bot not in self._held and self._members.owner_of(bot) in nobody]
        self._stats.unowned = len(free)

    def _lose(self, bots: Collection[str], why: str) -> None:
        if not bots:
            return
        self._runs.cut(bots)
        self._held.forget(bots)
        self._leaving.update(bots)
        self._stats.lost += len(bots)
        _log.error("bots are stopped: another process may run them", bots=len(bots), names=_named(bots), reason=why)
        self._begin(self._stop_lost(tuple(bots)), "stop bots whose lease is over")

    async def _stop_lost(self, bots: Collection[str]) -> None:
        await self._runs.drop(bots)
        if stuck := set(self._runs.stuck) & set(bots):
            self._runs.abandon(stuck)
        self._left |= set(bots) - stuck
        self.wake()

    def _begin(self, work: Coroutine[Any, Any, None], name: str) -> "asyncio.Task[None]":
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.critical("the lease loop failed at a part of its work: this is a bug", exc_info=error)

    # --- what is told ---

    def _tell_of_members(self) -> list[str]:
        """Log who has come and gone since the last look; returns who is gone."""
        before, now = self._instances, frozenset((each.name, each.boot) for each in self._members.instances())
        self._instances = now
        if now - before:
            self._sticky.clear()  # they may want what nobody wanted
        for name, _ in sorted(now - before):
            _log.info("instance is there", instance=name, instances=len(now))
        gone = sorted(name for name, _ in before - now)
        for name in gone:
            _log.warning("instance is gone", instance=name, instances=len(now))
        return gone

    def _failed(self, error: ExporterError) -> None:
        """Log the first failure of its kind loudly and its repeats quietly."""
        log = _log.debug if self._stats.trouble is not None else _log.error
        self._stats.trouble = str(error)
        left_s = self._held.left_s(self._clock.monotonic())
        if left_s is None:
            log("no lease, so no bot runs in this process", error=str(error))
        else:
            log("leases are not renewed: bots stop unless that works soon", error=str(error), within_s=round(left_s, 1))

    def _succeeded(self) -> None:
        if self._stats.trouble is not None:
            _log.info("leases are renewed", bots=len(self._held))
        self._stats.trouble = None
        self._stats.joined = True

    async def _wait(self, seconds: float) -> None:
        if await set_within(self._woken, seconds, self._clock):
            await self._clock.sleep(_HUSH_S)  # what wakes us seldom comes alone


def _named(bots: Iterable[str]) -> str:
    names = sorted(bots)
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more
