"""Names and texts of others, who may mean harm: they are shown as text, and disturb nothing beside them."""

import time
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from exporter.model import events as ev
from exporter.model.record import replace
from exporter.model.states import EntrantStatus
from exporter.model.status import Entrant, LobbyPlayer, Maintenance
from exporter.platforms.dota2.options import DOTA2
from tests.browser.rig import page_rig
from tests.browser.viewer import DESK, PHONE, Viewer
from tests.web.fleet import LOBBY_ID, lobby, race_view

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOSTILE = (
    "<script>globalThis.owned = true</script>",
    "<img src=x onerror='globalThis.owned = true'>",
    "${globalThis.owned = true}",
    "\u202egnorw si siht\u202c",  # written from right to left
    "مرحبا بالعالم",
    "in\u200bvis\u200bible\u2060",
    "Zalgo" + "\u0351" * 60,
    "W" * 300,
    "&lt;b&gt; \" ' ` \\ \x07",
)


async def assert_nothing_sticks_out(page: Page) -> None:
    """Nothing may make the page wider than its window."""
    width = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert await page.evaluate(width) == 0


async def test_names_of_others_are_text(viewer: Viewer, tmp_path: Path) -> None:
    async with page_rig(tmp_path) as rig:
        rig.working("dire", traits=DOTA2)
        rig.working("alttpr", "sm")
        players = tuple(
            LobbyPlayer(76561198000000001 + number, name, ("radiant", "dire")[number % 2], number + 1)
            for number, name in enumerate(HOSTILE)
        )
        rig.lobby(replace(lobby(), name=HOSTILE[0], players=players))
        entrants = tuple(
            Entrant(f"u{number}", name, name, EntrantStatus.READY, None, None) for number, name in enumerate(HOSTILE)
        )
        view = race_view()
        link = "javascript:globalThis.owned=1"
        rig.race("alttpr", replace(view, entrants=entrants, goal_name=HOSTILE[1], info=HOSTILE[7], url=link))
        rig.refuse("sm", "\n".join(HOSTILE))
        rig.store.apply(ev.MaintenanceBegan("alttpr", time.time(), Maintenance(None, HOSTILE[0] * 4, HOSTILE[3])))
        for size in (DESK, PHONE):
            page = await viewer.open(rig.url, size)
            for place in (f"lobbies/{LOBBY_ID}", "races/alttpr/lucky-link-1"):
                card = page.locator(f"[id='{place}']")
                await card.locator("summary").click()
                people = card.locator(".people bdi")
                await expect(people.first).to_be_visible()  # all of them are put together at once
                shown = await people.evaluate_all("(all) => all.map((each) => each.textContent)")
                assert set(shown) == set(HOSTILE)
            await expect(page.locator("[id='races/alttpr/lucky-link-1'] a[href^='javascript']")).to_have_count(0)
            await assert_nothing_sticks_out(page)
            await page.locator("td.c-status .badge.bad").hover()
            await expect(page.locator("#tip")).to_contain_text(HOSTILE[0])
            await assert_nothing_sticks_out(page)
            await page.locator("#search").fill(HOSTILE[0])
            await expect(page.locator("#bots a.name")).to_have_text(["sm", "alttpr", "dire"])
            for bot in ("sm", "alttpr", "dire"):
                await page.locator(f"#bots a[href='#bots/{bot}']").first.click()
                await expect(page.locator("#timeline li").first).to_be_visible()
                await assert_nothing_sticks_out(page)
                await page.locator("#details-close").click()
                await expect(page.locator("#details")).to_be_hidden()
            assert await page.evaluate("globalThis.owned === undefined")
            await expect(page.locator("main img, main script")).to_have_count(0)


async def test_a_name_from_right_to_left_does_not_turn_its_neighbours(viewer: Viewer, tmp_path: Path) -> None:
    async with page_rig(tmp_path) as rig:
        rig.working("dire", traits=DOTA2)
        rig.lobby(replace(lobby(), name="\u202eabc"))
        page = await viewer.open(rig.url)
        await expect(page.locator("td.c-work a")).to_have_text("\u202eabc")
        name = await page.locator("td.c-work a").bounding_box()
        state = await page.locator("td.c-work .badge").bounding_box()
        assert name is not None
        assert state is not None
        assert name["x"] + name["width"] <= state["x"]
