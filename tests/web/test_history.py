"""The history routes: what is asked of the storage, and how its answers and its troubles look."""

from typing import Any

import pytest

from exporter.errors import StorageAway
from exporter.model import events as ev
from exporter.model.history import HistoryItem, HistoryKind, HistoryPage, HistoryQuery
from tests.web.fleet import NOW, Fleet

ITEM = HistoryItem(
    2**60, NOW, HistoryKind.STATUS, "sm", "racetime", "unknown", "auth_failed", "invalid_credentials", "wrong", None
)
ORDER = HistoryItem(2**60 - 1, NOW, HistoryKind.ORDER, "sm", "racetime", None, "done", "stop", "sm", "ann")


async def test_items_and_cursor(fleet: Fleet) -> None:
    fleet.past = HistoryPage((ITEM, ORDER), 2**60 - 1)
    page: dict[str, Any] = await fleet.get("/status/history")
    assert page["items"][0] == {
        "id": "1152921504606846976",
        "time": "2027-01-15T08:00:00.000Z",
        "kind": "status",
        "bot": "sm",
        "platform": "racetime",
        "before": "unknown",
        "after": "auth_failed",
        "reason": "invalid_credentials",
        "message": "wrong",
        "actor": None,
    }
    assert page["items"][1]["actor"] == "ann"
    assert page["next"] == "1152921504606846975"
    fleet.past = HistoryPage((), None)
    assert await fleet.get("/status/history") == {"items": [], "next": None}


QUERIES = {
    "": HistoryQuery(),
    "?limit=500&before=1152921504606846975": HistoryQuery(500, 2**60 - 1),
    "?limit=&kind=&bot=": HistoryQuery(),
    "?bot=sm&bot=dire&platform=racetime": HistoryQuery(
        bots=frozenset({"sm", "dire"}), platforms=frozenset({"racetime"})
    ),
    "?kind=error&kind=order": HistoryQuery(kinds=frozenset({HistoryKind.ERROR, HistoryKind.ORDER})),
    "?since=2027-01-15T08:00:00Z&until=1800000060.5": HistoryQuery(since=NOW, until=NOW + 60.5),
    "?since=2027-01-15T09:00:00%2B01:00": HistoryQuery(since=NOW),
}


@pytest.mark.parametrize("query", QUERIES)
async def test_parameters(fleet: Fleet, query: str) -> None:
    await fleet.get(f"/status/history{query}")
    assert fleet.asked == [QUERIES[query]]


BAD = {
    "?limit=0": "limit cannot be '0': give a number from 1 to 500",
    "?limit=501": "a number from 1 to 500",
    "?limit=many": "a number from 1 to 500",
    "?limit=%C2%B2": "a number from 1 to 500",
    "?before=-1": "`next` of the page before",
    "?before=99999999999999999999": "`next` of the page before",
    "?kind=lobbies": "kind cannot be 'lobbies': use one of error, lobby, order, race, state, status",
    "?platform=dota": "use one of dota2, racetime",
    "?since=yesterday": "give a time such as 2026-01-02T03:04:05Z",
    "?since=2027-01-15T08:00:00": "give a time such as",
    "?until=nan": "give a time such as",
    "?until=1e300": "give a time such as",
    "?page=2": "there is no parameter 'page'",
}


@pytest.mark.parametrize("query", BAD)
async def test_wrong_parameters(fleet: Fleet, query: str) -> None:
    answer = await fleet.call(f"/status/history{query}")
    assert answer.status == 400
    assert BAD[query] in (await answer.json())["detail"]
    assert fleet.asked == []


async def test_a_bot_is_found_by_its_name_or_username_and_after_it_left(fleet: Fleet) -> None:
    for path in ("dire", "dire_account"):
        await fleet.get(f"/status/bots/{path}/history?kind=state")
    assert fleet.asked == [HistoryQuery(bots=frozenset({"dire"}), kinds=frozenset({HistoryKind.STATE}))] * 2
    fleet.past = HistoryPage((ITEM,), None)
    fleet.store.apply(ev.BotRemoved("sm", NOW))
    assert (await fleet.get("/status/bots/sm/history"))["next"] is None
    fleet.past = HistoryPage((), None)
    answer = await fleet.call("/status/bots/nobody/history")
    assert answer.status == 404
    assert "nobody" in (await answer.json())["detail"]
    assert (await fleet.call("/status/bots/dire/history?bot=sm")).status == 400


async def test_a_database_that_is_away(fleet: Fleet) -> None:
    fleet.past = StorageAway("the history cannot be read now: away; try again later")
    for path in ("/status/history", "/status/bots/sm/history"):
        answer = await fleet.call(path)
        assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
        assert (await answer.json())["detail"] == "the history cannot be read now: away; try again later"
