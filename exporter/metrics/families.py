"""Turns a snapshot into prometheus_client's families, in the order of the catalogue."""

from collections.abc import Iterator, Set
from itertools import accumulate

from prometheus_client import CollectorRegistry, GCCollector, Metric, PlatformCollector, ProcessCollector
from prometheus_client.registry import Collector

from exporter.metrics.catalogue import FAMILIES, Family, Stability
from exporter.metrics.snapshot import HistogramCounts, Snapshot
from exporter.metrics.values import BOT_VALUES, FLEET_VALUES, HISTOGRAMS, BotFigures, bot_figures


def process_registry() -> CollectorRegistry:
    """Return a registry of this process's own with the collectors that prometheus_client brings."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


class FleetCollector(Collector):
    """Collects one snapshot; `wanted` are the names of the families to collect. A family without a row is left out."""

    def __init__(self, snapshot: Snapshot, process: CollectorRegistry, wanted: Set[str]) -> None:
        self._snapshot = snapshot
        self._process = process
        self._wanted = wanted

    def collect(self) -> Iterator[Metric]:
        bots = bot_figures(self._snapshot)
        external = False
        for name, family in FAMILIES.items():
            if name not in self._wanted:
                continue
            if family.stability is Stability.EXTERNAL:
                external = True
                continue
            metric = self._family(family, bots)
            if metric.samples:
                yield metric
        if external:
            yield from self._external()

    def describe(self) -> Iterator[Metric]:
        """Keep the registry from collecting everything once more just to learn the names."""
        return iter(())

    def _family(self, family: Family, bots: list[BotFigures]) -> Metric:
        metric = Metric(family.openmetrics_name, family.help, str(family.kind))
        names = family.label_names
        if (bot_values := BOT_VALUES.get(family.name)) is not None:
            for bot in bots:
                if family.applies_to(bot.record.traits):
                    own = (bot.record.name, bot.record.platform)
                    for labels, value in bot_values(bot):
                        metric.add_sample(family.name, dict(zip(names, own + labels, strict=True)), value)
        elif (histograms := HISTOGRAMS.get(family.name)) is not None:
            for labels, histogram in histograms(self._snapshot):
                _add_histogram(metric, dict(zip(names, labels, strict=True)), histogram)
        else:
            for labels, value in FLEET_VALUES[family.name](self._snapshot):
                metric.add_sample(family.name, dict(zip(names, labels, strict=True)), value)
        return metric

    def _external(self) -> Iterator[Metric]:
        wanted = {FAMILIES[name].openmetrics_name for name in self._wanted}
        return (metric for metric in self._process.collect() if metric.name in wanted)


def _add_histogram(metric: Metric, labels: dict[str, str], histogram: HistogramCounts) -> None:
    cumulative = list(accumulate(histogram.counts))
    bounds = (*(repr(bound) for bound in histogram.bounds), "+Inf")
    for bound, count in zip(bounds, cumulative, strict=True):
        metric.add_sample(f"{metric.name}_bucket", {**labels, "le": bound}, count)
    metric.add_sample(f"{metric.name}_count", labels, cumulative[-1])
    metric.add_sample(f"{metric.name}_sum", labels, histogram.total)
