"""Selectors that cannot name what does not exist: metrics and their labels come from the catalogue."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from exporter.metrics.catalogue import FAMILIES

SAMPLES: Final = {name: family for family in FAMILIES.values() for name in family.sample_names}

# A bot is one, whichever process runs it: one that moves has another `instance`, and for one scrape it may have two.
EACH_BOT: Final = "job, platform, bot"

# Every Prometheus has these about each target.
OF_THE_SCRAPE: Final = frozenset({"up", "scrape_duration_seconds", "scrape_samples_scraped"})


@dataclass(frozen=True, slots=True)
class Selector:
    """Writes selectors with the variables of one dashboard: job and instance always, others where the metric has them.

    A keyword narrows a label: to a value, or with a tuple to any of them. A value beginning with `!` is left out.
    """

    variables: tuple[str, ...] = ()

    def __call__(self, metric: str, **labels: str | Sequence[str]) -> str:
        known = () if metric in OF_THE_SCRAPE else SAMPLES[metric].label_names
        if unknown := set(labels) - {*known, "le"}:
            raise ValueError(f"{metric} has no label {', '.join(sorted(unknown))}")
        chosen = [name for name in self.variables if name in known and name not in labels]
        matchers = [f'{name}=~"${name}"' for name in ("job", "instance", *chosen)]
        matchers += [_matcher(name, value) for name, value in labels.items()]
        return f"{metric}{{{', '.join(matchers)}}}"

    def expected(self, query: str) -> str:
        """Restrict a query about single bots to those that should work: switched on and not in maintenance."""
        return (
            f"{query}\n"
            f"  and on (job, instance, bot) ({self('bot_active')} == 1)\n"
            f"  and on (job, instance, bot) ({self('bot_maintenance')} == 0)"
        )

    def once(self, query: str, *labels: str) -> str:
        """Make one series a bot of a query about single bots, apart by more labels if any are given."""
        return f"max by ({', '.join((EACH_BOT, *labels))}) ({query})"

    def place(self, metric: str, *labels: str) -> str:
        """Return a series a bot with the `instance` that runs it now, and with more labels of that metric."""
        by = ", ".join((EACH_BOT, "instance", *labels))
        return f"topk by ({EACH_BOT}) (1, max by ({by}) (timestamp({self(metric)})))"

    def present(self, metric: str, label: str, words: Iterable[str]) -> str:
        """Return which of the words is the present one, as its number: 0 for the first."""
        numbered = (f"{number} * {self(metric, **{label: word})}" for number, word in enumerate(words) if number)
        return f"max by ({EACH_BOT}) (\n  " + "\n  or ".join(numbered) + "\n)"


def quantile(share: float, buckets: str, by: str = "", window: str = "$__rate_interval") -> str:
    """Return a quantile of a histogram, for each value of the labels in `by`."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share:g}, sum by ({labels}) (rate({buckets}[{window}])))"


def counted(counter: str, by: str, window: str = "$__rate_interval") -> str:
    """Return how often something was counted, by the labels in `by`."""
    return f"sum by ({by}) (increase({counter}[{window}]))"


def _matcher(name: str, value: str | Sequence[str]) -> str:
    if not isinstance(value, str):
        return f'{name}=~"{"|".join(value)}"'
    return f'{name}!="{value[1:]}"' if value.startswith("!") else f'{name}="{value}"'
