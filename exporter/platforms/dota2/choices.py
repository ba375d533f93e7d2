"""What people type for the settings of a lobby, and the numbers that the coordinator wants.

A setting is given by its number, its name or a common short form, whatever the case: `2`, `us_east` and `USE` are one
region. Answers show the number and the short form. A number that is not in the table is passed on and shown as such:
Valve adds regions now and then (steam-dota2 protocol notes, section 2).
"""

from dataclasses import dataclass
from typing import Final

MOST: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Choice:
    """One value: its number, its name, and what players call it if that is something else."""

    number: int
    name: str
    alias: str | None = None

    @property
    def shown(self) -> str:
        """What answers call it."""
        return self.alias or self.name


class Choices:
    """The values of one setting. `what` is its name in messages."""

    def __init__(self, what: str, *choices: Choice) -> None:
        self.what = what
        self.all = choices
        self._numbers = {choice.number: choice for choice in choices}
        self._words = {
            word.casefold(): choice for choice in choices for word in (choice.name, choice.alias) if word is not None
        }

    def shown(self, number: int) -> str:
        """Return what answers call this number; an unknown one is shown as itself."""
        choice = self._numbers.get(number)
        return choice.shown if choice is not None else str(number)

    def parse(self, given: int | str) -> int:
        """Return the number of what somebody typed; raises ValueError, which says what is possible."""
        word = str(given).strip().casefold()
        if word in self._words:
            return self._words[word].number
        if word.isascii() and word.isdigit() and int(word) <= MOST:
            return int(word)
        known = ", ".join(f"{choice.shown} ({choice.number})" for choice in self.all)
        msg = f"{self.what} {str(given)[:40]!r} is not known: give a number or one of {known}"
        raise ValueError(msg)


REGIONS: Final = Choices(
    "server_region",
    Choice(0, "unspecified"),
    Choice(1, "us_west", "USW"),
    Choice(2, "us_east", "USE"),
    Choice(3, "europe", "EUW"),
    Choice(4, "korea"),
    Choice(5, "singapore", "SEA"),
    Choice(6, "dubai"),
    Choice(7, "australia"),
    Choice(8, "stockholm", "Russia"),
    Choice(9, "austria", "EUE"),
    Choice(10, "brazil"),
    Choice(11, "south_africa"),
    Choice(12, "perfect_world_telecom"),
    Choice(13, "perfect_world_unicom"),
    Choice(14, "chile"),
    Choice(15, "peru"),
    Choice(16, "india"),
    Choice(17, "perfect_world_telecom_guangdong"),
    Choice(18, "perfect_world_telecom_zhejiang"),
    Choice(19, "japan"),
    Choice(20, "perfect_world_telecom_wuhan"),
    Choice(25, "perfect_world_unicom_tianjin"),
    Choice(37, "taiwan"),
    Choice(38, "argentina"),  # Assumption: reported, not confirmed.
)

MODES: Final = Choices(
    "game_mode",
    Choice(1, "all_pick", "AP"),
    Choice(2, "captains_mode", "CM"),
    Choice(3, "random_draft", "RD"),
    Choice(4, "single_draft", "SD"),
    Choice(5, "all_random", "AR"),
    Choice(6, "intro", "INTRO"),
    Choice(7, "diretide", "HW"),
    Choice(8, "reverse_captains_mode", "REVERSE_CM"),
    Choice(9, "greeviling", "XMAS"),
    Choice(10, "tutorial", "TUTORIAL"),
    Choice(11, "mid_only", "MO"),
    Choice(12, "least_played", "LP"),
    Choice(13, "limited_heroes", "POOL1"),
    Choice(14, "compendium_matchmaking", "FH"),
    Choice(15, "custom", "CUSTOM"),
    Choice(16, "captains_draft", "CD"),
    Choice(17, "balanced_draft", "BD"),
    Choice(18, "ability_draft", "ABILITY_DRAFT"),
    Choice(19, "event", "EVENT"),
    Choice(20, "all_random_deathmatch", "ARDM"),
    Choice(21, "one_vs_one_mid", "1V1MID"),
    Choice(22, "all_draft", "ALL_DRAFT"),
    Choice(23, "turbo", "TURBO"),
    Choice(24, "mutation", "MUTATION"),
    Choice(25, "coaches_challenge", "COACHES_CHALLENGE"),
    Choice(26, "bot_challenge", "BOT_CHALLENGE"),
)

VISIBILITIES: Final = Choices("visibility", Choice(0, "public"), Choice(1, "friends"), Choice(2, "unlisted"))
TV_DELAYS: Final = Choices("dota_tv_delay", Choice(0, "10s"), Choice(1, "2m"), Choice(2, "5m"), Choice(3, "15m"))
PAUSE_SETTINGS: Final = Choices("pause_setting", Choice(0, "unlimited"), Choice(1, "limited"), Choice(2, "disabled"))
SELECTION_PRIORITIES: Final = Choices("selection_priority_rules", Choice(0, "manual"), Choice(1, "automatic"))
