"""Small fleets to test with: traits of an invented platform, and facts about its bots."""

from exporter.errors import AuthReason, FailureReason
from exporter.model import events as ev
from exporter.model.states import DisconnectReason, PlatformTraits, RaceState
from exporter.model.status import RaceView

TRAITS = PlatformTraits(
    name="testing",
    subject="category",
    states=("disconnected", "connecting", "online", "in_race"),
    ready="online",
    busy=frozenset({"in_race"}),
    moves=frozenset({("connecting", "online"), ("online", "in_race"), ("in_race", "online")}),
    auth_reasons=(AuthReason.INVALID_CREDENTIALS, AuthReason.WRONG_CATEGORY, AuthReason.OTHER),
    failure_reasons=(FailureReason.REFUSED, FailureReason.TIMEOUT, FailureReason.OTHER),
    disconnect_reasons=tuple(DisconnectReason),
    facts=("races", "last_poll_at", "token_expires_at"),
)


def added(bot: str = "alpha", at: float = 1.0, *, active: bool = True) -> ev.BotAdded:
    return ev.BotAdded(bot, at, TRAITS, f"{bot}-category", active)


def race_view(
    slug: str = "big-race-1", state: RaceState = RaceState.OPEN, *, category: str = "alpha", detailed: bool = True
) -> RaceView:
    return RaceView(
        category=category,
        slug=slug,
        state=state,
        goal_name="Any%",
        goal_custom=False,
        info="",
        url=f"http://127.0.0.1/{category}/{slug}",
        opened_by_bot=None,
        opened_at=1.0,
        started_at=None,
        ended_at=None,
        entrants_count=0,
        entrants_count_finished=0,
        entrants_count_inactive=0,
        detailed=detailed,
    )
