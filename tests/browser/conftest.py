"""One browser for the whole run, and a viewer for each test. Screenshots are made by the option `--screenshots`."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from tests.browser.viewer import PATIENCE_MS, Viewer
from tests.tools import require_program

FLAGS = (
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-gpu",
)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    found = shutil.which("chromium")
    program = require_program(Path(found) if found is not None else None, "chromium", "chromium")
    expect.set_options(timeout=PATIENCE_MS)
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield started
        await started.close()


@pytest_asyncio.fixture(loop_scope="session")
async def viewer(browser: Browser) -> AsyncIterator[Viewer]:
    looking = Viewer(browser)
    yield looking
    await looking.close()


@pytest.fixture
def picture(request: pytest.FixtureRequest) -> Path | None:
    """Return the folder for screenshots, if they are wanted."""
    folder = request.config.getoption("--screenshots")
    return Path(folder) if folder else None
