"""By which names a server may be called, and what counts as this machine itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.web.listeners import Listeners
from exporter.web.settings import WebSettings


def listeners(*hosts: str, external: str | None = None) -> Listeners:
    made = Listeners(WebSettings(listen=tuple((host, 80) for host in hosts), external_url=external), "Box.Lan")
    made.bind((host, 80) for host in hosts)
    return made


@pytest.mark.parametrize(
    ("hosts", "header", "accepted"),
    [
        (("127.0.0.1",), "127.0.0.1:80", True),
        (("127.0.0.1",), "[::1]:80", False),
        (("127.0.0.1",), "box.lan", False),
        (("::1",), "[::1]", True),
        (("::1",), "[0:0:0:0:0:0:0:1]:9977", True),
        (("10.0.0.5",), "10.0.0.5", True),
        (("10.0.0.5",), "127.0.0.1", False),
        (("10.0.0.5",), "localhost", True),
        (("Bots.Lan",), "bots.lan:80", True),
        (("",), "box.lan", True),
        (("",), "box.lan.:80", True),
        (("",), "other.lan", False),
        (("0.0.0.0",), "192.0.2.1", True),  # noqa: S104
        (("::",), "[2001:db8::1]:80", True),
        (("::",), "[::]:80", True),
        (("127.0.0.1",), "", False),
        (("127.0.0.1",), ":80", False),
        (("127.0.0.1",), "[127.0.0.1]", False),
        (("127.0.0.1",), "127.0.0.1:80:80", False),
        (("127.0.0.1",), "127.1", False),
    ],
)
def test_names(hosts: tuple[str, ...], header: str, accepted: bool) -> None:
    assert listeners(*hosts).accepts(header) is accepted


@pytest.mark.parametrize(
    ("external", "header"),
    [("https://Bots.Example.org/x", "bots.example.org"), ("http://192.0.2.9:81", "192.0.2.9:81")],
)
def test_the_external_host_is_a_name(external: str, header: str) -> None:
    assert listeners("127.0.0.1", external=external).accepts(header)
    assert not listeners("127.0.0.1").accepts(header)


@given(st.text(max_size=30))
def test_no_other_header_passes_or_fails_badly(header: str) -> None:
    accepted = listeners("127.0.0.1").accepts(header)
    assert not accepted or header.strip().lower().startswith(("127.0.0.1", "localhost"))


@given(st.text(max_size=30), st.text(max_size=30))
def test_no_origin_fails_badly(origin: str, host: str) -> None:
    assert listeners("127.0.0.1").is_own_origin(origin, host) in (True, False)


@pytest.mark.parametrize(
    ("sockname", "loopback"),
    [
        (("127.0.0.1", 80), True),
        (("::1", 80, 0, 0), True),
        (("127.0.0.1", 81), False),  # the listener on every address
        (("10.0.0.5", 80), False),
        ("/run/socket", False),
        (None, False),
    ],
)
def test_loopback(sockname: object, loopback: bool) -> None:
    made = Listeners(WebSettings(listen=(("127.0.0.1", 80), ("::1", 80), ("0.0.0.0", 81))))  # noqa: S104
    made.bind([("127.0.0.1", 80), ("::1", 80), ("0.0.0.0", 81), ("10.0.0.5", 80)])  # noqa: S104
    assert made.is_loopback(sockname) is loopback


@pytest.mark.parametrize(
    ("origin", "host", "own"),
    [
        ("http://localhost:9977", "localhost:9977", True),
        ("http://localhost", "localhost:80", True),
        ("https://localhost", "localhost", True),
        ("https://localhost", "localhost:80", False),
        ("http://localhost:8080", "localhost:9977", False),
        ("http://LOCALHOST:9977", "localhost:9977", True),
        ("https://bots.example", "10.0.0.1:9977", True),
        ("http://bots.example", "10.0.0.1:9977", False),
        ("null", "localhost", False),
        ("", "localhost", False),
        ("file://localhost", "localhost", False),
    ],
)
def test_origins(origin: str, host: str, own: bool) -> None:
    assert listeners("127.0.0.1", external="https://bots.example").is_own_origin(origin, host) is own
