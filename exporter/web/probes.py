"""What machines ask: is it alive, is it ready, is the fleet healthy. Without names, so that no key is needed."""

from collections.abc import Iterable
from enum import IntEnum
from itertools import groupby
from operator import attrgetter

from aiohttp import web

from exporter.model.status import BotRecord
from exporter.process import ProcessState
from exporter.stats import ClusterStats, StorageStats
from exporter.store import Records
from exporter.timing import Clock
from exporter.web.answers import json_answer, text_answer
from exporter.web.encode import timestamp

DOWN_AFTER_S = 60.0


class Verdict(IntEnum):
    """How well something is, best first."""

    OK = 0
    DEGRADED = 1
    DOWN = 2

    @property
    def word(self) -> str:
        return self.name.lower()


def fleet_verdict(bots: Iterable[BotRecord], now: float) -> Verdict:
    """Judge the bots that are meant to work: active and not in maintenance.

    They are down when every one of them has been unhealthy for a minute, degraded when any one is unhealthy now.
    """
    expected = [each for each in bots if each.is_active and each.maintenance is None]
    since = [each.unhealthy_since for each in expected if not each.healthy]
    if not since:
        return Verdict.OK
    all_long = len(since) == len(expected) and all(at is not None and now - at >= DOWN_AFTER_S for at in since)
    return Verdict.DOWN if all_long else Verdict.DEGRADED


def storage_verdicts(storage: StorageStats) -> dict[str, Verdict]:
    """Judge the database (down: it could not even be opened) and the history that is written to it."""
    return {
        "storage": Verdict.OK if storage.up else Verdict.DEGRADED if storage.opened else Verdict.DOWN,
        "history": Verdict.OK if storage.up else Verdict.DEGRADED,
    }


def cluster_verdict(cluster: ClusterStats) -> Verdict:
    """Judge this process' leases: down while none can be had, degraded while those that there are cannot be renewed."""
    if cluster.up:
        return Verdict.OK
    return Verdict.DEGRADED if cluster.owned else Verdict.DOWN


class Probes:
    """The handlers for load balancers, container runtimes and uptime monitors."""

    def __init__(
        self,
        store: Records,
        process: ProcessState,
        clock: Clock,
        storage: StorageStats,
        cluster: ClusterStats | None = None,
    ) -> None:
        self._storage = storage
        self._cluster = cluster
        self._store = store
        self._process = process
        self._clock = clock

    async def health(self, _: web.Request) -> web.Response:
        """Tell how the fleet is: ok, degraded, or down with 503."""
        now = self._clock.now()
        bots = sorted(self._store.bots.values(), key=attrgetter("platform"))
        verdict = fleet_verdict(bots, now)
        if self._process.draining or not self._process.config_ok:
            verdict = max(verdict, Verdict.DEGRADED)
        kept = storage_verdicts(self._storage)
        if self._cluster is not None:
            kept["cluster"] = cluster_verdict(self._cluster)
        verdict = max(verdict, *kept.values())
        components = {name: each.word for name, each in kept.items()}
        components |= {name: fleet_verdict(group, now).word for name, group in groupby(bots, attrgetter("platform"))}
        answer = {
            "status": verdict.word,
            "version": self._process.version,
            "time": timestamp(now),
            "components": components,
        }
        return json_answer(answer, 503 if verdict is Verdict.DOWN else 200)

    async def healthy(self, _: web.Request) -> web.Response:
        """Tell that the event loop runs: that there is an answer is the answer."""
        return text_answer("bot-exporter is Healthy.\n")

    async def ready(self, _: web.Request) -> web.Response:
        """Tell whether work may be sent here: started, not stopping, not draining, able to write."""
        if self._process.draining:
            return text_answer("bot-exporter is draining and takes no new work.\n", 503)
        if not self._process.ready:
            return text_answer("bot-exporter is starting or stopping.\n", 503)
        if not self._storage.up:
            return text_answer("bot-exporter cannot write to its database now and takes no new work.\n", 503)
        if self._cluster is not None and not self._cluster.up:
            return text_answer("bot-exporter has no leases that it can renew, and takes no new work.\n", 503)
        return text_answer("bot-exporter is Ready.\n")
