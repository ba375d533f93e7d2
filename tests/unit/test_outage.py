"""One upstream outage is one condition, however many bots it hits."""

from structlog.testing import capture_logs

from exporter.errors import AuthReason, FailureReason
from exporter.model import events as ev
from exporter.model.states import DisconnectReason
from exporter.model.status import Maintenance
from exporter.outage import OutageWatch
from exporter.store import StatusStore
from tests.fleet import added


class Fleet:
    def __init__(self, *names: str) -> None:
        self.store, self.watch = StatusStore(), OutageWatch()
        self.store.subscribe(self.watch.on_change)
        for name in names:
            self.store.apply(added(name))
            self.proves(name)

    def proves(self, *names: str) -> None:
        for name in names:
            self.store.apply(ev.HealthProved(name, 2.0, 90.0))

    def fails(self, *names: str, reason: FailureReason = FailureReason.REFUSED) -> None:
        for name in names:
            self.store.apply(ev.ConnectionFailed(name, 3.0, reason, "no", 4.0, DisconnectReason.NETWORK))

    def out(self) -> bool:
        return self.watch.active("testing")


def test_most_bots_failing_by_the_network_is_an_outage_and_told_once() -> None:
    fleet = Fleet("a", "b", "c", "d")
    with capture_logs() as logs:
        fleet.fails("a", "b")
        assert not fleet.out()
        fleet.fails("c", reason=FailureReason.HTTP_5XX)
        assert fleet.out()
        fleet.fails("d")
        fleet.proves("a")
        assert fleet.out()
        fleet.proves("b")
        assert not fleet.out()
    assert [entry["log_level"] for entry in logs] == ["warning", "info"]


def test_one_failing_bot_proves_nothing_about_the_service() -> None:
    fleet = Fleet("a")
    fleet.fails("a")
    assert not fleet.out()


def test_bad_credentials_and_our_own_bugs_are_no_outage() -> None:
    fleet = Fleet("a", "b")
    for name in ("a", "b"):
        fleet.store.apply(ev.CredentialsRefused(name, 3.0, AuthReason.INVALID_CREDENTIALS, "no", None))
    assert not fleet.out()
    fleet.fails("a", "b", reason=FailureReason.OTHER)
    assert not fleet.out()


def test_bots_that_need_not_work_do_not_count() -> None:
    fleet = Fleet("a", "b", "c", "d", "e")
    fleet.fails("a", "b")
    fleet.store.apply(ev.BotStopped("c", 4.0))
    fleet.store.apply(ev.MaintenanceBegan("d", 4.0, Maintenance(None, "patch", None)))
    assert fleet.out()
    fleet.store.apply(ev.MaintenanceEnded("d", 5.0))
    assert not fleet.out()


def test_a_removed_bot_is_forgotten() -> None:
    fleet = Fleet("a", "b", "c")
    fleet.fails("a", "b")
    fleet.store.apply(ev.BotRemoved("a", 5.0))
    assert not fleet.out()
