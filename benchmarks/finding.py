"""Where the figures of the targets stand in the JSON of the benchmarks."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks import exposition, status
from benchmarks.measure import Spread, ratios

Reports = Mapping[str, Any]
"""The JSON of each benchmark, by its name."""
Find = Callable[[Reports], Spread]


class NotMeasured(Exception):
    """The benchmark did not run, or had no peer."""


TEN, SMALL, REAL, SMALL_LARGE, LARGE = (fleet.title for fleet in exposition.FULL)
PROCESS_1, PROCESS_ALL = "in process, 1% changed", "in process, 100% changed"
HTTP_1 = "over HTTP with gzip, 1% changed"


def spread_of(values: Sequence[float]) -> Spread:
    """Return the spread; raises NotMeasured without values."""
    if not values:
        raise NotMeasured
    return Spread.of(values)


def at(reports: Reports, *path: str) -> Any:
    """Follow the path; raises NotMeasured where it ends."""
    found: Any = reports
    for name in path:
        if not isinstance(found, Mapping) or name not in found:
            raise NotMeasured
        found = found[name]
    return found


def times(fleet: str, what: str, peer: str) -> Find:
    """Find how many times as much processor time a peer takes: by the clock, who takes longer is disturbed more."""

    def find(reports: Reports) -> Spread:
        took = at(reports, "exposition", "cpu", fleet, what)
        theirs = at(took, peer)
        return spread_of(ratios(theirs, at(took, exposition.OURS)[: len(theirs)]))

    return find


def memory(fleet: str, peer: str) -> Find:
    """Find which share of a peer's peak memory ours is."""

    def find(reports: Reports) -> Spread:
        held = at(reports, "exposition", "memory_mb", fleet)
        return spread_of([at(held, exposition.OURS) / at(held, peer)])

    return find


def work(fleet: str) -> Find:
    """Find the longest work of the loop's thread between two ticks while it is scraped."""

    def find(reports: Reports) -> Spread:
        stalls = at(reports, "exposition", "stalls", fleet, "one scrape, 1% changed")
        return spread_of([each["work"] for each in stalls])

    return find


def growth(reports: Reports) -> Spread:
    """Return how much longer a scrape takes for ten times the fleet, set against what was changed and is copied."""
    took = at(reports, "exposition", "cpu")
    large, small = (spread_of(at(took, title, HTTP_1, exposition.OURS)) for title in (LARGE, REAL))
    samples = at(reports, "exposition", "samples")
    more = at(samples, LARGE) / at(samples, REAL)
    return Spread(large.low / small.middle / more, large.middle / small.middle / more, large.high / small.middle / more)


def speed(what: str, peer: str) -> Find:
    """Find which share of a peer's speed ours is."""

    def find(reports: Reports) -> Spread:
        took = at(reports, "status", "took", what)
        return spread_of(ratios(at(took, peer), at(took, status.OURS)))

    return find


def list_of(*path: str) -> Find:
    """Find a list of figures."""
    return lambda reports: spread_of(at(reports, *path))


def kilobytes(*path: str) -> Find:
    """Find a list of sizes in bytes."""
    return lambda reports: spread_of([size / 1024 for size in at(reports, *path)])


def lag(benchmark: str, subject: str) -> Find:
    """Find by how much ticks come late."""
    return lambda reports: spread_of([each["p99"] for each in at(reports, benchmark, "lags", subject)])


def fleet(benchmark: str, *path: str) -> Find:
    """Find a spread."""

    def find(reports: Reports) -> Spread:
        return Spread(**at(reports, benchmark, "figures", *path))

    return find


def each_round(benchmark: str, key: str) -> Find:
    """Find one figure of every round."""
    return lambda reports: spread_of([figures[key] for figures in at(reports, benchmark, "rounds") if key in figures])
