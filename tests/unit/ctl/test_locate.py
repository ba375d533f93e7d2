"""Which server is meant, and which key goes to it."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from exporter.ctl.failures import Misused, Unreachable
from exporter.ctl.locate import Given, Server, locate
from exporter.endpoint import Endpoint


def data_dir(folder: Path, url: str = "http://127.0.0.1:9977", key: str | None = "made-key") -> Path:
    folder.mkdir()
    (folder / "endpoint.json").write_text(json.dumps(asdict(Endpoint(url, "/other/metrics", 17, "1.2.3"))))
    if key is not None:
        (folder / "admin.key").write_text(f"{key}\n")
    return folder


def revealed(server: Server) -> str | None:
    return server.key.reveal() if server.key is not None else None


def test_a_data_directory_says_all(tmp_path: Path) -> None:
    data = data_dir(tmp_path / "data")
    server = locate(Given(data_dir=data), {})
    assert (server.url, revealed(server), server.metrics, server.pid) == (
        "http://127.0.0.1:9977", "made-key", "/other/metrics", 17,
    )  # fmt: skip
    assert (server.found, server.key_found) == (f"{data}/endpoint.json", f"{data}/admin.key")


def test_the_first_directory_with_an_endpoint_counts(tmp_path: Path) -> None:
    second, third = data_dir(tmp_path / "b", "http://127.0.0.1:2"), data_dir(tmp_path / "c", "http://127.0.0.1:3")
    assert locate(Given(), {}, (tmp_path / "a", second, third)).url == "http://127.0.0.1:2"


def test_flags_win_over_the_environment_and_that_over_files(tmp_path: Path) -> None:
    data = data_dir(tmp_path / "data")
    for name in ("flag", "env"):
        (tmp_path / name).write_text(name)
    environ = {
        "BOTCTL_URL": "https://env.example/",
        "BOTCTL_KEY_FILE": str(tmp_path / "env"),
        "BOTCTL_CA_FILE": "env.pem",
    }
    given = Given("https://flag.example/x/", tmp_path / "flag", Path("flag.pem"), data)
    server = locate(given, environ)
    assert (server.url, revealed(server), server.ca_file) == ("https://flag.example/x", "flag", Path("flag.pem"))
    assert (server.found, server.key_found) == ("--url", f"{tmp_path}/flag (--key-file)")
    server = locate(Given(data_dir=data), environ)
    assert (server.url, revealed(server), server.ca_file) == ("https://env.example", "env", Path("env.pem"))
    assert (server.found, server.key_found) == ("BOTCTL_URL", f"{tmp_path}/env (BOTCTL_KEY_FILE)")
    assert locate(Given(data_dir=data), {"BOTCTL_URL": "", "BOTCTL_KEY_FILE": ""}).found == f"{data}/endpoint.json"


def test_a_key_that_was_made_here_goes_nowhere_else(tmp_path: Path) -> None:
    data = data_dir(tmp_path / "data")
    for url in ("http://127.0.0.1:1", "http://[::1]:1", "http://localhost:1"):
        assert revealed(locate(Given(url, data_dir=data), {})) == "made-key"
    for url in ("http://192.0.2.1:1", "http://example.org", "http://127.0.0.1.example.org"):
        assert locate(Given(url, data_dir=data), {}).key is None


def test_nothing_found_says_where_was_looked(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match=rf"no endpoint\.json in {tmp_path}/a or {tmp_path}/b") as caught:
        locate(Given(), {}, (tmp_path / "a", tmp_path / "b"))
    assert "--data.dir" in caught.value.hints[0]


def test_a_broken_file_is_told_when_no_other_is_there(tmp_path: Path) -> None:
    (tmp_path / "endpoint.json").write_text("{")
    with pytest.raises(Unreachable, match="is not what bot-exporter writes"):
        locate(Given(data_dir=tmp_path), {})


@pytest.mark.parametrize(
    "url", ["127.0.0.1:9977", "ftp://a", "http://", "http://a:0", "http://a:x", "http://a b", "http://\u00e4.example"]
)
def test_what_is_no_address_is_a_usage_error(url: str) -> None:
    with pytest.raises(Misused, match="--url is no address of a server"):
        locate(Given(url), {})


@pytest.mark.parametrize("url", ["http://ann:secret@a", "http://a/?key=secret", "http://a/#secret"])
def test_a_secret_in_the_address_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(Misused) as caught:
        locate(Given(url), {})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "two\nlines", "a b", "caf\u00e9", "\x1b[31m"])
def test_a_file_without_a_key_is_named_and_its_text_is_not(tmp_path: Path, text: str) -> None:
    path = tmp_path / "some.key"
    path.write_text(text)
    with pytest.raises(Misused, match=r"some\.key") as caught:
        locate(Given("http://a", path), {})
    assert not text or text not in str(caught.value)


def test_a_key_hides_itself(tmp_path: Path) -> None:
    server = locate(Given(data_dir=data_dir(tmp_path / "data")), {})
    assert "made-key" not in repr(server)
