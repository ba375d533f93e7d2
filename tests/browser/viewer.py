"""Somebody who looks at the page: opens it in the browser, and notices what a page must not do."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Request, WebSocket

DESK: Final = (1280, 860)
PHONE: Final = (390, 844)
PATIENCE_MS: Final = 60_000
# What a browser says by itself of answers that are no success, and of a server that is away.
_ANSWERS: Final = re.compile(r"Failed to load resource|WebSocket connection to .* failed")
_WATCH_POLICY: Final = """
globalThis.violations = [];
document.addEventListener("securitypolicyviolation", (event) => {
  violations.push(`${event.violatedDirective}: ${event.blockedURI} ${event.sample}`);
});
"""


@dataclass
class Notes:
    """What went on behind one page: every address that was asked for, the feed's sockets, and complaints."""

    origin: str
    addresses: list[str] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    feeds: list[WebSocket] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def on_request(self, request: Request) -> None:
        self.requests.append(request)
        self._note(request.url)

    def on_websocket(self, socket: WebSocket) -> None:
        self.feeds.append(socket)
        self._note(socket.url)

    def on_console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not _ANSWERS.match(message.text):
            self.complaints.append(f"{message.type}: {message.text}")

    def on_error(self, error: object) -> None:
        self.complaints.append(f"uncaught: {error}")

    def _note(self, url: str) -> None:
        self.addresses.append(url)
        if urlsplit(url).netloc != self.origin:
            self.complaints.append(f"asked {url}")


class Viewer:
    """Opens pages. `close` fails if one of them broke the policy, asked another server, or had an error."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: list[tuple[BrowserContext, list[Page]]] = []
        self._notes: dict[Page, Notes] = {}

    async def open(
        self,
        url: str,
        size: tuple[int, int] = DESK,
        *,
        scheme: str = "light",
        zone: str = "Europe/Berlin",
        touch: bool = False,
        ready: bool = True,
    ) -> Page:
        """Open an address in a browser that nobody has used; `ready` waits for the fleet to be shown."""
        context = await self._browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if scheme == "dark" else "light",
            timezone_id=zone,
            locale="en-GB",
            reduced_motion="reduce",
            has_touch=touch,
            is_mobile=touch,
        )
        context.set_default_timeout(PATIENCE_MS)
        await context.add_init_script(_WATCH_POLICY)
        page = await context.new_page()
        notes = self._notes[page] = Notes(urlsplit(url).netloc)
        page.on("request", notes.on_request)
        page.on("websocket", notes.on_websocket)
        page.on("console", notes.on_console)
        page.on("pageerror", notes.on_error)
        self._contexts.append((context, [page]))
        await page.goto(url)
        if ready:
            await page.wait_for_selector("#facts:not([hidden])")
        return page

    def notes(self, page: Page) -> Notes:
        return self._notes[page]

    async def close(self) -> None:
        found: list[str] = []
        for context, pages in self._contexts:
            for page in pages:
                found += self._notes[page].complaints
                if page.url.startswith("http"):
                    broken: Sequence[str] = await page.evaluate("violations")
                    found += [f"policy: {each}" for each in broken]
            await context.close()
        assert found == []
