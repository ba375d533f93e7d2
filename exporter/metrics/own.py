"""The families about the process and the fleet as a whole: few, made anew for each page, written if they are others."""

from exporter.metrics.catalogue import FAMILIES
from exporter.metrics.lines import Labels, Row, histogram_samples, labels, samples
from exporter.metrics.values import HISTOGRAMS, OWN_VALUES, Sources
from exporter.stats import Histogram


class Own:
    """Writes these families."""

    __slots__ = ("_histograms", "_rows", "_sources")

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._rows: dict[str, tuple[tuple[Row, ...], bytes]] = {}
        self._histograms: dict[tuple[str, Labels], tuple[list[int], float, str]] = {}

    def text(self, family: str) -> bytes:
        """Return the samples of one family as they are now."""
        if family in HISTOGRAMS:
            found = HISTOGRAMS[family](self._sources)
            return "".join(self._histogram(family, values, each) for values, each in found).encode()
        rows = tuple(OWN_VALUES[family](self._sources))
        known = self._rows.get(family)
        if known is None or known[0] != rows:
            known = rows, samples(family, FAMILIES[family].label_names, rows).encode()
            self._rows[family] = known
        return known[1]

    def _histogram(self, family: str, values: Labels, now: Histogram) -> str:
        known = self._histograms.get((family, values))
        if known is None or known[0] != now.counts or known[1] != now.total:
            text = histogram_samples(family, labels(FAMILIES[family].label_names, values), now)
            known = now.counts.copy(), now.total, text
            self._histograms[family, values] = known
        return known[2]
