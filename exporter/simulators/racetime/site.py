"""The HTTP side of the site (racetime protocol notes, sections 2 to 5): routes, bodies, headers, caches."""

from base64 import b64decode
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape
from typing import Any

import orjson
from aiohttp import web

from exporter.simulators.racetime import forms, wire
from exporter.simulators.racetime.records import Bot, Category, Race, RaceState, Token
from exporter.simulators.racetime.registry import SCOPES, Refused
from exporter.simulators.racetime.world import World
from exporter.timing import Clock

HTML = "text/html"
MAX_COPIES = 2000
_NOT_FOUND = "Not Found</h1><p>The requested resource was not found on this server."
_FORBIDDEN = "403 Forbidden</h1><p>"
_SECURITY_HEADERS = {
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@dataclass(slots=True)
class Stats:
    """What reached the simulator: its own truth, for tests."""

    requests: Counter[str] = field(default_factory=Counter)
    """HTTP requests by kind."""
    tokens: Counter[str] = field(default_factory=Counter)
    """Token requests by client id, also refused ones."""
    polls: Counter[str] = field(default_factory=Counter)
    """GET /o/{category}/data by category."""
    public_polls: Counter[str] = field(default_factory=Counter)
    """GET /{category}/data by category."""
    startraces: Counter[str] = field(default_factory=Counter)
    """POST startrace by category."""
    edits: Counter[str] = field(default_factory=Counter)
    """POST edit by category."""
    sockets_opened: Counter[str] = field(default_factory=Counter)
    """Accepted sockets by race slug."""
    actions: Counter[str] = field(default_factory=Counter)
    """Frames received by action."""


@dataclass(frozen=True, slots=True)
class CacheTimes:
    """How long the site keeps its copies, in seconds."""

    race_s: float = 5.0
    category_s: float = 60.0
    races_s: float = 30.0


class Site:
    """The handlers, with the copies that the real site keeps."""

    def __init__(self, world: World, clock: Clock, caches: CacheTimes, stats: Stats) -> None:
        self._world = world
        self._clock = clock
        self.caches = caches
        self._stats = stats
        self._copies: dict[str, tuple[float, int, bytes]] = {}

    def routes(self) -> list[web.RouteDef]:
        """Return the routes; the fixed words come before the category slugs."""
        get, post = web.get, web.post
        return [
            web.route("*", "/o/token", self._token),
            post("/o/revoke_token", self._revoke),
            get("/o/userinfo", self._userinfo),
            get("/races/data", self._all_races),
            get("/races.json", self._all_races),
            get("/categories/data", self._all_categories),
            get("/categories.json", self._all_categories),
            get("/o/{category}/data", self._bot_category),
            get("/o/{category}/startrace", self._start_page),
            post("/o/{category}/startrace", self._start),
            post("/o/{category}/{race}/edit", self._edit),
            get("/{category}.json", self._category),
            get("/{category}/data", self._category),
            get("/{category}/races/data", self._past_races),
            get("/{category}/{race}.json", self._race),
            get("/{category}/{race}/data", self._race),
            get("/{category}/{race}", self._race_page),
        ]

    def forget_copies(self) -> None:
        """Empty the caches, as a restart does."""
        self._copies.clear()

    # tokens

    async def _token(self, request: web.Request) -> web.Response:
        if request.method != "POST":
            return empty(405, {"Allow": "POST, OPTIONS"})
        form = await _form(request)
        client_id, secret = await credentials(request)
        self._stats.tokens[client_id] += 1
        grant = form.get("grant_type")
        if grant is None:
            return _oauth_json(400, {"error": "unsupported_grant_type"})
        if grant != "client_credentials":
            # Assumption: any other grant type is answered as the captured `password` was.
            text = "Request is missing username parameter."
            return _oauth_json(400, {"error": "invalid_request", "error_description": text})
        bot = self._world.authenticate(client_id, secret)
        if bot is None:
            return invalid_client()
        scopes = tuple(form.get("scope", "").split()) or SCOPES
        if not set(scopes) <= set(SCOPES):
            return _oauth_json(400, {"error": "invalid_scope"})
        token = self._world.issue_token(bot, self._clock.now(), scopes=scopes)
        answer = {"access_token": token.value, "expires_in": int(self._world.token_life_s), "token_type": "Bearer"}
        return _oauth_json(200, {**answer, "scope": " ".join(scopes)})

    async def _revoke(self, request: web.Request) -> web.Response:
        form = await _form(request)
        client_id, secret = await credentials(request)
        bot = self._world.authenticate(client_id, secret)
        if bot is None:
            return _oauth_json(401, {"error": "invalid_client"})
        token = self._world.tokens.get(form.get("token", ""))
        if token is not None and token.bot is bot:
            token.revoked = True
        return empty(200)

    async def _userinfo(self, request: web.Request) -> web.Response:
        # It needs a user's token, and there are no users' tokens here.
        return _html(403, _FORBIDDEN) if self._bearer(request) else empty(403)

    def _bearer(self, request: web.Request) -> Token | None:
        scheme, _, value = request.headers.get("Authorization", "").partition(" ")
        return self._world.live_token(value.strip(), self._clock.now()) if scheme.lower() == "bearer" else None

    # reading

    async def _all_categories(self, _: web.Request) -> web.Response:
        def make() -> Any:
            active = (each for each in self._world.categories.values() if each.active)
            return {"categories": [wire.category_summary(each) for each in active]}

        return self._public(self.caches.category_s, self._copy("categories", self.caches.category_s, make))

    async def _all_races(self, _: web.Request) -> web.Response:
        def make() -> Any:
            now = self._clock.now()
            shown = (r for r in self._world.current.values() if r.category.active and not r.settings.unlisted)
            return {"races": [wire.race_summary(each, now, with_category=True) for each in shown]}

        return self._public(self.caches.races_s, self._copy("races", self.caches.races_s, make))

    async def _category(self, request: web.Request) -> web.Response:
        category = self._active_category(request)
        if category is None:
            return _html(404, _NOT_FOUND)
        self._stats.public_polls[category.slug] += 1
        saves = self._world.saves.get(category.slug, 0)
        copy = self._copy(
            f"public {category.slug}",
            self.caches.category_s,
            lambda: self._category_data(category, unlisted=False),
            saves,
        )
        return self._public(self.caches.category_s, copy)

    async def _bot_category(self, request: web.Request) -> web.Response:
        self._stats.polls[request.match_info["category"]] += 1
        token = self._bearer(request)
        if token is None:
            return empty(403)
        category = self._active_category(request)
        if category is None:
            return _html(404, _NOT_FOUND)
        key = f"bot {category.slug}"
        # A warm copy is given to any live bot token: the real site checks the category only when it makes the copy.
        if not self._is_warm(key, self.caches.category_s) and self._world.bot_for(token, category) is None:
            return _html(403, _FORBIDDEN)
        copy = self._copy(key, self.caches.category_s, lambda: self._category_data(category, unlisted=True))
        return self._public(self.caches.category_s, copy)

    def _category_data(self, category: Category, *, unlisted: bool) -> Any:
        races = self._world.races_of(category, current=True)
        shown = [each for each in races if unlisted or not each.settings.unlisted]
        return wire.category_data(category, shown, self._clock.now())

    async def _race(self, request: web.Request) -> web.Response:
        race = self._race_of(request)
        if race is None:
            return _html(404, _NOT_FOUND)
        copy = self._copy(f"race {race}", self.caches.race_s, lambda: wire.race(race, self._clock.now()))
        return self._public(self.caches.race_s, copy)

    async def _race_page(self, request: web.Request) -> web.Response:
        """Show a race to a person who followed a link; far plainer than the real site does."""
        race = self._race_of(request)
        if race is None:
            return _html(404, _NOT_FOUND)
        entrants = ", ".join(f"{race.name_of(each)} ({each.state})" for each in race.entrants) or "nobody yet"
        words = f"A simulated race for {race.goal_name}, {race.state}. Entrants: {entrants}."
        return _html(200, f"{escape(str(race))}</h1><p>{escape(words)}")

    async def _past_races(self, request: web.Request) -> web.Response:
        category = self._active_category(request)
        if category is None:
            return _html(404, _NOT_FOUND)
        # Assumption: finished and listed ones only; a page beyond the last one is the last one.
        past = [
            each
            for each in self._world.races_of(category, current=False)
            if each.state is RaceState.FINISHED and not each.settings.unlisted
        ]
        past.sort(key=lambda each: each.over_at, reverse=True)
        per_page = min(max(_number(request.query.get("per_page"), 10), 1), 100)
        pages = max(1, -(-len(past) // per_page))
        page = min(max(_number(request.query.get("page"), 1), 1), pages)
        with_entrants = forms.is_true(request.query.get("show_entrants", ""))
        now = self._clock.now()
        shown = past[(page - 1) * per_page : page * per_page]
        races = [wire.race_summary(each, now, with_entrants=with_entrants) for each in shown]
        headers = {"X-Date-Exact": wire.exact_time(now)}
        return _json(200, {"count": len(past), "num_pages": pages, "races": races}, headers)

    # writing

    async def _start_page(self, request: web.Request) -> web.Response:
        category = self._world.categories.get(request.match_info["category"])
        return _html(200, f"Start new {category.short_name} race</h1><p>") if category else _html(404, _NOT_FOUND)

    async def _start(self, request: web.Request) -> web.Response:
        form = await _form(request)
        # Inactive categories open rooms all the same, as the real site does.
        category = self._world.categories.get(request.match_info["category"])
        if category is None:
            return _html(404, _NOT_FOUND)
        self._stats.startraces[category.slug] += 1
        bot = self._writer(request, category)
        if bot is None:
            return empty(403)
        try:
            race = self._world.start_race(bot, category, form, self._clock.now())
        except forms.FormInvalid as invalid:
            return _json(422, {"errors": invalid.errors})
        return empty(201, {"Location": f"/{race}"})

    async def _edit(self, request: web.Request) -> web.Response:
        form = await _form(request)
        race = self._race_of(request)
        if race is None:
            return _html(404, _NOT_FOUND)
        self._stats.edits[race.category.slug] += 1
        bot = self._writer(request, race.category)
        if bot is None:
            return empty(403)
        try:
            self._world.edit_race(bot, race, form, self._clock.now())
        except Refused:
            return empty(403)
        except forms.FormInvalid as invalid:
            return _json(422, {"errors": invalid.errors})
        return empty(200)

    def _writer(self, request: web.Request, category: Category) -> Bot | None:
        token = self._bearer(request)
        return self._world.bot_for(token, category) if token and "create_race" in token.scopes else None

    def _active_category(self, request: web.Request) -> Category | None:
        category = self._world.categories.get(request.match_info["category"])
        return category if category and category.active else None

    def _race_of(self, request: web.Request) -> Race | None:
        return self._world.race(request.match_info["category"], request.match_info["race"])

    # copies

    def _is_warm(self, key: str, life_s: float, stamp: int = 0) -> bool:
        made_at, made_from, _ = self._copies.get(key, (float("-inf"), 0, b""))
        return self._clock.monotonic() - made_at < life_s and made_from == stamp

    def _copy(self, key: str, life_s: float, make: Callable[[], Any], stamp: int = 0) -> bytes:
        """Return the kept copy, or a new one once it is too old or was made from another `stamp`."""
        if not self._is_warm(key, life_s, stamp):
            if len(self._copies) >= MAX_COPIES:
                self._copies.clear()
            self._copies[key] = self._clock.monotonic(), stamp, orjson.dumps(make())
        return self._copies[key][2]

    def _public(self, max_age_s: float, body: bytes) -> web.Response:
        headers = {
            "Cache-Control": f"public, max-age={max_age_s:.0f}, must-revalidate",
            "X-Date-Exact": wire.exact_time(self._clock.now()),
        }
        return web.Response(body=body, content_type="application/json", headers=headers)


def not_found() -> web.Response:
    """Return the site's page for everything that is not there, such as a path with a trailing slash."""
    return _html(404, _NOT_FOUND)


def finish_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Add the headers that every answer of the site carries."""
    response.headers.update(_SECURITY_HEADERS)
    looked_at_session = request.path.startswith("/o/") and request.headers.get("Authorization", "").startswith(
        "Bearer "
    )
    response.headers["Vary"] = "Authorization, Cookie, origin" if looked_at_session else "Authorization, origin"


async def _form(request: web.Request) -> dict[str, str]:
    """Return the form fields; any other kind of body counts as empty."""
    if request.content_type != "application/x-www-form-urlencoded":
        return {}
    return {name: value for name, value in (await request.post()).items() if isinstance(value, str)}


async def credentials(request: web.Request) -> tuple[str, str]:
    """Return the client id and secret of a token request, from the header or the form; empty if missing."""
    form = await _form(request)
    return _basic_auth(request) or (form.get("client_id", ""), form.get("client_secret", ""))


def _basic_auth(request: web.Request) -> tuple[str, str] | None:
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, secret = b64decode(value, validate=True).decode().partition(":")
    except ValueError:
        return None
    return name, secret


def _number(text: str | None, default: int) -> int:
    return int(text) if text and text.isdecimal() else default


def _json(status: int, body: Any, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(body), content_type="application/json", headers=headers)


def _oauth_json(status: int, body: Any, headers: dict[str, str] | None = None) -> web.Response:
    return _json(status, body, {"Cache-Control": "no-store", "Pragma": "no-cache", **(headers or {})})


def invalid_client() -> web.Response:
    """Return the refusal of credentials, the same for wrong ones and for a bot that was deactivated."""
    return _oauth_json(401, {"error": "invalid_client"}, {"WWW-Authenticate": 'Bearer error="invalid_client"'})


def empty(status: int, headers: dict[str, str] | None = None) -> web.Response:
    """Return an answer without a body."""
    return web.Response(status=status, text="", content_type=HTML, charset="utf-8", headers=headers)


def _html(status: int, inner: str) -> web.Response:
    title = inner.partition("<")[0]
    page = (
        f'\n<!doctype html>\n<html lang="en">\n<head>\n  <title>{title}</title>\n</head>\n<body>\n'
        f"  <h1>{inner}</p>\n</body>\n</html>\n"
    )
    return web.Response(status=status, text=page, content_type=HTML, charset="utf-8")
