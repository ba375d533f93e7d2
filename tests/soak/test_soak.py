"""The soak in its short form: a smaller fleet, half a minute."""

from tests.soak.soak import Options, soak


async def test_a_fleet_in_trouble_keeps_working_and_loses_nothing() -> None:
    bill = await soak(
        Options(bots=40, readers=20, slow_readers=4, trouble_s=15.0, reload_every_s=3.0, fault_every_s=0.5)
    )
    print("\n".join(bill.lines()))  # noqa: T201
    assert bill.problems == []
    assert bill.faults > 10
    assert len(bill.orders) > 10
    assert bill.reloads > 2
    assert bill.frames > 100
