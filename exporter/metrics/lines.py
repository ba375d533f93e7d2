"""How a sample is spelled: what the text format and OpenMetrics have in common, and their headers, which differ."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import accumulate

from exporter.metrics.negotiation import Format
from exporter.stats import Histogram

Labels = tuple[str, ...]
Row = tuple[Labels, float]

PLACE = "\0"  # where the labels belong that all rows of an object have in common; no label from a closed list has it
_ODD_NUMBERS = {"inf": "+Inf", "-inf": "-Inf", "nan": "NaN"}


def number(value: float) -> str:
    """Return the number as both formats spell it, whole ones with `.0`, as Python's client library does."""
    text = repr(float(value))
    return _ODD_NUMBERS.get(text, text)


@lru_cache(maxsize=4096)  # most values come from closed lists
def label(name: str, value: str) -> str:
    """Return `name="value"`."""
    escaped = value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
    # Half a surrogate pair, which UTF-8 cannot hold, costs that character only.
    return f'{name}="{escaped}"'.encode(errors="replace").decode()


def labels(names: Sequence[str], values: Sequence[str]) -> str:
    """Return what stands between the braces."""
    return ",".join(map(label, names, values))


@lru_cache(maxsize=4096)
def shape(name: str, names: Sequence[str], rows: tuple[Row, ...]) -> bytes:
    """Return the lines with `PLACE` in each: bots of a platform often have the same rows, and share them."""
    return samples(name, names, rows, PLACE).encode()


def samples(name: str, names: Sequence[str], rows: Iterable[Row], common: str = "") -> str:
    """Return a line for each row; `common` are labels that every one of them begins with, written already."""
    lines = []
    for values, value in rows:
        own = labels(names, values) if values else ""
        between = f"{common},{own}" if common and own else common or own
        lines.append(f"{name}{{{between}}} {number(value)}\n" if between else f"{name} {number(value)}\n")
    return "".join(lines)


def histogram_samples(name: str, own: str, histogram: Histogram) -> str:
    """Return the lines of a histogram with these labels, written already."""
    start = f"{own}," if own else ""
    cumulative = list(accumulate(histogram.counts))
    bounds = (*map(repr, histogram.bounds), "+Inf")
    lines = [
        f'{name}_bucket{{{start}le="{bound}"}} {number(count)}\n'
        for bound, count in zip(bounds, cumulative, strict=True)
    ]
    braces = f"{{{own}}}" if own else ""
    lines += (f"{name}_count{braces} {number(cumulative[-1])}\n", f"{name}_sum{braces} {number(histogram.total)}\n")
    return "".join(lines)


def header(name: str, text: str, kind: str, form: Format) -> bytes:
    """Return the lines above a family's samples; `name` is the one it has in that format."""
    text = text.replace("\\", r"\\").replace("\n", r"\n")
    if form is Format.OPENMETRICS:
        text = text.replace('"', r"\"")
    return f"# HELP {name} {text}\n# TYPE {name} {kind}\n".encode()
