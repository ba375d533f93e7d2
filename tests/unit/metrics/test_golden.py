"""A whole page, as it was read and found right: whoever changes it changes what users have built upon.

`python -m tests.unit.metrics.test_golden` writes it anew; read the difference before you commit it.
"""

import asyncio
from pathlib import Path

import pytest

from exporter.metrics.catalogue import FAMILIES, Stability
from tests.unit.metrics.rig import OPENMETRICS, rich_fleet

DATA = Path(__file__).resolve().parents[2] / "data" / "metrics"
FORMS = {"page.txt": None, "page.openmetrics": OPENMETRICS}
# What is the same on every machine.
NAMES = [
    name
    for name, family in FAMILIES.items()
    if family.stability is not Stability.EXTERNAL and name != "bot_exporter_build_info"
]


async def written(accept: str | None) -> bytes:
    return (await rich_fleet().page(accept, *NAMES)).body


@pytest.mark.parametrize("name", FORMS)
async def test_the_page_is_the_one_that_was_found_right(name: str) -> None:
    assert (await written(FORMS[name])).decode().splitlines() == (DATA / name).read_text(encoding="utf-8").splitlines()


if __name__ == "__main__":
    for file, form in FORMS.items():
        (DATA / file).write_bytes(asyncio.run(written(form)))
