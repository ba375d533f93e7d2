"""Every trouble that a bot can have has a remedy, and the runbook that it names knows that trouble."""

import re
from pathlib import Path

import pytest

from exporter.cluster.fleet import INSTANCE_AWAY, NO_INSTANCE
from exporter.ctl.main import COMMANDS
from exporter.model.remedies import remedy
from exporter.model.states import BotStatus
from exporter.platforms import PLATFORMS

RUNBOOKS = Path(__file__).resolve().parents[3] / "docs" / "runbooks"
TROUBLES = sorted(
    {
        (status, str(reason))
        for platform in PLATFORMS.values()
        for status, reasons in (
            ("auth_failed", platform.traits.auth_reasons),
            ("connection_error", platform.traits.failure_reasons),
        )
        for reason in reasons
    }
)
TROUBLES += [("unknown", INSTANCE_AWAY), ("unknown", NO_INSTANCE)]
FALLBACK = remedy("no such status", "no such reason")


@pytest.mark.parametrize(("status", "reason"), TROUBLES)
def test_every_trouble_has_a_remedy_and_a_runbook(status: str, reason: str) -> None:
    found = remedy(status, reason)
    assert found is not FALLBACK
    assert found.runbook is not None
    page = (RUNBOOKS / f"{found.runbook}.md").read_text()
    if found.runbook in ("BotAuthFailed", "BotDown"):
        assert f"`{reason}`" in page


@pytest.mark.parametrize(("status", "reason"), [*TROUBLES, ("disconnected", None)])
def test_a_command_that_is_advised_exists(status: str, reason: str | None) -> None:
    assert set(re.findall(r"botctl ([a-z-]+)", remedy(status, reason).advice)) <= set(COMMANDS)


@pytest.mark.parametrize("status", [each.word for each in BotStatus])
def test_every_status_has_a_remedy(status: str) -> None:
    found = remedy(status, None)
    assert (found is FALLBACK) == (status in ("auth_failed", "connection_error"))
    assert "{" not in found.advice.format(bot="a")
