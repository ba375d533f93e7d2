"""Leases in PostgreSQL: which instance may run which bot, and until when. Everything here blocks; use a thread.

Every time is the database's own, of the beginning of the transaction: `now()`. So what an instance believes it holds,
counted from the moment at which it sent the question, ends before the database thinks so, and another instance that
claims sees an end too late rather than too early. Rows of bots are never deleted: a generation is never given twice.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, CursorResult, Engine, TextClause, text
from sqlalchemy.exc import IntegrityError

from exporter.errors import TroubleKind
from exporter.model.cluster import Instance, Lease
from exporter.storage.engine import Target, lease_engine
from exporter.storage.remembered import StoredBot
from exporter.storage.repository import BotRepository
from exporter.storage.trouble import StorageTrouble, explained

CHANNEL: Final = "bot_exporter_cluster"
MOST_INSTANCES: Final = 64
"""How many instances a cluster can have: as many slots there are, which keep the ids of their histories apart."""
_FORGOTTEN_S: Final = 86400.0

_WORDS: Final = {
    "@now": "CAST(extract(epoch FROM now()) AS double precision)",
    "@last_slot": str(MOST_INSTANCES - 1),
    "@forgotten_s": str(_FORGOTTEN_S),
}


def _sql(statement: str) -> TextClause:
    for word, meaning in _WORDS.items():
        statement = statement.replace(word, meaning)
    return text(statement)


_FORGET = _sql("DELETE FROM cluster_instances WHERE until < @now - @forgotten_s AND instance <> :instance")
_JOIN = _sql("""
    INSERT INTO cluster_instances AS there
        (instance, boot, slot, advertise_url, egress, version, draining, started_at, seen_at, until)
    SELECT :instance, :boot,
        (SELECT min(slot) FROM generate_series(0, @last_slot) AS slot
         WHERE slot NOT IN (SELECT slot FROM cluster_instances)),
        :advertise_url, :egress, :version, :draining, @now, @now, @now + :life_s
    ON CONFLICT (instance) DO UPDATE SET
        boot = excluded.boot, advertise_url = excluded.advertise_url, egress = excluded.egress,
        version = excluded.version, started_at = excluded.started_at, draining = excluded.draining,
        seen_at = excluded.seen_at, until = excluded.until
    WHERE there.until <= @now
    RETURNING slot
""")
_STAY = _sql("""
    UPDATE cluster_instances SET seen_at = @now, until = @now + :life_s, draining = :draining
    WHERE instance = :instance AND boot = :boot
    RETURNING slot
""")
_RENEW = _sql("UPDATE cluster_leases SET until = @now + :life_s WHERE boot = :boot AND until > @now")
_RENEW_AND_TELL = _sql("""
    UPDATE cluster_leases SET until = @now + :life_s WHERE boot = :boot AND until > @now RETURNING bot
""")
_ALIVE = _sql("""
    SELECT instance AS name, boot, slot, advertise_url, egress, version, draining, started_at, seen_at
    FROM cluster_instances WHERE until > @now ORDER BY instance
""")
_HELD = _sql("""
    SELECT bot, owner, boot, generation, until FROM cluster_leases WHERE until > @now AND owner IS NOT NULL
""")
_PAUSE = _sql("SELECT until - @now FROM cluster_pauses WHERE egress = :egress AND until > @now")

# Without the look beforehand it would wait for whoever is just renewing. A lease that is new to this table goes on
# where the bot's row has been written under one before.
_MAKE = _sql("""
    INSERT INTO cluster_leases (bot, generation, until, claimed_at)
    SELECT bot, COALESCE((SELECT generation FROM bots WHERE name = bot), 0), 0, @now
    FROM unnest(CAST(:bots AS text[])) AS bot
    WHERE NOT EXISTS (SELECT FROM cluster_leases AS lease WHERE lease.bot = bot.bot)
    ON CONFLICT DO NOTHING
""")
# What another instance is just claiming is passed over; who has been away too long itself may claim nothing.
_CLAIM = _sql("""
    WITH free AS (
        SELECT bot FROM cluster_leases
        WHERE bot = ANY(CAST(:bots AS text[])) AND (owner IS NULL OR until <= @now)
            AND EXISTS (SELECT FROM cluster_instances WHERE boot = :boot AND until > @now)
        ORDER BY bot
        FOR UPDATE SKIP LOCKED
    ), before AS (
        SELECT bot, owner FROM cluster_leases JOIN free USING (bot)
    )
    UPDATE cluster_leases AS lease
    SET owner = :instance, boot = :boot, generation = generation + 1, until = @now + :life_s, claimed_at = @now
    FROM before WHERE lease.bot = before.bot
    RETURNING lease.bot, lease.generation, before.owner AS before
""")
_GIVE = _sql("""
    UPDATE cluster_leases SET owner = NULL, boot = NULL, until = @now
    WHERE boot = :boot AND bot = ANY(CAST(:bots AS text[]))
""")
_GIVE_ALL = _sql("UPDATE cluster_leases SET owner = NULL, boot = NULL, until = @now WHERE boot = :boot")
_LEAVE = _sql("UPDATE cluster_instances SET until = @now WHERE boot = :boot")
_PAUSED = _sql("""
    INSERT INTO cluster_pauses AS there (egress, until, instance) VALUES (:egress, @now + :seconds, :instance)
    ON CONFLICT (egress) DO UPDATE SET until = GREATEST(there.until, excluded.until), instance = excluded.instance
""")
_NOTIFY = _sql("SELECT pg_notify(:channel, :instance)")


class NameTaken(StorageTrouble):
    """Another process runs under the same name."""

    def __init__(self, instance: str) -> None:
        message = (
            f"another process runs as instance {instance} (or one of that name died within the last seconds): give "
            "each its own cluster.instance"
        )
        super().__init__(TroubleKind.LOCKED, message)


@dataclass(frozen=True, slots=True)
class Me:
    """This process as the others see it."""

    instance: str
    boot: str
    advertise_url: str
    egress: str
    version: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What a beat saw: the database's time, who is alive, what is held, and how long the egress pauses still."""

    at: float
    instances: tuple[Instance, ...]
    leases: tuple[Lease, ...]
    pause_s: float


@dataclass(frozen=True, slots=True)
class Claimed:
    """A bot that is this instance's now. `before` had it when it lapsed; None if it was nobody's.

    `stored` is what the database knows of the bot, read in the same transaction.
    """

    bot: str
    generation: int
    before: str | None
    stored: StoredBot | None


class Leases:
    """One instance's leases. They live `life_s` seconds from each beat; methods raise StorageTrouble."""

    def __init__(self, where: Target, me: Me, life_s: float) -> None:
        self._where = where
        self._me = me
        self._life_s = life_s
        self._engine: Engine = lease_engine(where)
        self._joined = False

    def beat(self, *, draining: bool) -> Seen:
        """Say that this instance is alive, renew all of its leases that have not run out, and look around.

        Raises NameTaken besides.
        """
        me = {"instance": self._me.instance, "boot": self._me.boot}
        with explained(self._where.shown), self._engine.begin() as connection:
            alive = {**me, "life_s": self._life_s, "draining": draining}
            if not self._joined or _rows(connection, _STAY, alive).first() is None:
                self._join(connection, alive)
            _rows(connection, _RENEW, alive)
            instances = tuple(Instance(**row) for row in _rows(connection, _ALIVE, {}).mappings())
            leases = tuple(Lease(**row) for row in _rows(connection, _HELD, {}).mappings())
            pause_s = _rows(connection, _PAUSE, {"egress": self._me.egress}).scalar()
        self._joined = True
        at = next(each.seen_at for each in instances if each.boot == self._me.boot)
        return Seen(at, instances, leases, pause_s or 0.0)

    def renew(self, *, draining: bool) -> Collection[str]:
        """Say that this instance is alive, and renew its leases that have not run out; returns whose.

        One that is not a member renews nothing: it has to join first, by a beat.
        """
        alive = {"instance": self._me.instance, "boot": self._me.boot, "life_s": self._life_s, "draining": draining}
        with explained(self._where.shown), self._engine.begin() as connection:
            if _rows(connection, _STAY, alive).first() is None:
                return ()
            return [row.bot for row in _rows(connection, _RENEW_AND_TELL, alive)]

    def claim(self, bots: Collection[str]) -> list[Claimed]:
        """Take those of these bots that are nobody's."""
        me = {"instance": self._me.instance, "boot": self._me.boot, "life_s": self._life_s, "bots": sorted(bots)}
        with explained(self._where.shown), self._engine.begin() as connection:
            _rows(connection, _MAKE, me)
            claimed = _rows(connection, _CLAIM, me).all()
            known = BotRepository(connection).get_bots([each.bot for each in claimed])
            if claimed:
                self._notify(connection)
        return [Claimed(each.bot, each.generation, each.before, known.get(each.bot)) for each in claimed]

    def give(self, bots: Collection[str]) -> None:
        """Give these back: another instance may run them from now on."""
        with explained(self._where.shown), self._engine.begin() as connection:
            _rows(connection, _GIVE, {"boot": self._me.boot, "bots": sorted(bots)})
            self._notify(connection)

    def leave(self) -> None:
        """Give everything back, and be no member any more."""
        with explained(self._where.shown), self._engine.begin() as connection:
            _rows(connection, _GIVE_ALL, {"boot": self._me.boot})
            _rows(connection, _LEAVE, {"boot": self._me.boot})
            self._notify(connection)
        self._joined = False

    def pause(self, seconds: float) -> None:
        """Have everybody who goes out by the same address pause."""
        with explained(self._where.shown), self._engine.begin() as connection:
            told = {"egress": self._me.egress, "instance": self._me.instance, "seconds": seconds}
            _rows(connection, _PAUSED, told)
            self._notify(connection)

    def close(self) -> None:
        """Close the connection."""
        self._engine.dispose()

    def _join(self, connection: Connection, alive: Mapping[str, Any]) -> None:
        _rows(connection, _FORGET, alive)
        about = {"advertise_url": self._me.advertise_url, "egress": self._me.egress, "version": self._me.version}
        try:
            joined = _rows(connection, _JOIN, {**alive, **about}).first()
        except IntegrityError as error:
            message = f"no slot is free at this moment: at most {MOST_INSTANCES} instances can run; it is tried again"
            raise StorageTrouble(TroubleKind.LOCKED, message) from error
        if joined is None:
            raise NameTaken(self._me.instance)
        self._notify(connection)

    def _notify(self, connection: Connection) -> None:
        _rows(connection, _NOTIFY, {"channel": CHANNEL, "instance": self._me.instance})


def _rows(connection: Connection, statement: TextClause, values: Mapping[str, Any]) -> CursorResult[Any]:
    return connection.execute(statement, {key: values[key] for key in statement._bindparams})
