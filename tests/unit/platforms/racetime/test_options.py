"""The entry of a racetime bot in the configuration."""

from pathlib import Path

import pytest

from exporter.config import BotEntry
from exporter.errors import ConfigError
from exporter.platforms.racetime.options import RACETIME, parse


def entry(tmp_path: Path, **options: object) -> BotEntry:
    lines = {key: number for number, key in enumerate(options, 10)}
    return BotEntry("a", "racetime", True, options, str(tmp_path / "config.yaml"), 9, lines)


def problems(tmp_path: Path, **options: object) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        parse(entry(tmp_path, **options))
    return {each.key: each.message for each in caught.value.problems}


def test_good_options(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hush\n")
    options = parse(entry(tmp_path, category="alttpr", client_id="abc", client_secret_file="secret"))
    assert (options.category, options.subject, options.client_id) == ("alttpr", "alttpr", "abc")
    assert options.client_secret.read().reveal() == "hush"
    assert options == parse(entry(tmp_path, client_secret_file="secret", category="alttpr", client_id="abc"))


def test_everything_that_is_missing_is_told_at_once(tmp_path: Path) -> None:
    assert set(problems(tmp_path)) == {"category", "client_id", "client_secret"}


def test_wrong_types_and_unknown_keys(tmp_path: Path) -> None:
    found = problems(tmp_path, category=5, client_id=True, client_secret=["hush"], clientid="x")
    assert set(found) == {"category", "client_id", "client_secret", "clientid"}
    assert "hush" not in str(found)


@pytest.mark.parametrize("slug", ["", "a/b", "a b", "https://racetime.gg/alttpr", "é", "a" * 65])
def test_a_category_is_a_slug(tmp_path: Path, slug: str) -> None:
    assert set(problems(tmp_path, category=slug, client_id="x", client_secret="y")) == {"category"}


def test_a_client_id_is_printable(tmp_path: Path) -> None:
    assert set(problems(tmp_path, category="a", client_id="x y", client_secret="y")) == {"client_id"}


def test_a_secret_never_shows(tmp_path: Path) -> None:
    options = parse(entry(tmp_path, category="a", client_id="x", client_secret="hush"))
    assert "hush" not in repr(options)


def test_the_traits_fit_together() -> None:
    assert RACETIME.states == ("disconnected", "connecting", "online", "in_race")
    assert RACETIME.expects("online", "in_race")
    assert RACETIME.expects("in_race", "online")
    assert not RACETIME.expects("disconnected", "online")
