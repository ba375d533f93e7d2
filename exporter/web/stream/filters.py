"""What a client wants of the feed."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from exporter.web.stream.log import Entry, Owner

SYSTEM: Final = "system"
KINDS: Final = ("bot", "lobby", "race", SYSTEM)


@dataclass(frozen=True, slots=True)
class Filter:
    """Empty sets want everything. Equal filters share what is written for them."""

    kinds: frozenset[str] = frozenset()
    platforms: frozenset[str] = frozenset()
    bots: frozenset[str] = frozenset()

    @property
    def wants_system(self) -> bool:
        """Whether the system is wanted: it belongs to no bot, so next to those filters it has to be asked for."""
        return SYSTEM in self.kinds or not (self.kinds or self.platforms or self.bots)

    def wants(self, kind: str, owners: Collection[Owner]) -> bool:
        """Say whether an object of that kind, of these bots, is wanted."""
        if kind == SYSTEM:
            return self.wants_system
        if self.kinds and kind not in self.kinds:
            return False
        if not self.platforms and not self.bots:
            return True
        return any(
            (not self.platforms or platform in self.platforms) and (not self.bots or bot in self.bots)
            for platform, bot in owners
        )

    def shows(self, entry: Entry) -> bool | None:
        """Say whether the client sees the object of an entry; None if it does not have to hear of it at all.

        False is for an object that it may know, and should not any more: it is told that the object is gone.
        """
        if self.wants(entry.kind, entry.owners):
            return True
        known = entry.ever is not entry.owners and self.wants(entry.kind, entry.ever)
        return False if known else None


class BadParameter(ValueError):
    """A query parameter that does not exist, or has a wrong value; the message names it and what to do."""


def parse(
    given: Mapping[str, Sequence[str]], platforms: Collection[str], bots: Mapping[str, str], *, complete: bool
) -> Filter:
    """Return the filter of query parameters, `bots` being the bots' names by all that they go by.

    Unless the fleet is `complete`, an unknown bot may still come, and counts by its name. Raises BadParameter.
    """
    wanted = {key: [value for value in given.get(key, ()) if value] for key in ("kind", "platform", "bot")}
    for key, known in (("kind", KINDS), ("platform", sorted(platforms))):
        for value in wanted[key]:
            if value not in known:
                raise BadParameter(f"{key} cannot be {value!r}: use one of {', '.join(known)}")
    for value in wanted["bot"]:
        if value not in bots and complete:
            raise BadParameter(f"bot cannot be {value!r}: no bot has this name or username, /status/bots lists them")
    return Filter(
        frozenset(wanted["kind"]),
        frozenset(wanted["platform"]),
        frozenset(bots.get(value, value) for value in wanted["bot"]),
    )
