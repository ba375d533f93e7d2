"""What every benchmark needs: the machine in words, interleaved rounds, spreads and ratios, memory and time from /proc.

With the standard library only; pieces of bot-exporter that several benchmarks measure are in `benchmarks/parts.py`.
"""

import contextlib
import os
import platform
import re
import statistics
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Spread:
    """The smallest, the middle and the largest of some measurements: one number alone says too little."""

    low: float
    middle: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Return the spread of at least one value."""
        return cls(min(values), statistics.median(values), max(values))

    def text(self, digits: int = 2) -> str:
        """Return `min / median / max`."""
        return " / ".join(f"{value:.{digits}f}" for value in (self.low, self.middle, self.high))


def ratios(ours: Sequence[float], peers: Sequence[float]) -> list[float]:
    """Return ours/peer, round by round, so that what disturbed a whole round disturbs its ratio less."""
    return [mine / theirs for mine, theirs in zip(ours, peers, strict=True) if theirs]


def interleaved(rounds: int, subjects: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Give A B A B ..., rounds counted from 1."""
    for number in range(1, rounds + 1):
        for subject in subjects:
            yield number, subject


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that `share` of all values do not exceed; 0 without values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


@dataclass(frozen=True, slots=True)
class Memory:
    """What one process holds, in MB: its proportional share now (None where the kernel does not say), all, its peak."""

    pss_mb: float | None
    peak_rss_mb: float
    rss_mb: float = 0.0


def memory(pid: int) -> Memory:
    """Read the memory of a running process."""
    folder = Path("/proc") / str(pid)
    pss: float | None = None
    with contextlib.suppress(OSError):
        pss = _kilobytes((folder / "smaps_rollup").read_text(), "Pss")
    status = (folder / "status").read_text()
    return Memory(pss, _kilobytes(status, "VmHWM"), _kilobytes(status, "VmRSS"))


def total_memory(pids: Iterable[int]) -> Memory:
    """Add up several processes; shared pages count once in the proportional share, and again and again in the peak."""
    parts = [memory(pid) for pid in pids]
    shares = [part.pss_mb for part in parts if part.pss_mb is not None]
    return Memory(sum(shares) if len(shares) == len(parts) else None, sum(part.peak_rss_mb for part in parts))


def _kilobytes(text: str, name: str) -> float:
    found = re.search(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


def processor_s(pid: int) -> float:
    """Return how much processor time a running process and its threads have used, those that ended included."""
    return time.clock_gettime((~pid << 3) | 2)  # Linux' clock of another process: clock_getcpuclockid(3)


def say(text: str) -> None:
    """Tell how far it is, apart from the figures."""
    print(text, file=sys.stderr, flush=True)


def load_average() -> float:
    """Return the load of the last minute."""
    return os.getloadavg()[0]


def machine() -> dict[str, str]:
    """Describe what the figures were measured on."""
    processor, total_mb = platform.machine(), 0.0
    with contextlib.suppress(OSError):
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
        processor = found[1] if found else processor
        total_mb = _kilobytes(Path("/proc/meminfo").read_text(), "MemTotal")
    return {
        "processor": processor,
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{total_mb / 1024:.1f} GB",
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def versions(*packages: str) -> dict[str, str]:
    """Return the installed versions of these packages, leaving out the absent ones."""
    found = {}
    for package in packages:
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found
