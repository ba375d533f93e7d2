"""The page for people: a static shell and the files it needs, all from this server."""

from hashlib import sha256
from html import escape
from pathlib import Path
from string import Template
from types import MappingProxyType

from aiohttp import web

from exporter.addresses import DEFAULT_LISTEN
from exporter.platforms.dota2.choices import MODES, REGIONS, Choices
from exporter.web.answers import HttpProblem
from exporter.web.request import NAMES
from exporter.web.settings import WebSettings

_FOLDER = Path(__file__).parent / "static"
TYPES = MappingProxyType({".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"})
_SHELL = "index.html"


class LandingPage:
    """The handlers of `/` and its files. The files are read once, when this is made.

    All links are relative: they hold under any prefix and behind any proxy.
    """

    def __init__(self, settings: WebSettings, version: str) -> None:
        self._settings = settings
        self._version = version
        self._encrypted = settings.web_config is not None and settings.web_config.tls is not None
        self._shell = Template((_FOLDER / _SHELL).read_text())
        self._files = {each.name: each.read_bytes() for each in _FOLDER.iterdir() if each.suffix in TYPES}
        self._tags = {name: sha256(body).hexdigest()[:16] for name, body in self._files.items()}

    async def index(self, request: web.Request) -> web.Response:
        """Return the page: no facts about bots in it, it gets those from the live feed."""
        facts = {
            "version": self._version,
            "metrics": self._settings.telemetry_path.lstrip("/"),
            "scrape_config": self._scrape_config(request.headers.get("Host", "")),
        }
        text = self._shell.substitute(
            {key: escape(value) for key, value in facts.items()},
            regions=_options(REGIONS, chosen="USE"),
            modes=_options(MODES, chosen="AP"),
        )
        return web.Response(text=text, content_type="text/html")

    async def static(self, request: web.Request) -> web.Response:
        """Return one of the page's own files; browsers ask each time whether theirs is still the newest."""
        name = request[NAMES]["file"]
        if name not in self._files:
            raise HttpProblem(404, f"the page has no file {name!r}")
        headers = {"ETag": f'"{self._tags[name]}"', "Cache-Control": "no-cache"}
        known = request.if_none_match or ()
        if any(tag.value == self._tags[name] for tag in known):
            return web.Response(status=304, headers=headers)
        return web.Response(
            body=self._files[name], content_type=TYPES[Path(name).suffix], charset="utf-8", headers=headers
        )

    def _scrape_config(self, host: str) -> str:
        """Return what to paste into prometheus.yml, with the address that this very page was asked for at."""
        external = self._settings.external
        target = external.netloc if external is not None else host or ":".join(map(str, DEFAULT_LISTEN))
        path = f"{self._settings.external_path}{self._settings.telemetry_path}"
        lines = ["scrape_configs:", "  - job_name: bot-exporter"]
        scheme = external.scheme if external is not None else "https" if self._encrypted else "http"
        if scheme == "https":
            lines.append("    scheme: https")
        if path != "/metrics":
            lines.append(f"    metrics_path: {path}")
        lines += ["    static_configs:", f'      - targets: ["{target}"]']
        return "\n".join(lines)


def _options(choices: Choices, *, chosen: str) -> str:
    """Return the values of a setting for a form to choose from."""
    known = (each for each in choices.all if each.number > 0)
    return "".join(
        f'<option value="{escape(each.shown)}"{" selected" if each.shown == chosen else ""}>'
        f"{escape(each.shown.replace('_', ' '))}</option>"
        for each in known
    )
