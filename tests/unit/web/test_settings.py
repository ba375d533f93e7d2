"""The flags of the web server: what is understood and what is refused, with which words."""

from typing import Any

import pytest

from exporter.addresses import parse_listen_address
from exporter.errors import ConfigError
from exporter.web.settings import WebSettings


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:9977", ("127.0.0.1", 9977)),
        ("[::1]:9977", ("::1", 9977)),
        (":9977", ("", 9977)),
        ("localhost:0", ("localhost", 0)),
    ],
)
def test_listen_addresses(text: str, address: tuple[str, int]) -> None:
    assert parse_listen_address(text) == address


@pytest.mark.parametrize("text", ["", "9977", "localhost", "::1:9977", "a:65536", "a:-1", "a:٣", "a:", "[::1]"])
def test_wrong_listen_addresses(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--web\.listen-address: .* is no address: write host:port"):
        parse_listen_address(text)


@pytest.mark.parametrize(
    ("given", "prefix", "external_path"),
    [
        ({}, "", ""),
        ({"route_prefix": "/"}, "", ""),
        ({"route_prefix": "bots/"}, "/bots", "/bots"),
        ({"external_url": "http://a.example"}, "", ""),
        ({"external_url": "http://a.example:81/x/bots/"}, "/x/bots", "/x/bots"),
        ({"external_url": "http://a.example/bots", "route_prefix": "/"}, "", "/bots"),
        ({"external_url": "http://a.example/", "route_prefix": "/bots"}, "/bots", ""),
    ],
)
def test_prefixes(given: dict[str, Any], prefix: str, external_path: str) -> None:
    settings = WebSettings(**given)
    assert (settings.prefix, settings.external_path) == (prefix, external_path)


@pytest.mark.parametrize(
    ("given", "flag"),
    [
        ({"listen": ()}, "--web.listen-address"),
        ({"telemetry_path": "metrics"}, "--web.telemetry-path"),
        ({"telemetry_path": "/"}, "--web.telemetry-path"),
        ({"telemetry_path": "/a/../b"}, "--web.telemetry-path"),
        ({"telemetry_path": "/{name}"}, "--web.telemetry-path"),
        ({"telemetry_path": "/status"}, "--web.telemetry-path"),
        ({"telemetry_path": "/static/metrics"}, "--web.telemetry-path"),
        ({"route_prefix": "/a b"}, "--web.route-prefix"),
        ({"route_prefix": "/{x}"}, "--web.route-prefix"),
        ({"external_url": "bots.example.org"}, "--web.external-url"),
        ({"external_url": "ftp://bots.example.org"}, "--web.external-url"),
        ({"external_url": "http://a.example:x"}, "--web.external-url"),
        ({"external_url": "http://user:pw@a.example"}, "--web.external-url"),
        ({"external_url": "http://a.example/?q=1"}, "--web.external-url"),
        ({"external_url": "http://a.example/a<b"}, "--web.external-url"),
    ],
)
def test_wrong_settings_name_their_flag(given: dict[str, Any], flag: str) -> None:
    with pytest.raises(ConfigError) as caught:
        WebSettings(**given)
    assert [problem.key for problem in caught.value.problems] == [flag]


def test_every_mistake_is_named_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        WebSettings(telemetry_path="x", route_prefix="/?", external_url="y")
    assert len(caught.value.problems) == 3
