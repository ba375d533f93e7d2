"""How long a token is used, and when the next one is asked for."""

import random

import structlog

from exporter.model import events as ev
from exporter.platforms.base import BotContext
from exporter.platforms.racetime.token import Token, TokenKeeper
from exporter.secrets import hide_nothing
from exporter.stats import BotStats
from tests.clock import ManualClock


async def test_a_token_is_renewed_at_half_life_and_kept_until_it_expires() -> None:
    clock = ManualClock()
    told: list[ev.Event] = []
    log = structlog.get_logger()
    keeper = TokenKeeper(
        BotContext("a", told.append, BotStats(), clock, random.Random(1), log, hide_nothing, lambda: False)
    )
    assert (keeper.current, keeper.renew_in_s) == (None, 0.0)
    keeper.issued(Token("t1", 100.0))
    assert told == [ev.TokenIssued("a", clock.now(), clock.now() + 100.0)]
    assert (keeper.current, keeper.renew_in_s) == ("t1", 50.0)
    await clock.advance(60.0)
    assert (keeper.current, keeper.renew_in_s) == ("t1", 0.0)
    await clock.advance(39.0)
    assert keeper.current == "t1"
    await clock.advance(1.0)
    assert not keeper.current
    keeper.issued(Token("t2", 100.0))
    assert (keeper.current, keeper.renew_in_s) == ("t2", 50.0)
    keeper.drop()
    assert keeper.current is None


def test_a_token_does_not_show() -> None:
    assert "t1" not in repr(Token("t1", 5.0))
