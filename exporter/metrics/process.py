"""What prometheus_client tells about the process and Python, spelled as the rest of the page."""

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, GCCollector, Metric, PlatformCollector, ProcessCollector

from exporter.metrics.catalogue import FAMILIES, Kind, Stability
from exporter.metrics.lines import header, samples
from exporter.metrics.negotiation import Format

EXTERNAL = frozenset(name for name, family in FAMILIES.items() if family.stability is Stability.EXTERNAL)


class ProcessMetrics:
    """The library's own collectors, in a registry of their own."""

    __slots__ = ("_registry",)

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def collect(self) -> list[Metric]:
        """Return the families of this moment. It lists open files, which takes long if there are many: use a thread."""
        return list(self._registry.collect())


def text(metrics: Iterable[Metric], wanted: frozenset[str], form: Format) -> Iterator[bytes]:
    """Yield the families that are in the catalogue and wanted."""
    for metric in metrics:
        name = f"{metric.name}_total" if metric.type == Kind.COUNTER else metric.name
        if name in wanted & EXTERNAL:
            shown = name if form is Format.TEXT else metric.name
            lines = (
                samples(each.name, tuple(each.labels), [(tuple(each.labels.values()), each.value)])
                for each in metric.samples
            )
            yield header(shown, metric.documentation, metric.type, form) + "".join(lines).encode()
