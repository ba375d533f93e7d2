"""docs/metrics.md is what the catalogue says."""

import re
from pathlib import Path

import pytest

from exporter.metrics.catalogue import FAMILIES
from scripts import docs


def test_the_documents_are_fresh(capsys: pytest.CaptureFixture[str]) -> None:
    assert docs.main(["--check"]) == 0, capsys.readouterr().err


def test_a_stale_document_is_named_with_the_remedy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert docs.main(["--check"], root=tmp_path) == 1
    assert not list(tmp_path.iterdir())
    assert docs.main([], root=tmp_path) == 0
    assert docs.main(["--check"], root=tmp_path) == 0
    (tmp_path / "docs/metrics.md").write_text("old", encoding="utf-8")
    capsys.readouterr()
    assert docs.main(["--check"], root=tmp_path) == 1
    assert capsys.readouterr().err == "docs/metrics.md is stale: run `make docs`\n"


def test_every_family_is_described() -> None:
    text = docs.metrics_reference()
    for family in FAMILIES.values():
        assert f"| `{family.name}` | {family.kind} |" in text
        assert family.help in text


def test_every_metric_that_is_mentioned_exists() -> None:
    known = {name for family in FAMILIES.values() for name in (family.name, *family.sample_names)}
    queries = "\n".join(example.query for example in docs.EXAMPLES)
    assert set(re.findall(r"\b(?:bot|process|python)_[a-z0-9_]+", queries)) <= known
    values = {value for family in FAMILIES.values() for label in family.labels for value in label.values}
    assert set(re.findall(r"`(bot_[a-z0-9_]+)`", docs.metrics_reference())) <= known | values
