"""The web configuration file on a real server: TLS, rotation, client certificates, users, headers, the rate limit."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import bcrypt
import pytest
import uvloop
from structlog.testing import capture_logs

from exporter.web.healthcheck import healthcheck
from exporter.web.keys import AccessRules
from exporter.web.live import LOOK_S
from exporter.web.settings import Limits, WebSettings
from exporter.web_config import load_web_config
from tests import certificates
from tests.eventually import eventually
from tests.web.fleet import ADMIN_KEY, KEYS, READ_KEY, Fleet

TLS = "tls_server_config:\n  cert_file: own.pem\n  key_file: own.key\n"
CLIENTS = "  client_ca_file: clients.pem\n  client_auth_type: RequireAndVerifyClientCert\n"
ANN = f"basic_auth_users:\n  ann: {bcrypt.hashpw(b'pass', bcrypt.gensalt(4)).decode()}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    certificates.issue(tmp_path, "own")
    certificates.authority("clients").cert_pem.write_to_path(str(tmp_path / "clients.pem"))
    return tmp_path


@asynccontextmanager
async def serving(
    folder: Path, text: str, *, open_reads: bool = False, limits: Limits | None = None
) -> AsyncIterator[Fleet]:
    (folder / "web.yml").write_text(text)
    settings = WebSettings(
        listen=(("127.0.0.1", 0),),
        access=AccessRules(KEYS, open_reads=open_reads),
        web_config=load_web_config(folder / "web.yml"),
        limits=limits or Limits(),
    )
    async with Fleet(settings) as fleet:
        yield fleet


async def rewritten(fleet: Fleet, folder: Path, text: str) -> None:
    """Change the file and wait until the server has looked."""
    (folder / "web.yml").write_text(text)
    await looked(fleet)


def is_good(fleet: Fleet) -> bool | None:
    return fleet.process.web_config_ok


async def looked(fleet: Fleet) -> None:
    live = fleet.server._live
    assert live is not None
    await live.look()


def client(*identities: str, authority: str = "clients") -> ssl.SSLContext:
    """Return a client that trusts the server, with a certificate of its own if it is somebody."""
    context = ssl.create_default_context()
    certificates.authority().configure_trust(context)
    if identities:
        certificates.authority(authority).issue_cert(*identities).configure_cert(context)
    return context


def login(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


async def status_of(
    fleet: Fleet, path: str = "/status", *, ssl: ssl.SSLContext | None = None, headers: dict[str, str] | None = None
) -> int:
    return (await fleet.call(path, ssl=ssl or client(), headers=headers)).status


async def serial(fleet: Fleet) -> int:
    """Return the serial number of the certificate that a new connection gets."""
    _, writer = await asyncio.open_connection(*fleet.server.addresses[0], ssl=client(), server_hostname="localhost")
    found = writer.get_extra_info("peercert")["serialNumber"]
    writer.close()
    await writer.wait_closed()
    return int(found, 16)


# --- TLS ---


async def test_tls(folder: Path) -> None:
    async with serving(folder, TLS) as fleet:
        assert fleet.url("/").startswith("https://")
        assert await status_of(fleet) == 200
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await fleet.call("/status", ssl=ssl.create_default_context())
        with pytest.raises(aiohttp.ClientError):
            await fleet.client.get(fleet.url("/status").replace("https", "http"))
        assert await status_of(fleet) == 200
        text = await (await fleet.call("/", ssl=client())).text()
        assert "scheme: https" in text


async def test_reads_on_loopback_need_no_key_over_tls_either(folder: Path) -> None:
    async with serving(folder, TLS) as fleet:
        assert await status_of(fleet, "/status") == 200


async def test_a_new_certificate_is_used_without_a_restart(folder: Path) -> None:
    async with serving(folder, TLS) as fleet:
        await looked(fleet)
        first = await serial(fleet)
        reader, writer = await asyncio.open_connection(
            *fleet.server.addresses[0], ssl=client(), server_hostname="localhost"
        )
        for number in range(2):
            if number:
                certificates.issue(folder, "own")
                await looked(fleet)
                assert await serial(fleet) != first
            writer.write(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n")  # an old connection goes on
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200")
            await reader.readline()
        writer.close()
        await writer.wait_closed()


async def test_the_watch_looks_every_second(folder: Path) -> None:
    async with serving(folder, TLS) as fleet:
        first, live = await serial(fleet), fleet.server._live
        assert live is not None
        old = live.current
        certificates.issue(folder, "own")
        await fleet.clock.advance(LOOK_S)
        await eventually(lambda: live.current is not old)
        assert await serial(fleet) != first


async def test_a_half_replaced_pair_and_a_broken_file_change_nothing(folder: Path) -> None:
    async with serving(folder, TLS) as fleet:
        await looked(fleet)
        first, key = await serial(fleet), (folder / "own.key").read_text()
        certificates.issue(folder, "own")
        new_key = (folder / "own.key").read_text()
        (folder / "own.key").write_text(key)
        with capture_logs() as logs:
            await looked(fleet)
            await looked(fleet)
        assert [each["event"] for each in logs] == ["the web configuration cannot be used: the one before stays"]
        assert is_good(fleet) is False
        assert await serial(fleet) == first
        (folder / "own.key").write_text(new_key)
        await looked(fleet)
        assert is_good(fleet) is True
        assert await serial(fleet) != first
        for broken in ("tls_server_config: [", "http_server_config: {headers: {X-Frame-Options: hunter2}}\n"):
            with capture_logs() as logs:
                await rewritten(fleet, folder, broken)
            assert is_good(fleet) is False
            assert "web.yml:1" in str(logs)
            assert "hunter2" not in str(logs)
            assert await status_of(fleet) == 200
        (folder / "web.yml").unlink()
        await looked(fleet)
        assert await status_of(fleet) == 200


async def test_tls_is_never_lost_by_a_mistake(folder: Path) -> None:
    async with serving(folder, TLS) as fleet:
        with capture_logs() as logs:
            await rewritten(fleet, folder, ANN)
        assert "restart it for that" in str(logs)
        assert is_good(fleet) is False
        assert await status_of(fleet) == 200


async def test_clients_have_to_show_a_certificate(folder: Path) -> None:
    async with serving(folder, TLS + CLIENTS) as fleet:
        assert await status_of(fleet, ssl=client("ann.example")) == 200
        for stranger in (client(), client("ann.example", authority="others")):
            with pytest.raises((aiohttp.ClientError, ssl.SSLError)):
                await status_of(fleet, ssl=stranger)


async def test_only_certain_names_may_come_in(folder: Path) -> None:
    names = '  client_allowed_sans: [ann.example, "2001:db8::1", "boss@example.org"]\n'
    async with serving(folder, TLS + CLIENTS + names) as fleet:
        for good in ("ann.example", "2001:db8::1", "boss@example.org"):
            assert await status_of(fleet, ssl=client(good)) == 200, good
        for bad in ("bob.example", "sub.ann.example", "192.0.2.1"):
            with pytest.raises(aiohttp.ClientError):
                await status_of(fleet, ssl=client(bad))
        await rewritten(fleet, folder, TLS + CLIENTS + "  client_allowed_sans: [bob.example]\n")
        assert await status_of(fleet, ssl=client("bob.example")) == 200
        with pytest.raises(aiohttp.ClientError):
            await status_of(fleet, ssl=client("ann.example"))


def test_uvloop_turns_a_stranger_away_as_quietly(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Its transports are none of asyncio's classes."""

    async def scene() -> None:
        async with serving(folder, TLS + CLIENTS + "  client_allowed_sans: [ann.example]\n") as fleet:
            assert await status_of(fleet, ssl=client("ann.example")) == 200
            with pytest.raises(aiohttp.ClientError):
                await status_of(fleet, ssl=client("bob.example"))
            await eventually(lambda: fleet.server._slots._all.taken <= 1)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scene())
    assert not [each for each in caplog.records if each.levelname not in ("DEBUG", "INFO")]


async def test_whoever_never_shakes_hands_is_let_go(folder: Path) -> None:
    async with serving(folder, TLS, limits=Limits(handshake_s=0.1)) as fleet:
        reader, writer = await asyncio.open_connection(*fleet.server.addresses[0])
        async with asyncio.timeout(8):  # less than the limit that there is without a setting
            assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
        assert fleet.server._slots._all.taken == 0


async def test_stop_does_not_wait_for_a_handshake(folder: Path) -> None:
    async with serving(folder, TLS) as fleet:
        _, writer = await asyncio.open_connection(*fleet.server.addresses[0])
        await eventually(lambda: fleet.server._slots._all.taken == 1)
    writer.close()


# --- users ---


async def test_basic_auth(folder: Path) -> None:
    good, bad = login("ann", "pass"), login("ann", "word")
    async with serving(folder, TLS + ANN, open_reads=True) as fleet:
        for path in ("/", "/static/page.js", "/metrics", "/status"):
            refused = await fleet.call(path, ssl=client())
            assert (refused.status, refused.headers["WWW-Authenticate"].split()[0]) == (401, "Basic"), path
            assert await status_of(fleet, path, headers=good) == 200
            assert await status_of(fleet, path, headers={"X-API-Key": READ_KEY}) == 200
        assert await status_of(fleet, headers=bad) == 401
        for path in ("/health", "/-/healthy", "/-/ready"):
            assert await status_of(fleet, path) == 200
        for path, method in (("/status", "GET"), ("/api/v1/drain", "POST")):
            for sent in ({"Authorization": f"Bearer {ADMIN_KEY}"}, {}):
                refused = await fleet.call(path, method, ssl=client(), headers=sent)
                assert (refused.status, refused.headers["WWW-Authenticate"].split()[0]) == (401, "Basic"), path
                assert "X-API-Key" in (await refused.json())["detail"]
        drained = await fleet.call("/api/v1/drain", "POST", ssl=client(), headers={"X-API-Key": ADMIN_KEY})
        assert drained.status == 200


async def test_users_change_without_a_restart(folder: Path) -> None:
    ann, bob = login("ann", "pass"), login("bob", "pass")
    async with serving(folder, ANN) as fleet:
        assert (await fleet.call("/status", headers=ann)).status == 200
        await rewritten(fleet, folder, ANN.replace("ann", "bob"))
        assert (await fleet.call("/status", headers=ann)).status == 401
        assert (await fleet.call("/status", headers=bob)).status == 200
        await rewritten(fleet, folder, "# nobody\n")
        assert (await fleet.call("/status")).status == 200


async def test_passwords_show_up_nowhere(folder: Path) -> None:
    with capture_logs() as logs:
        async with serving(folder, ANN) as fleet:
            fleet.metrics.error = RuntimeError("bug")
            texts = []
            for password in ("pass", "a-wrong-word"):
                answer = await fleet.call("/metrics", headers=login("ann", password))
                texts.append(await answer.text() + str(answer.headers))
            shown = "".join(texts) + str(logs) + repr(fleet.server._settings)
    assert not any(word in shown for word in ("a-wrong-word", "$2b$"))


# --- headers and rate ---


async def test_configured_headers_are_on_every_answer(folder: Path) -> None:
    text = "http_server_config:\n  headers: {X-Frame-Options: sameorigin, Strict-Transport-Security: max-age=9}\n"
    async with serving(folder, text, limits=Limits(head_s=0.1)) as fleet:
        for path in ("/", "/static/page.js", "/metrics", "/status", "/nowhere", "/health"):
            answer = await fleet.call(path)
            assert answer.headers.getall("X-Frame-Options") == ["sameorigin"], path
            assert answer.headers["Strict-Transport-Security"] == "max-age=9"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
        for request, code in ((b"nonsense\r\n\r\n", b"400"), (b"GET / HT", b"408")):
            reader, writer = await asyncio.open_connection(*fleet.server.addresses[0])
            writer.write(request)
            raw = await reader.read()
            assert raw.split()[1] == code
            assert b"X-Frame-Options: sameorigin\r\n" in raw
            writer.close()
            await writer.wait_closed()
        await rewritten(fleet, folder, "# none\n")
        assert (await fleet.call("/")).headers["X-Frame-Options"] == "DENY"


async def test_the_rate_limit_spares_the_probes(folder: Path) -> None:
    async with serving(folder, "rate_limit: {interval: 10s, burst: 2}\n") as fleet:
        assert [(await fleet.call("/status")).status for _ in range(3)] == [200, 200, 429]
        refused = await fleet.call("/metrics")
        assert (refused.status, refused.headers["Retry-After"]) == (429, "10")
        assert refused.content_type == "application/problem+json"
        assert [(await fleet.call(path)).status for path in ("/-/healthy", "/-/ready")] == [200, 200]
        fleet.clock.skip(10)
        assert [(await fleet.call("/status")).status for _ in range(2)] == [200, 429]


# --- --healthcheck ---


@pytest.mark.parametrize(
    "text",
    [TLS, TLS + ANN, ANN, TLS + CLIENTS, TLS + CLIENTS + "  max_version: TLS12\n"],
    ids=["tls", "tls and users", "users", "client certificates", "the same in TLS 1.2"],
)
async def test_the_healthcheck_finds_the_server_alive(folder: Path, text: str) -> None:
    async with serving(folder, text) as fleet:
        settings = WebSettings(listen=(fleet.server.addresses[0],))
        tls = load_web_config(folder / "web.yml").tls
        assert await asyncio.to_thread(healthcheck, settings, tls) == 0
    assert await asyncio.to_thread(healthcheck, settings, tls) == 1


async def test_the_healthcheck_without_the_flag_says_what_is_wrong(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with serving(folder, TLS) as fleet:
        settings = WebSettings(listen=(fleet.server.addresses[0],))
        assert await asyncio.to_thread(healthcheck, settings) == 1
    assert "no answer from 127.0.0.1" in capsys.readouterr().err
