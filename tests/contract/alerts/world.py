"""A made-up fleet as Prometheus would see it, minute by minute, well or in trouble.

Prometheus' rule tests begin at Unix time 0. `Series` maps a series to its value at a minute, None for no sample.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from exporter.model.states import BotStatus
from exporter.platforms import PLATFORMS

INSTANCE: Final = "127.0.0.1:9977"
JOB: Final = {"job": "bot-exporter"}
TARGET: Final = JOB | {"instance": INSTANCE}

Value = Callable[[int], float | None]
Series = Mapping[str, Value]


def name(metric: str, **labels: str) -> str:
    """Return a series of the scraped exporter, as PromQL writes it; `instance` may be another one's."""
    return metric + "{" + ",".join(f'{key}="{value}"' for key, value in (TARGET | labels).items()) + "}"


def always(value: float) -> Value:
    return lambda _: value


def gone(_: int) -> None:
    """No sample."""


def at(minute: float) -> float:
    """Return that minute as a Unix time."""
    return minute * 60


@dataclass(frozen=True, slots=True)
class Bot:
    """One bot's state; `reason` stands beside a status that has one."""

    name: str
    platform: str
    status: BotStatus = BotStatus.CONNECTED
    state: str = ""
    reason: str = ""
    active: bool = True
    maintenance: bool = False
    available: bool = True

    def series(self) -> dict[str, Value]:
        """Return its series. While it works its last proof is that of the same minute."""
        traits = PLATFORMS[self.platform].traits
        own = {"bot": self.name, "platform": self.platform}
        up = self.status is BotStatus.CONNECTED
        values: dict[str, Value] = {
            name("bot_info", **own, category=self.name if traits.subject == "category" else ""): always(1),
            name("bot_up", **own): always(up),
            name("bot_active", **own): always(self.active),
            name("bot_maintenance", **own): always(self.maintenance),
            name("bot_available", **own): always(up and self.available),
            name("bot_reconnects_total", **own): always(1),
        }
        for state in traits.busy:  # no rule asks for another
            values[name("bot_state", **own, state=state)] = always(state == (self.state or traits.ready))
        for status in BotStatus:
            values[name("bot_status", **own, status=status.word)] = always(status is self.status)
        for reason in traits.status_reasons:
            values[name("bot_status_reason", **own, reason=reason)] = always(reason == self.reason)
        if up:
            values[name("bot_last_status_check_timestamp_seconds", **own)] = at
            life_minutes = 10 * 60 if self.platform == "racetime" else 200 * 24 * 60
            values[name("bot_token_expiry_timestamp_seconds", **own)] = lambda minute: at(minute + life_minutes)
        return values


ALTTPR: Final = Bot("alttpr", "racetime")
OOTR: Final = Bot("ootr", "racetime")
LOBBY_1: Final = Bot("lobby-1", "dota2")
LOBBY_2: Final = Bot("lobby-2", "dota2")
FLEET: Final = (ALTTPR, OOTR, LOBBY_1, LOBBY_2)

# Nobody's trouble, for as long as the world stands.
RESTING: Final = (
    Bot("switched-off", "racetime", BotStatus.DISCONNECTED, state="disconnected", active=False),
    Bot("in-the-shop", "dota2", BotStatus.AUTH_FAILED, "disconnected", "invalid_credentials", maintenance=True),
    Bot("in-the-shop-too", "dota2", BotStatus.CONNECTION_ERROR, "disconnected", "timeout", maintenance=True),
)

EXPORTER: Final[Series] = {
    name("up"): always(1),
    name("bot_racetime_outage"): always(0),
    name("bot_steam_outage"): always(0),
    name("bot_steam_logon_queue_length"): always(0),
    name("bot_exporter_draining"): always(0),
    name("bot_exporter_config_last_reload_successful"): always(1),
    name("bot_exporter_web_config_reload_successful"): always(1),
    name("bot_exporter_storage_up"): always(1),
    name("bot_exporter_history_dropped_total"): always(0),
    name("bot_exporter_history_write_failures_total", reason="locked"): float,
    **{
        name("bot_exporter_event_loop_lag_seconds_bucket", le=bound): lambda minute: minute * 120.0
        for bound in ("0.005", "0.25", "1.0", "+Inf")
    },
}


def fleet(*bots: Bot) -> dict[str, Value]:
    """Return the series of these bots."""
    return {series: value for bot in bots for series, value in bot.series().items()}


def world(*bots: Bot) -> dict[str, Value]:
    """Return an exporter that is well and has these bots, beside those that rest."""
    return {**EXPORTER, **fleet(*bots, *RESTING)}


def elsewhere(series: Series, instance: str) -> dict[str, Value]:
    """Return the same series of another process."""
    return {each.replace(f'"{INSTANCE}"', f'"{instance}"'): value for each, value in series.items()}


def during(begin: int, end: int, bad: Series, good: Series) -> dict[str, Value]:
    """Return the good world with a bad time from one minute to before another."""

    def mixed(series: str) -> Value:
        inside, outside = bad.get(series, good.get(series, gone)), good.get(series, gone)
        return lambda minute: inside(minute) if begin <= minute < end else outside(minute)

    return {series: mixed(series) for series in good.keys() | bad.keys()}
