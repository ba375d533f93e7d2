"""What reads bytes of strangers, beyond what each module's own tests try: all is read, or refused as documented."""

import asyncio
import json
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import example, given
from hypothesis import strategies as st
from multidict import CIMultiDict
from structlog.testing import capture_logs

from exporter.ctl.board import Board
from exporter.ctl.failures import CtlError
from exporter.ctl.locate import Given, locate
from exporter.endpoint import ENDPOINT_FILE, EndpointError, read_endpoint
from exporter.errors import ConfigError
from exporter.metrics.negotiation import Format, allows_gzip, choose_format
from exporter.platforms.dota2.objects import LobbyCache
from exporter.platforms.dota2.proto import dota2_pb2 as pb
from exporter.platforms.steam.tokens import TokenStore, token_facts
from exporter.web.answers import HttpProblem
from exporter.web.clients import Client, Clients
from exporter.web.control.requests import ask_of, wait_s
from exporter.web.failures import Failures
from exporter.web.history import _number, _time
from exporter.web.keys import Access, AccessRules, Gate
from exporter.web.passwords import Passwords
from exporter.web.stream.feed import is_websocket, takes_events
from exporter.web.stream.frames import Frames
from exporter.web_config import load_web_config
from tests.clock import ManualClock
from tests.foreign import much

HEADER = st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=200)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FACTS = st.sampled_from(["url", "metrics", "pid", "version", "account", "steamid", "refresh_token", "guard_data"])


# --- files on the disk ---


@much
@given(st.binary(max_size=300) | st.dictionaries(FACTS, JSON).map(json.dumps).map(str.encode))
@example(b'{"url": "http://localhost", "metrics": "/metrics", "pid": Infinity, "version": "1"}')
@example(b'{"url": "http://localhost", "metrics": "/metrics", "pid": 1e400, "version": "1"}')
@example(b'{"url": "http://localhost", "metrics": "/metrics", "pid": ' + b"9" * 5000 + b', "version": "1"}')
@example(b"[" * 60_000)
def test_any_endpoint_file_is_read_or_explained(tmp_path: Path, content: bytes) -> None:
    (tmp_path / ENDPOINT_FILE).write_bytes(content)
    try:
        found = read_endpoint(tmp_path)
    except EndpointError as error:
        assert str(tmp_path) in str(error)  # noqa: PT017
        found = None
    try:
        locate(Given(data_dir=tmp_path), {})
    except CtlError:
        return
    assert found is not None


@much
@given(st.binary(max_size=300) | st.dictionaries(FACTS, JSON).map(json.dumps).map(str.encode))
@example(b'{"account": "ann", "steamid": 1e400, "refresh_token": "", "guard_data": ""}')
@example(b'{"account": "ann", "steamid": -1, "refresh_token": "", "guard_data": ""}')
@example(b"[" * 60_000)
def test_any_token_file_is_read_or_put_aside(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bot.json"
    path.write_bytes(content)
    with capture_logs() as logs:
        stored = TokenStore(tmp_path).load("bot", "ann")
    assert stored.account == "ann"
    assert 0 <= stored.steamid < 1 << 64
    facts = token_facts(stored.refresh_token)
    assert facts.steamid is None or 0 <= facts.steamid < 1 << 64
    assert not [each for each in logs if content.decode(errors="replace")[:50] in str(each) and len(content) > 20]


WORDS = """tls_server_config: |basic_auth_users: |http_server_config: |rate_limit: |cert_file: own.pem|key_file: a.key
|min_version: TLS13|cipher_suites: []|ann: $2y$05$x|&a |*a|headers: {X: y}|interval: 1s|burst: 1|!!python/object:os.x
|client_allowed_sans: |  | |{|}|[|]|'|"|\0"""
SNIPPETS = st.sampled_from(WORDS.split("|"))


@much
@given(st.binary(max_size=200) | st.lists(SNIPPETS, max_size=20).map(lambda parts: "".join(parts).encode()))
def test_any_web_configuration_loads_or_explains(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "web.yml"
    path.write_bytes(content)
    try:
        load_web_config(path)
    except ConfigError as error:
        assert error.problems  # noqa: PT017


# --- the coordinator's shared objects ---


@much
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["subscribed", "unsubscribed", "put", "removed", "several"]),
            st.integers(0, 2**64 - 1),
            st.sampled_from([2004, 2013, 2014, 2006, 0, -1, 2**31 - 1]),
            st.binary(max_size=120),
        ),
        max_size=30,
    )
)
def test_no_shared_objects_make_it_raise_or_grow(steps: list[tuple[str, int, int, bytes]]) -> None:
    odd: list[str] = []
    known = LobbyCache(76561197960265729, odd=odd.append, unknown=lambda: None)
    for method, owner, kind, data in steps:
        single = pb.CMsgSOSingleObject(type_id=kind, object_data=data)
        single.owner_soid.id = owner
        message: Any = single
        if method == "subscribed":
            message = pb.CMsgSOCacheSubscribed()
            message.objects.add(type_id=kind, object_data=[data, data])
        elif method == "unsubscribed":
            message = pb.CMsgSOCacheUnsubscribed()
        elif method == "several":
            message = pb.CMsgSOMultipleObjects()
            for each in (message.objects_added, message.objects_modified, message.objects_removed):
                each.add(type_id=kind, object_data=data)
        message.owner_soid.id = owner
        getattr(known, method)(message)
    assert len(known._statics) <= 16


# --- what stands in requests ---


@much
@given(HEADER, HEADER)
@example("," * 8000, ";" * 8000)
@example("text/plain;q=" + "0" * 8000, "gzip;q=1." + "0" * 8000)
@example("*/*;" + "version=" * 1000, "gzip" * 2000)
def test_no_negotiation_is_slow_or_fatal(accept: str, encoding: str) -> None:
    assert choose_format(accept) in Format
    assert allows_gzip(encoding) in (True, False)
    request = make_mocked_request("GET", "/", headers={"Accept": accept, "Upgrade": encoding})
    takes_events(request)
    is_websocket(request)


@much
@given(st.text(max_size=60) | st.from_regex(r"[0-9a-z]{1,40}-[0-9]{1,30}", fullmatch=True))
@example("boot-999999999999999999")
@example("boot-" + "9" * 10_000)
@example("boot-١٢")
def test_no_cursor_of_the_feed_is_fatal(cursor: str) -> None:
    found = Frames("boot").position(cursor)
    assert found is None or 0 <= found < 10**18


@much
@given(st.text(max_size=40) | st.floats().map(str) | st.integers().map(str) | st.datetimes().map(str))
@example("٣")
@example("9" * 5000)
@example("0001-01-01T00:00:00+23:59")
@example("9999-12-31T23:59:59-23:59")
@example("nan")
@example("1" * 19)
def test_no_query_is_fatal(text: str) -> None:
    """Numbers, times and durations: read, or refused in words."""
    query = urlencode({"before": text, "since": text, "wait": text}, errors="surrogatepass")
    request = make_mocked_request("GET", f"/?{query}")
    readers: list[Callable[[], float | None]] = [
        lambda: _number(request, "before", least=0, most=2**63 - 1),
        lambda: _time(request, "since"),
        lambda: wait_s(request),
    ]
    for reader in readers:
        try:
            found = reader()
        except HttpProblem as problem:
            assert problem.status == 400  # noqa: PT017
        else:
            assert found is None or abs(found) < 2**63


@much
@given(st.lists(HEADER | st.ip_addresses().map(str), max_size=6))
@example(["127.0.0.1," * 2000])
@example(["::ffff:127.0.0.1%" + "e" * 1000])
def test_no_forwarded_for_is_slow_or_fatal(forwarded: list[str]) -> None:
    headers = CIMultiDict([("X-Forwarded-For", each) for each in forwarded])
    connection = SimpleNamespace(peername=("10.0.0.1", 1), sockname=("10.0.0.2", 9977), ssl_context=None)
    request = make_mocked_request("GET", "/", headers=headers, protocol=connection)
    trusting = Clients(lambda _: True, [ip_network("10.0.0.0/8"), ip_network("127.0.0.0/8")])
    assert trusting.of(request).group
    assert Clients(lambda _: True).of(request).group == "10.0.0.1"  # nobody is trusted: it counts for nothing


@much
@given(HEADER | HEADER.map("Basic {}".format) | HEADER.map("Bearer {}".format), HEADER)
@example("Basic " + "=" * 8000, "")
@example("Basic \xff", "\xff")
@example("Basic Og==", "")
@example("Bearer", "bearer ")
def test_no_credentials_are_fatal_or_told(authorization: str, key: str) -> None:
    headers = {"Authorization": authorization, "X-API-Key": key}
    for users in ({}, {"ann": b"$2b$04$" + b"x" * 53}):
        gate = Gate(AccessRules(), Failures(ManualClock()), Passwords(users))
        with pytest.raises(HttpProblem) as refused:
            asyncio.run(gate.admit(Access.ADMIN, headers, Client("198.51.100.1", loopback=False)))
        assert refused.value.status == 401
        assert len(key) < 20 or key not in refused.value.detail


@much
@given(st.lists(HEADER, max_size=3))
def test_no_idempotency_key_is_fatal(keys: list[str]) -> None:
    headers = CIMultiDict([("Idempotency-Key", each) for each in keys])
    try:
        asked = ask_of(make_mocked_request("POST", "/x", headers=headers), b"")
    except HttpProblem as problem:
        assert problem.status == 400  # noqa: PT017
    else:
        assert asked.key is None or 1 <= len(asked.key) <= 200


# --- what botctl hears ---


FRAMES = st.fixed_dictionaries(
    {"type": st.sampled_from(["snapshot", "change", "heartbeat"]), "cursor": st.text(max_size=9) | JSON}
    | {"kind": st.none() | st.text(max_size=9), "id": JSON, "data": JSON}
)


@much
@given(st.lists(JSON | FRAMES, max_size=8))
def test_no_frame_of_the_feed_is_fatal(frames: list[Any]) -> None:
    board = Board()
    for each in frames:
        try:
            board.receive(json.loads(json.dumps(each)))
        except (ValueError, KeyError, TypeError, RecursionError):  # what exporter/ctl/stream.py expects
            board = Board()
