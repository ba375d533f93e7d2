"""What `make dist` leaves is a release: the wheel, what is locked for it by name and hash, and sums to check both."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from scripts.audit import verdict
from tests.wheel import LOCK, ROOT, copied


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what the target makes in a copy of the tree, with the environment of this one as it is."""
    tree = copied(tmp_path_factory.mktemp("release") / "tree")
    shutil.copy(ROOT / "Makefile", tree)
    shutil.copytree(LOCK.parent, tree / LOCK.parent.name)
    (tree / ".venv").symlink_to(Path(sys.executable).parents[1])
    made = ["make", "--assume-old=.venv/.dev", "dist"]
    ended = subprocess.run(made, cwd=tree, capture_output=True, text=True, check=False, timeout=300)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return tree / "dist"


def locked() -> dict[tuple[str, str], set[str]]:
    """Return the hashes of every package and version in the lock, also of those for other platforms."""
    text = LOCK.read_text(encoding="utf-8").replace("\\\n", " ")
    entries = re.findall(r"^(\S+)==(\S+)(.*)$", text, re.MULTILINE)
    return {(name, version): set(re.findall(r"sha256:([0-9a-f]{64})", rest)) for name, version, rest in entries}


def test_the_bill_names_exactly_what_is_locked(dist: Path) -> None:
    bill: dict[str, Any] = json.loads((dist / "bot-exporter.cdx.json").read_text(encoding="utf-8"))
    named = {
        (each["name"], each["version"]): {
            one["content"] for place in each["externalReferences"] for one in place["hashes"] if one["alg"] == "SHA-256"
        }
        for each in bill["components"]
    }
    assert len(named) > 50
    assert named == locked()
    assert {each["purl"] for each in bill["components"]} == {f"pkg:pypi/{name}@{version}" for name, version in locked()}
    assert bill["metadata"]["component"]["name"] == "bot-exporter"


def test_the_bill_is_a_cyclonedx_document(dist: Path) -> None:
    text = (dist / "bot-exporter.cdx.json").read_text(encoding="utf-8")
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(text) is None
    assert validator.validate_str(text.replace('"purl"', '"prul"')) is not None


def test_the_sums_are_those_of_all_that_is_released(dist: Path) -> None:
    lines = (line.split() for line in (dist / "SHA256SUMS").read_text(encoding="utf-8").splitlines())
    sums = {name: digest for digest, name in lines}
    files = {each.name: each for each in dist.iterdir() if each.name != "SHA256SUMS"}
    assert {name: hashlib.sha256(each.read_bytes()).hexdigest() for name, each in files.items()} == sums
    (wheel,) = (name for name in files if name.endswith(".whl"))
    assert set(files) == {wheel, "bot-exporter.cdx.json"}


# As pip-audit 2.10 prints it.
CLEAN = {"name": "aiohttp", "version": "3.14.5", "vulns": []}
BAD = {
    "name": "pyyaml",
    "version": "5.3",
    "vulns": [{"id": "PYSEC-2020-96", "fix_versions": ["5.3.1"], "aliases": [], "description": "..."}],
}
UNASKED = {"name": "rich", "skip_reason": "Dependency not found on PyPI and could not be audited: rich (15.0.0)"}


@pytest.mark.parametrize(
    ("packages", "code", "words"),
    [
        ([CLEAN], 0, "no known vulnerability in 1 packages"),
        ([CLEAN, BAD], 1, "pyyaml 5.3: PYSEC-2020-96, mended in 5.3.1"),
        ([CLEAN, UNASKED], 2, "NOT AUDITED: 1 of 2 packages, such as: Dependency not found"),
        ([BAD, UNASKED], 2, "PYSEC-2020-96"),
        ([], 2, "NOT AUDITED"),
    ],
)
def test_an_audit_that_did_not_ask_is_no_good_news(packages: list[dict[str, Any]], code: int, words: str) -> None:
    found, told = verdict(json.dumps({"dependencies": packages, "fixes": []}), "")
    assert (found, words in told) == (code, True), told


def test_an_audit_says_why_it_could_not_ask() -> None:
    code, told = verdict("", "Traceback ...\nrequests.exceptions.ConnectionError: Failed to resolve the name")
    assert (code, "NOT AUDITED" in told, told.endswith("Failed to resolve the name")) == (2, True, True)
