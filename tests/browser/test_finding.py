"""Finding bots: search, filters, order, by mouse and by keyboard, and what the browser remembers."""

import time
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from exporter.model import events as ev
from exporter.platforms.dota2.options import DOTA2
from tests.browser.rig import Rig, page_rig
from tests.browser.viewer import Viewer
from tests.web.fleet import lobby, race_view

pytestmark = pytest.mark.asyncio(loop_scope="session")


def some_bots(rig: Rig) -> None:
    rig.working("alttpr", "ootr")
    rig.working("dire", "radiant", traits=DOTA2)
    rig.add("sm")
    rig.refuse("sm", "Invalid client secret")
    rig.lobby(lobby())
    rig.race("ootr", race_view())
    rig.store.apply(ev.BotStopped("radiant", time.time()))


async def names(page: Page) -> list[str]:
    return list(await page.locator("#bots a.name").all_inner_texts())


FOUND = {
    "DIRE": ["dire"],
    "inhouse": ["dire"],  # its lobby
    "lucky-link": ["ootr"],  # its race
    "client secret": ["sm"],  # what is wrong with it
    "dota": ["dire", "radiant"],
    "in race": ["ootr"],
    "<script>": [],
}


async def test_search(viewer: Viewer, tmp_path: Path) -> None:
    async with page_rig(tmp_path) as rig:
        some_bots(rig)
        page = await viewer.open(rig.url)
        for typed, found in FOUND.items():
            await page.locator("#search").fill(typed)
            await expect(page.locator("#bots a.name")).to_have_text(found)
            await expect(page.locator("#shown")).to_have_text(f"{len(found)} of 5 shown")
            await expect(page.locator("#nothing")).to_be_visible(visible=not found)
        await page.locator("#clear").click()
        await expect(page.locator("#bots a.name")).to_have_count(5)
        await expect(page.locator("#clear")).to_be_hidden()


async def test_filters_hold_together_and_follow_what_changes(viewer: Viewer, tmp_path: Path) -> None:
    async with page_rig(tmp_path) as rig:
        some_bots(rig)
        page = await viewer.open(rig.url)
        chips = page.locator("#chips button")
        await expect(chips).to_have_text(["All 5", "Failing 1", "Connected 3", "Unknown 0", "Disconnected 1"])
        await chips.nth(2).click()
        await expect(page.locator("#bots a.name")).to_have_text(["alttpr", "dire", "ootr"])
        await page.locator("#platform").select_option(label="Dota 2")
        await expect(page.locator("#bots a.name")).to_have_text(["dire"])
        rig.lose("dire")
        await expect(page.locator("#nothing")).to_be_visible()
        await chips.nth(1).click()
        await expect(page.locator("#bots a.name")).to_have_text(["dire"])
        rig.lose("dire", "another trouble")  # a row that was away shows what happened meanwhile
        await expect(page.locator("#bots .why")).to_contain_text("another trouble")


async def test_order_by_the_columns(viewer: Viewer, tmp_path: Path) -> None:
    async with page_rig(tmp_path) as rig:
        for number, name in enumerate(("beta", "alpha", "gamma")):
            rig.add(name)
            rig.connect(name, at=time.time() - 100 + number)
        rig.refuse("gamma")
        page = await viewer.open(rig.url)
        await expect(page.locator("#bots a.name")).to_have_text(["gamma", "alpha", "beta"])
        column = page.locator("th.c-name")
        await column.locator("button").click()
        await expect(page.locator("#bots a.name")).to_have_text(["alpha", "beta", "gamma"])
        await expect(column).to_have_attribute("aria-sort", "ascending")
        await column.locator("button").click()
        await expect(page.locator("#bots a.name")).to_have_text(["gamma", "beta", "alpha"])
        await expect(column).to_have_attribute("aria-sort", "descending")
        await expect(page.locator("th.c-status")).to_have_attribute("aria-sort", "none")
        await page.locator("#sort").select_option("connected")
        await expect(page.locator("#bots a.name")).to_have_text(["gamma", "alpha", "beta"])


async def test_the_browser_remembers_how_it_is_to_look(viewer: Viewer, tmp_path: Path) -> None:
    async with page_rig(tmp_path) as rig:
        some_bots(rig)
        page = await viewer.open(rig.url)
        await page.locator("th.c-name button").click()
        await page.locator("#chips button[value=connected]").click()
        await page.locator("#theme").click()  # light
        await page.locator("#theme").click()  # dark
        await page.reload()
        await expect(page.locator("#bots a.name")).to_have_text(["alttpr", "dire", "ootr"])
        await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        await expect(page.locator("body")).to_have_css("background-color", "rgb(16, 20, 27)")
        await expect(page.locator("#sort")).to_have_value("name")
        # A platform that this server has no bots of must not hide all of them.
        await page.evaluate("""localStorage.setItem("bot-exporter", '{"platform": "gone", "status": 7, "more": 1}')""")
        await page.reload()
        await expect(page.locator("#bots a.name")).to_have_count(5)
        await page.evaluate("localStorage.setItem('bot-exporter', 'no JSON')")
        await page.reload()
        await expect(page.locator("#bots a.name")).to_have_count(5)


async def test_everything_by_keyboard(viewer: Viewer, tmp_path: Path) -> None:
    async with page_rig(tmp_path) as rig:
        some_bots(rig)
        page = await viewer.open(rig.url)
        await page.keyboard.press("Tab")
        await expect(page.locator(".skip")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.locator("#bots-title")).to_be_focused()
        await page.keyboard.press("/")
        await expect(page.locator("#search")).to_be_focused()
        await page.keyboard.type("dota")
        await expect(page.locator("#bots a.name")).to_have_count(2)
        await page.keyboard.press("Escape")
        await expect(page.locator("#bots a.name")).to_have_count(5)
        await page.locator("#bots a.name").first.focus()
        await page.keyboard.press("ArrowDown")
        await page.keyboard.press("ArrowDown")
        await page.keyboard.press("ArrowUp")
        second = page.locator("#bots a.name").nth(1)
        await expect(second).to_be_focused()
        name = await second.inner_text()
        await page.keyboard.press("Enter")
        await expect(page.locator("#details-name")).to_have_text(name)
        inside = "document.activeElement.closest('dialog')?.id"
        for _ in range(12):  # the focus cannot leave for what lies beneath
            await page.keyboard.press("Tab")
            assert await page.evaluate(inside) in {"details", None}
        await page.keyboard.press("Escape")
        await expect(page.locator("#details")).to_be_hidden()
        await expect(second).to_be_focused()


async def test_rows_do_not_run_away_from_the_pointer(viewer: Viewer, tmp_path: Path) -> None:
    async with page_rig(tmp_path) as rig:
        rig.working("alpha", "beta", "gamma")
        page = await viewer.open(rig.url)
        now = time.time()
        await page.clock.set_fixed_time(now)
        for moved, failed, before, after in (
            ("alpha", "gamma", ["alpha", "beta", "gamma"], ["gamma", "alpha", "beta"]),
            ("alpha", "beta", ["gamma", "alpha", "beta"], ["beta", "gamma", "alpha"]),
        ):
            await page.locator(f"#bots a[href='#bots/{moved}']").hover()
            rig.refuse(failed)
            row = page.locator(f"tr:has(a[href='#bots/{failed}'])")
            await expect(row).to_have_attribute("data-group", "failing")  # it is told at once
            assert await names(page) == before
            await page.mouse.move(5, 5)
            await expect(page.locator("#bots a.name")).to_have_text(after)
        await page.locator("#bots a[href='#bots/alpha']").hover()
        rig.connect("beta")
        await expect(page.locator("#headline")).to_have_text("1 of 3 bots is failing")
        assert await names(page) == after
        await page.clock.set_fixed_time(now + 3)  # the pointer rests
        rig.lose("gamma", "another trouble")
        await expect(page.locator("#bots a.name")).to_have_text(["gamma", "alpha", "beta"])


async def test_the_focus_stays_on_a_bot_that_moves(viewer: Viewer, tmp_path: Path) -> None:
    async with page_rig(tmp_path) as rig:
        rig.working("alpha", "beta", "gamma")
        page = await viewer.open(rig.url)
        focused = page.locator("#bots a[href='#bots/gamma']")
        await focused.focus()
        rig.refuse("gamma")
        await expect(page.locator("#bots a.name")).to_have_text(["gamma", "alpha", "beta"])
        await expect(focused).to_be_focused()
