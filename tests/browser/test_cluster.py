"""What the page shows of a cluster: bots of all processes, and which process runs each."""

from collections.abc import Iterator

import pytest
from playwright.async_api import expect

from tests.browser.viewer import Viewer
from tests.cluster.nodes import nodes, spec
from tests.postgresql import PostgreSQL

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgreSQL]:
    server = PostgreSQL()
    try:
        server.start()
        yield server
    finally:
        server.remove()


async def test_the_page_of_one_process_shows_the_whole_fleet(viewer: Viewer, postgresql: PostgreSQL) -> None:
    database, bots = postgresql.new_database(), (spec("ann"), spec("ben"))
    async with nodes(database, "one", "two", bots=bots, life_s=3.0) as (one, two):
        await one.run("ann")
        await two.run("ben")
        page = await viewer.open(f"{one.url}/")
        await expect(page.locator("#headline")).to_have_text("All 2 bots are working")
        await page.locator("a[href='#bots/ben']").first.click()
        process = page.locator("#details-facts div:has(dt:text-is('Process')) dd")
        await expect(process).to_contain_text("two")
        await two.gone()
        await expect(process).to_contain_text("none")
        await expect(page.locator("#details-why")).to_contain_text("its process two is away")
        await page.goto(f"{one.url}/#bots/ann")
        await expect(process).to_have_text("one")
