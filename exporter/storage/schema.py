"""The tables. Times are Unix seconds; ids of services are text, because some do not fit a database's integers.

A change here needs a migration in `migrations/versions`; a test compares the two on both databases.

Those that begin with `cluster_` are empty where one process runs the fleet. Their times are the database's own: it is
the one clock that all processes share.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    cast,
    extract,
    func,
)

METADATA = MetaData(
    naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "uq": "uq_%(table_name)s_%(column_0_name)s"}
)

# SQLite numbers its rows by itself only where the key is a plain INTEGER.
_Id = BigInteger().with_variant(Integer(), "sqlite")

BOTS = Table(
    "bots",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("platform", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("configured_active", Boolean, nullable=False),  # what the configuration said when this was written
    Column("ordered_active", Boolean),  # what an operator said since, if anything
    Column("state", Text, nullable=False),
    Column("status", Integer, nullable=False),
    Column("status_message", Text),
    Column("status_reason", Text),
    Column("last_connected_at", Double),
    Column("last_status_check_at", Double),
    Column("last_activity", Double),
    Column("last_error", Text),
    Column("last_error_reason", Text),
    Column("last_error_time", Double),
    Column("in_maintenance", Boolean, nullable=False),
    Column("maintenance_until", Double),
    Column("maintenance_reason", Text),
    Column("maintenance_by", Text),
    Column("lobbies_created", Integer, nullable=False),
    Column("removed_at", Double),  # since when the bot is no longer in the configuration
    Column("generation", BigInteger, nullable=False, server_default="0"),  # of the lease under which this was written
    Column("expected", Text),  # who is expected in its newest lobby, as JSON
)

BOT_EVENTS = Table(
    "bot_events",
    METADATA,
    Column("id", _Id, primary_key=True, autoincrement=False),
    Column("at", Double, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("bot", Text),
    Column("platform", Text),
    Column("before", Text),
    Column("after", Text),
    Column("reason", Text),
    Column("message", Text),
    Column("actor", Text),
    Index(None, "bot", "id"),
    Index(None, "kind", "id"),
)

LOBBIES = Table(
    "lobbies",
    METADATA,
    Column("lobby_id", String(20), primary_key=True),
    Column("bot", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("server_region", BigInteger, nullable=False),
    Column("game_mode", BigInteger, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("ended_at", Double),
    Column("duration_s", Double),
    Column("match_id", String(20)),
    Column("outcome", Text),
    Column("player_count", Integer, nullable=False),
    Column("updated_at", Double, nullable=False, index=True),
)

RACES = Table(
    "races",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("category", Text, nullable=False),
    Column("slug", Text, nullable=False),
    Column("bot", Text),
    Column("goal", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("opened_by_bot", Text),
    Column("opened_at", Double),
    Column("started_at", Double),
    Column("ended_at", Double),
    Column("duration_s", Double),
    Column("outcome", Text),
    Column("player_count", Integer, nullable=False),
    Column("finished_count", Integer, nullable=False),
    Column("updated_at", Double, nullable=False, index=True),
)

ORDERS = Table(
    "orders",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("idempotency_key", Text, unique=True),
    Column("digest", String(64), nullable=False),
    Column("actor", Text),
    Column("action", Text, nullable=False),
    Column("target", Text),
    Column("bot", Text),
    Column("platform", Text),
    Column("state", String(16), nullable=False),
    Column("code", Integer),
    Column("result", Text),
    Column("created_at", Double, nullable=False, index=True),
    Column("finished_at", Double),
    Column("boot", Text),  # the process that carries it out, where there are several
)

DATABASE_NOW = cast(extract("epoch", func.now()), Double)
"""The database's own time, that of the beginning of the transaction; PostgreSQL's only."""

CLUSTER_INSTANCES = Table(
    "cluster_instances",
    METADATA,
    Column("instance", Text, primary_key=True),
    Column("boot", Text, nullable=False),  # which run of the process this is
    Column("slot", Integer, nullable=False, unique=True),  # keeps the ids of its history apart from those of others
    Column("advertise_url", Text, nullable=False),
    Column("egress", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("draining", Boolean, nullable=False),
    Column("started_at", Double, nullable=False),
    Column("seen_at", Double, nullable=False),
    Column("until", Double, nullable=False),  # it counts as alive till then; in the past once it has left
)

CLUSTER_LEASES = Table(
    "cluster_leases",
    METADATA,
    Column("bot", Text, primary_key=True),
    Column("owner", Text),  # the instance; nobody since it was given back
    Column("boot", Text),
    Column("generation", BigInteger, nullable=False),  # one more at each change of owner
    Column("until", Double, nullable=False),
    Column("claimed_at", Double, nullable=False),
)

CLUSTER_RECORDS = Table(
    "cluster_records",
    METADATA,
    Column("kind", String(16), primary_key=True),
    Column("key", Text, primary_key=True),
    Column("instance", Text, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("data", Text, nullable=False),  # the record as JSON; null for one that is gone
    Column("changed_at", Double, nullable=False),
    Column("seq", BigInteger, nullable=False),  # from the sequence cluster_records_seq, for catching up
    Index(None, "instance", "seq"),  # an instance writes one batch after the other, so that its own are in order
)

CLUSTER_PAUSES = Table(
    "cluster_pauses",
    METADATA,
    Column("egress", Text, primary_key=True),
    Column("until", Double, nullable=False),
    Column("instance", Text, nullable=False),  # which one was told
)
