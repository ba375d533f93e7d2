"""The command with a web configuration file: real Prometheus scrapes it over TLS, as a user of basic auth."""

import asyncio
import ssl
import stat
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import bcrypt

from tests import certificates
from tests.e2e.command import exporter, run_to_end
from tests.e2e.prometheus import prometheus
from tests.e2e.site import site

SCRAPE = """scheme: https
tls_config: {{ca_file: {ca}}}
basic_auth: {{username: prometheus, password: {password}}}
"""


def web_config(folder: Path, password: str) -> Path:
    cert, key = certificates.issue(folder, "own", "127.0.0.1")
    stored = bcrypt.hashpw(password.encode(), bcrypt.gensalt(8)).decode()
    path = folder / "web.yml"
    tls = f"tls_server_config: {{cert_file: {cert.name}, key_file: {key.name}}}\n"
    path.write_text(f"{tls}basic_auth_users: {{prometheus: {stored}}}\n")
    return path


async def presented(url: str) -> bytes:
    """Return the certificate that a new connection is shown."""
    parts, context = urlsplit(url), ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection(parts.hostname, parts.port, ssl=context)
    found: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    await writer.wait_closed()
    return found


async def test_prometheus_scrapes_over_tls_with_a_password(tmp_path: Path) -> None:
    certificates.authority().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    path = web_config(tmp_path, "good-word")
    more = SCRAPE.format(ca=tmp_path / "ca.pem", password="good-word")
    async with (
        site(tmp_path) as held,
        exporter(held.config, tmp_path / "data", f"--web.config.file={path}") as running,
        prometheus(running.url, tmp_path, more=more) as server,
    ):
        assert running.url.startswith("https://")
        await server.until("up", ("job",), {("bot-exporter",): 1})
        await server.until("sum(bot_up)", (), {(): 4})
        await server.until("bot_exporter_web_config_reload_successful", (), {(): 1})

        before, own_key = await presented(running.url), (tmp_path / "own.key").read_text()
        certificates.issue(tmp_path, "own", "127.0.0.1")
        new_key = (tmp_path / "own.key").read_text()
        (tmp_path / "own.key").write_text(own_key)
        await server.until("bot_exporter_web_config_reload_successful", (), {(): 0})
        assert await presented(running.url) == before
        (tmp_path / "own.key").write_text(new_key)
        await server.until("bot_exporter_web_config_reload_successful", (), {(): 1})
        assert await presented(running.url) != before
        await server.until("up", ("job",), {("bot-exporter",): 1})

        address = urlsplit(running.url).netloc
        flags = ("--healthcheck", f"--web.listen-address={address}")
        assert (await run_to_end(*flags, f"--web.config.file={path}")).code == 0
        assert (await run_to_end(*flags)).code == 1
    assert not any("good-word" in line for line in running.log)


async def test_a_wrong_password_is_not_let_in(tmp_path: Path) -> None:
    certificates.authority().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    path = web_config(tmp_path, "good-word")
    more = SCRAPE.format(ca=tmp_path / "ca.pem", password="bad-word")
    async with (
        site(tmp_path) as held,
        exporter(held.config, tmp_path / "data", f"--web.config.file={path}") as running,
        prometheus(running.url, tmp_path, more=more) as server,
    ):
        await server.until("up", ("job",), {("bot-exporter",): 0})
    assert not any("bad-word" in line for line in running.log)


async def test_a_bad_web_configuration_is_refused_with_the_place(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("bots: []\npots: []\n")
    (tmp_path / "web.yml").write_text("http_server_config: {http3: true}\nbasic_auth_users: {ann: hidden}\n")
    flags = (f"--config.file={tmp_path / 'config.yaml'}", f"--web.config.file={tmp_path / 'web.yml'}")
    for more in (("--config.check",), (f"--data.dir={tmp_path / 'data'}",)):
        ended = await run_to_end(*flags, *more)
        assert ended.code == 2
        places = [line.split(": ")[1:3] for line in ended.err.splitlines()]
        assert [(Path(place).name, key) for place, key in places] == [
            ("config.yaml:2", "pots"),
            ("web.yml:1", "http_server_config.http3"),
            ("web.yml:2", "basic_auth_users.ann"),
        ]
        assert "hidden" not in ended.err


async def test_the_key_that_is_made_opens_what_is_closed(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("bots: []\nweb: {metrics_key: true}\n")
    data_dir = tmp_path / "data"
    texts = set[str]()
    for _ in range(2):
        async with exporter(tmp_path / "config.yaml", data_dir) as running, aiohttp.ClientSession() as session:
            (line,) = [line for line in running.greeting if "admin key" in line]
            path = data_dir / "admin.key"
            assert line.split()[2] == str(path)
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            text = path.read_text().strip()
            texts.add(text)
            for headers, status in (({}, 401), ({"Authorization": f"Bearer {text}"}, 200)):
                async with session.get(f"{running.url}/metrics", headers=headers) as answer:
                    assert answer.status == status
        assert not any(text in line for line in (*running.log, *running.greeting))
    assert len(texts) == 1
