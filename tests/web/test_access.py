"""Who may ask what, by which name and from which page: the whole route table against hosts, origins and keys."""

import itertools
import re

import pytest
from structlog.testing import capture_logs

from exporter.web.failures import WINDOW_S
from exporter.web.keys import AccessKey, AccessRules
from exporter.web.routes import STREAM
from exporter.web.settings import WebSettings
from tests.web.fleet import ADMIN_KEY, KEYS, READ_KEY, Fleet

RULES = AccessRules(KEYS)
ON_LOOPBACK = WebSettings(listen=(("127.0.0.1", 0),), access=RULES, external_url="https://bots.example.org")
EVERYWHERE = WebSettings(listen=(("0.0.0.0", 0),), access=RULES, external_url="https://bots.example.org")  # noqa: S104
EVERYWHERE_OPEN = WebSettings(listen=(("0.0.0.0", 0),), access=AccessRules(KEYS, open_reads=True))  # noqa: S104

SENT_KEYS: tuple[tuple[dict[str, str], str | None], ...] = (
    ({}, None),
    ({"X-API-Key": READ_KEY}, "read"),
    ({"X-API-Key": ADMIN_KEY}, "admin"),
    ({"Authorization": f"Bearer {READ_KEY}"}, "read"),
    ({"Authorization": f"bearer  {ADMIN_KEY}"}, "admin"),
    ({"X-API-Key": "wrong"}, None),
    ({"X-API-Key": ""}, None),
    ({"X-API-Key": "ключ"}, None),
    ({"Authorization": f"Basic {READ_KEY}"}, None),
    ({"Authorization": "Bearer"}, None),
)
ORIGINS = (None, "https://evil.example", "https://bots.example.org", "null")
HOSTS: tuple[tuple[str | None, bool], ...] = (
    (None, True),
    ("localhost", True),
    ("bots.example.org", True),
    ("evil.example", False),
)


# What an admin gets whose order is empty, or about what does not exist; 503 because there is no database.
ADMITTED = {200, 404, 422, 503}


def filled(path: str) -> str:
    """Return a path of the pattern; what it names need not exist."""
    return re.sub(r"{.*?}", "nothing", path)


@pytest.mark.parametrize("settings", [ON_LOOPBACK, EVERYWHERE, EVERYWHERE_OPEN], ids=["loopback", "beyond", "open"])
async def test_every_route_against_hosts_origins_and_keys(settings: WebSettings) -> None:
    reads_are_open = settings is not EVERYWHERE
    async with Fleet(settings) as fleet:
        for route, (host, known), origin, (sent, role) in itertools.product(
            fleet.server.routes, HOSTS, ORIGINS, SENT_KEYS
        ):
            headers = sent | ({"Host": host} if host else {}) | ({"Origin": origin} if origin else {})
            answer = await fleet.call(filled(route.path), route.method, headers=headers)
            if not known or (host == "bots.example.org" and settings.external_url is None):
                allowed = {421}
            elif route.method != "GET" and origin not in (None, settings.external_url):
                allowed = {403}
            elif route.path == STREAM and (reads_are_open or role):
                allowed = {406}  # neither a WebSocket nor events are asked for
            elif route.access in ("public", "page", "metrics") or (route.access == "read" and (reads_are_open or role)):
                allowed = {200, 404, 422} if "{" in route.path or route.path == "/lobby/info" else {200, 201}
            elif route.access == "admin" and role:
                allowed = ADMITTED if role == "admin" else {403}
            else:
                allowed = {401}  # before anybody learns whether the thing exists
            assert answer.status in allowed, (route.path, headers)
            assert "Access-Control-Allow-Origin" not in answer.headers
            if answer.status == 401:
                fleet.clock.skip(WINDOW_S)  # this is not about how many may be wrong


async def test_a_missing_key_is_explained() -> None:
    async with Fleet(EVERYWHERE) as fleet:
        answer = await fleet.call("/status")
        detail = (await answer.json())["detail"]
        wrong = await fleet.call("/status", headers={"X-API-Key": "guess"})
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="bot-exporter"'
        assert all(word in detail for word in ("X-API-Key", "Authorization: Bearer", "web.keys"))
        assert wrong.status == 401
        assert "not known" in (await wrong.json())["detail"]


async def test_keys_show_up_nowhere() -> None:
    with capture_logs() as logs:
        async with Fleet(EVERYWHERE) as fleet:
            fleet.metrics.error = RuntimeError("bug")
            texts = []
            for path in ("/status", "/nowhere", "/metrics"):
                for key in (READ_KEY, "a-wrong-key"):
                    answer = await fleet.call(path, headers={"X-API-Key": key, "Authorization": f"Bearer {key}"})
                    texts.append(await answer.text() + str(answer.headers))
    assert not any(word in str(logs) + "".join(texts) + repr(EVERYWHERE) for word in (READ_KEY, "a-wrong-key"))


async def test_other_keys_after_a_reload() -> None:
    async with Fleet(EVERYWHERE) as fleet:
        fleet.server.change_access(AccessRules((AccessKey.of("new", "read", "fresh"),)))
        assert (await fleet.call("/status", headers={"X-API-Key": READ_KEY})).status == 401
        assert (await fleet.call("/status", headers={"X-API-Key": "fresh"})).status == 200
        fleet.server.change_access(AccessRules(open_reads=True))
        assert (await fleet.call("/status")).status == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("127.0.0.1:1", 200),  # forwarded ports are other ports
        ("LocalHost:8080", 200),
        ("localhost.", 200),
        ("127.0.0.2", 421),
        ("[::1]", 421),
        ("192.0.2.7", 421),
        ("rebound.example:9977", 421),
        ("localhost.evil.example", 421),
        ("localhost:evil", 421),
        ("user@localhost", 421),
        ("[localhost]", 421),
        ("[::1", 421),
        ("localhost:٣", 421),
    ],
)
async def test_names_of_a_loopback_server(fleet: Fleet, host: str, status: int) -> None:
    answer = await fleet.call("/status", headers={"Host": host})
    assert answer.status == status
    if status == 421:
        assert "--web.external-url" in (await answer.json())["detail"]


@pytest.mark.parametrize(
    ("host", "status"), [("192.0.2.7:9977", 200), ("0.0.0.0:9977", 200), ("[2001:db8::1]:80", 200), ("a.example", 421)]
)
async def test_names_of_a_server_on_every_address(host: str, status: int) -> None:
    async with Fleet(EVERYWHERE_OPEN) as fleet:
        assert (await fleet.call("/status", headers={"Host": host})).status == status


ACTS = [("POST", {}), ("DELETE", {}), ("GET", {"Connection": "Upgrade", "Upgrade": "websocket"})]


@pytest.mark.parametrize(("method", "headers"), ACTS, ids=["POST", "DELETE", "websocket"])
async def test_foreign_pages_may_not_act(fleet: Fleet, method: str, headers: dict[str, str]) -> None:
    own = fleet.url("")
    for origin in ("https://evil.example", "null", "http://127.0.0.1:1", own.replace("http", "ftp"), f"{own}0", "//["):
        answer = await fleet.call("/status", method, headers=headers | {"Origin": origin})
        assert answer.status == 403, origin
        assert "origin" in (await answer.json())["detail"]
    answer = await fleet.call("/status", method, headers=headers | {"Origin": own})
    assert answer.status == (200 if method == "GET" else 405)


async def test_the_external_url_is_an_own_origin() -> None:
    async with Fleet(ON_LOOPBACK) as fleet:
        for origin, status in (("https://bots.example.org", 405), ("https://bots.example.org:8443", 403)):
            assert (await fleet.call("/status", "POST", headers={"Origin": origin})).status == status


async def test_the_table_names_every_route_once_and_describes_it(fleet: Fleet) -> None:
    rows = [(route.method, route.path) for route in fleet.server.routes]
    assert len(rows) == len(set(rows))
    assert all(route.handler.__doc__ for route in fleet.server.routes)


async def test_what_changes_anything_needs_an_admin(fleet: Fleet) -> None:
    # The older service's way to ask for a lobby, and what lets who may read open a stream.
    asks_only = {("POST", "/lobby/info"), ("POST", "/api/v1/stream-tickets")}
    for route in fleet.server.routes:
        acts = route.method != "GET" and (route.method, route.path) not in asks_only
        told = route.path.startswith("/api/v1/orders/")  # what admins have ordered
        assert (route.access == "admin") == (acts or told), route
