"""The command `bot-exporter migrate`, as far as it needs no process of its own."""

import asyncio
import re
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import text

from exporter.cli import main
from exporter.storage.database import Database
from exporter.storage.engine import Target, target


def test_migrate(where: Target, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"sqlite:///{where.path}"
    if where.url is not None:
        url = where.url.set(drivername="postgresql").render_as_string(hide_password=False)
    (tmp_path / "config.yaml").write_text(f"storage: {{url: '{url}'}}\n")
    flags = ["migrate", f"--config.file={tmp_path / 'config.yaml'}", f"--data.dir={tmp_path}"]

    def run(*more: str) -> tuple[int, str]:
        code = main([*flags, *more])
        shown = capsys.readouterr()
        return code, re.sub(r".*(database|PostgreSQL).* (?=has|is|was)", "", (shown.out + shown.err).strip())

    assert run("--check") == (1, "has schema none, this version needs 0003: run bot-exporter migrate")
    assert where.path is None or not where.path.exists()
    assert run() == (0, "is now up to date (schema 0003)")
    assert run() == (0, "was up to date (schema 0003)")
    assert run("--check") == (0, "is up to date (schema 0003)")
    assert run("--check", f"--storage.url={url}") == (0, "is up to date (schema 0003)")
    database = Database(where)
    with database._transaction() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    database.close()
    for more in ((), ("--check",)):
        code, said = run(*more)
        assert code == 2
        assert "written by a newer version" in said
    assert run("--storage.url=postgresql://me:hunter2@h/db")[0] == 2


def test_a_database_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["migrate", f"--data.dir={tmp_path}", "--storage.url=postgresql://me@127.0.0.1:9/db"]) == 2
    assert "the PostgreSQL database db on 127.0.0.1:9" in capsys.readouterr().err


async def test_many_databases_can_be_migrated_in_one_process_at_once(tmp_path: Path) -> None:
    """Alembic has globals: without care one migration works on the connection of another one."""

    def migrate(folder: Path) -> None:
        folder.mkdir()
        database = Database(target(None, folder))
        database.open()
        database.close()

    await asyncio.gather(*(asyncio.to_thread(migrate, tmp_path / str(number)) for number in range(20)))
    for number in range(20):
        with sqlite3.connect(tmp_path / str(number) / "history.sqlite3") as database:
            assert database.execute("SELECT version_num FROM alembic_version").fetchall() == [("0003",)]
            assert database.execute("SELECT count(*) FROM bots").fetchall() == [(0,)]
