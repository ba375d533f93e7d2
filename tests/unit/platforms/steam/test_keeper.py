"""Many bots' token files through one thread: each hears of its own, and nothing is lost."""

import asyncio
from pathlib import Path

import pytest

from exporter.platforms.steam.keeper import open_keeper
from exporter.platforms.steam.tokens import StoredLogon, TokenStore


def logon(bot: str, token: str = "") -> StoredLogon:
    return StoredLogon(bot, 1, token, "machine")


async def test_many_at_once_are_all_kept(tmp_path: Path) -> None:
    names = [f"bot{number}" for number in range(200)]
    async with open_keeper(TokenStore(tmp_path)) as keeper:
        await asyncio.gather(*(keeper.save(name, logon(name)) for name in names))
        found = await asyncio.gather(*(keeper.load(name, name) for name in names))
    assert found == [logon(name) for name in names]
    assert [TokenStore(tmp_path).load(name, name) for name in names] == found
    assert len(list(tmp_path.glob("*"))) == len(names)  # noqa: ASYNC240


async def test_the_last_of_several_for_one_bot_stays(tmp_path: Path) -> None:
    async with open_keeper(TokenStore(tmp_path)) as keeper:
        await asyncio.gather(*(keeper.save("bot", logon("bot", str(number))) for number in range(5)))
    assert TokenStore(tmp_path).load("bot", "bot").refresh_token == "4"


async def test_who_cannot_be_written_is_told_and_the_others_are_kept(tmp_path: Path) -> None:
    (tmp_path / "bad.json").mkdir()
    async with open_keeper(TokenStore(tmp_path)) as keeper:
        outcomes = await asyncio.gather(
            *(keeper.save(name, logon(name)) for name in ("first", "bad", "last")), return_exceptions=True
        )
        assert [isinstance(each, OSError) for each in outcomes] == [False, True, False]
        assert await keeper.load("bad", "bad") == logon("bad")  # from memory
    assert TokenStore(tmp_path).load("last", "last") == logon("last")


async def test_it_is_written_even_if_nobody_waits_any_more(tmp_path: Path) -> None:
    async with open_keeper(TokenStore(tmp_path)) as keeper:
        saving = asyncio.create_task(keeper.save("bot", logon("bot")))
        await asyncio.sleep(0)
        saving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await saving
    assert TokenStore(tmp_path).load("bot", "bot") == logon("bot")


async def test_a_bug_below_reaches_who_waits_and_not_those_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = TokenStore(tmp_path)
    async with open_keeper(store) as keeper:
        with monkeypatch.context() as patch:
            patch.setattr(store, "load", lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                await keeper.load("bot", "bot")
        assert await keeper.load("bot", "bot") == StoredLogon("bot")
