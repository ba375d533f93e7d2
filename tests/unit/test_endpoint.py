"""endpoint.json: written whole, removed at the end, and the right address in it."""

import json
import stat
from pathlib import Path

import pytest

from exporter.endpoint import ENDPOINT_FILE, Endpoint, EndpointError, announced, local_url, read_endpoint

HERE = Endpoint("http://127.0.0.1:9977/fleet", "/metrics", 17, "1.2.3")


@pytest.mark.parametrize(
    ("addresses", "encrypted", "prefix", "url"),
    [
        ([("127.0.0.1", 9977)], False, "", "http://127.0.0.1:9977"),
        ([("", 9977)], True, "", "https://127.0.0.1:9977"),
        ([("::", 9977)], False, "/fleet", "http://[::1]:9977/fleet"),
        ([("192.0.2.10", 80)], False, "", "http://192.0.2.10:80"),
        ([("192.0.2.10", 80), ("127.0.0.1", 81)], False, "", "http://127.0.0.1:81"),
        ([("127.0.0.1", 82), ("::1", 81)], False, "", "http://127.0.0.1:82"),
    ],
)
def test_the_address_is_one_that_works_from_here(
    addresses: list[tuple[str, int]], encrypted: bool, prefix: str, url: str
) -> None:
    assert local_url(addresses, encrypted=encrypted, prefix=prefix) == url


def test_the_file_is_there_while_it_is_true(tmp_path: Path) -> None:
    (tmp_path / "endpoint.new").write_text("{")  # a start that was killed
    with announced(tmp_path, HERE):
        assert read_endpoint(tmp_path) == HERE
        assert stat.S_IMODE((tmp_path / ENDPOINT_FILE).stat().st_mode) & 0o133 == 0
        assert [each.name for each in tmp_path.iterdir()] == [ENDPOINT_FILE]
    assert read_endpoint(tmp_path) is None


def test_no_directory_is_no_endpoint(tmp_path: Path) -> None:
    assert read_endpoint(tmp_path / "nothing") is None
    (tmp_path / "file").write_text("")
    assert read_endpoint(tmp_path / "file") is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"url": 1}', "\x00", json.dumps({"url": "x", "pid": "y"})])
def test_another_file_is_refused_with_a_remedy(tmp_path: Path, text: str) -> None:
    (tmp_path / ENDPOINT_FILE).write_text(text)
    with pytest.raises(EndpointError, match=r"endpoint\.json is not what bot-exporter writes: .*--url"):
        read_endpoint(tmp_path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / ENDPOINT_FILE).mkdir()
    with pytest.raises(EndpointError, match=r"endpoint\.json cannot be read"):
        read_endpoint(tmp_path)
