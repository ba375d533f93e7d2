"""The reference of the configuration is made of what stands beside each key, and no key can be forgotten."""

from collections.abc import Iterator
from typing import get_type_hints

import pytest
from pydantic import BaseModel

from exporter.config import KEYS, Config
from exporter.described import Section, setting
from exporter.options import SecretOption
from exporter.platforms import PLATFORMS
from exporter.web_file import WebFile
from scripts import config_reference
from scripts.config_reference import PARTS, SECTIONS, WEB_SECTIONS, config_rows, reference, rows_of, web_rows


def paths(value: object, place: str = "") -> Iterator[str]:
    """Yield every key that an example gives, as the reference writes it."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield f"{place}.{key}".removeprefix(".")
            yield from paths(inner, f"{place}.{key}".removeprefix("."))
    elif isinstance(value, list):
        for inner in value:
            yield from paths(inner, f"{place}[]")


def test_every_section_of_a_configuration_is_in_the_reference() -> None:
    hints = get_type_hints(Config)
    sections = {name: hint for name, hint in hints.items() if isinstance(hint, type) and issubclass(hint, BaseModel)}
    assert sections == SECTIONS
    assert set(KEYS) == {*SECTIONS, "bots", "bots_files"}
    assert set(WebFile.model_fields) == {*WEB_SECTIONS, "basic_auth_users"}


def test_the_examples_give_every_key_that_they_can() -> None:
    assert {row.path for row in config_rows()} <= set(paths(config_reference.config_example()))
    twins = {f"tls_server_config.{name}" for name in ("cert", "key", "client_ca")}
    assert {row.path for row in web_rows()} - twins <= set(paths(config_reference.web_example()))


def test_secrets_are_marked() -> None:
    marked = {row.path for row in (*config_rows(), *web_rows()) if "(secret)" in row.values}
    inline = {
        f"bots[].{each.name}" for row in PLATFORMS.values() for each in row.options if isinstance(each, SecretOption)
    }
    assert marked == inline | {"storage.url", "tls_server_config.key"}


class Silent(Section):
    """Nobody described its key."""

    poll_interval: int = 5


class Vague(Section):
    """Nobody can tell what its key may say."""

    poll_interval: int = setting(5, "how often")


class Endless(Section):
    """Nobody knows what happens without its key."""

    names: tuple[str, ...] = setting((), "who", values="a list")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Silent, "declare it with `setting`, with its meaning"),
        (Vague, "give `values`"),
        (Endless, "give `absent`"),
    ],
)
def test_a_key_that_says_too_little_stops_the_documents(model: type[BaseModel], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        list(rows_of(model, "racetime"))
    assert "racetime.poll_interval" in str(caught.value) or "racetime.names" in str(caught.value)


def test_a_part_that_a_document_lacks_stops_the_documents(monkeypatch: pytest.MonkeyPatch) -> None:
    more = {**PARTS["docs/web-config.md"], "http3": lambda: ""}
    monkeypatch.setattr(config_reference, "PARTS", {"docs/web-config.md": more})
    with pytest.raises(ValueError, match=r"must have each of these parts once: .*http3"):
        reference("docs/web-config.md")
