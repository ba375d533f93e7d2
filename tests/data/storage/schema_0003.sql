-- A database of the third schema (0003), as `sqlite3 history.sqlite3 .dump` tells it. Never to be changed.
BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0003');
CREATE TABLE bot_events (
	id INTEGER NOT NULL, 
	at DOUBLE NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	bot TEXT, 
	platform TEXT, 
	"before" TEXT, 
	"after" TEXT, 
	reason TEXT, 
	message TEXT, 
	actor TEXT, 
	PRIMARY KEY (id)
);
INSERT INTO "bot_events" VALUES(1700000000000000,1700000000.0,'status','alpha','testing',NULL,'unknown',NULL,'added to the fleet',NULL);
INSERT INTO "bot_events" VALUES(1700000000000001,1700000000.0,'status','beta','testing',NULL,'unknown',NULL,'added to the fleet',NULL);
INSERT INTO "bot_events" VALUES(1700000001000000,1700000001.0,'state','alpha','testing','disconnected','connecting',NULL,NULL,NULL);
INSERT INTO "bot_events" VALUES(1700000001000001,1700000001.0,'state','alpha','testing','connecting','online',NULL,NULL,NULL);
INSERT INTO "bot_events" VALUES(1700000001000002,1700000001.0,'status','alpha','testing','unknown','connected',NULL,NULL,NULL);
INSERT INTO "bot_events" VALUES(1700000002000000,1700000002.0,'error','beta','testing',NULL,NULL,'refused','connection refused',NULL);
INSERT INTO "bot_events" VALUES(1700000002000001,1700000002.0,'status','beta','testing','unknown','connection_error','refused','connection refused',NULL);
INSERT INTO "bot_events" VALUES(1700000003000000,1700000003.0,'lobby','alpha','testing',NULL,'waiting',NULL,'inhouse (18446744073709551611)',NULL);
INSERT INTO "bot_events" VALUES(1700000009000000,1700000009.0,'lobby','alpha','testing','waiting','finished','radiant_victory','inhouse (18446744073709551611): 3 players, 9s',NULL);
INSERT INTO "bot_events" VALUES(1700010000000000,1700010000.0,'order','alpha','example',NULL,'created','create lobby','inhouse','ann');
CREATE TABLE bots (
	name TEXT NOT NULL, 
	platform TEXT NOT NULL, 
	subject TEXT NOT NULL, 
	is_active BOOLEAN NOT NULL, 
	configured_active BOOLEAN NOT NULL, 
	ordered_active BOOLEAN, 
	state TEXT NOT NULL, 
	status INTEGER NOT NULL, 
	status_message TEXT, 
	status_reason TEXT, 
	last_connected_at DOUBLE, 
	last_status_check_at DOUBLE, 
	last_activity DOUBLE, 
	last_error TEXT, 
	last_error_reason TEXT, 
	last_error_time DOUBLE, 
	in_maintenance BOOLEAN NOT NULL, 
	maintenance_until DOUBLE, 
	maintenance_reason TEXT, 
	maintenance_by TEXT, 
	lobbies_created INTEGER NOT NULL, 
	removed_at DOUBLE, generation BIGINT DEFAULT '0' NOT NULL, expected TEXT, 
	PRIMARY KEY (name)
);
INSERT INTO "bots" VALUES('alpha','testing','alpha-category',1,1,NULL,'online',1,NULL,NULL,1700000001.0,1700000001.0,1700000009.0,NULL,NULL,NULL,0,NULL,NULL,NULL,1,NULL,0,'{"lobby_id": 7, "players": [76561197960287930, 76561197960287931]}');
INSERT INTO "bots" VALUES('beta','testing','beta-category',1,1,NULL,'disconnected',3,'connection refused','refused',NULL,NULL,NULL,'connection refused','refused',1700000002.0,1,1700099999.0,'new cables','ann',0,NULL,0,NULL);
CREATE TABLE cluster_instances (
	instance TEXT NOT NULL, 
	boot TEXT NOT NULL, 
	slot INTEGER NOT NULL, 
	advertise_url TEXT NOT NULL, 
	egress TEXT NOT NULL, 
	version TEXT NOT NULL, 
	draining BOOLEAN NOT NULL, 
	started_at DOUBLE NOT NULL, 
	seen_at DOUBLE NOT NULL, 
	until DOUBLE NOT NULL, 
	PRIMARY KEY (instance), 
	CONSTRAINT uq_cluster_instances_slot UNIQUE (slot)
);
CREATE TABLE cluster_leases (
	bot TEXT NOT NULL, 
	owner TEXT, 
	boot TEXT, 
	generation BIGINT NOT NULL, 
	until DOUBLE NOT NULL, 
	claimed_at DOUBLE NOT NULL, 
	PRIMARY KEY (bot)
);
CREATE TABLE cluster_pauses (
	egress TEXT NOT NULL, 
	until DOUBLE NOT NULL, 
	instance TEXT NOT NULL, 
	PRIMARY KEY (egress)
);
CREATE TABLE cluster_records (
	kind VARCHAR(16) NOT NULL, 
	"key" TEXT NOT NULL, 
	instance TEXT NOT NULL, 
	generation BIGINT NOT NULL, 
	data TEXT NOT NULL, 
	changed_at DOUBLE NOT NULL, 
	seq BIGINT NOT NULL, 
	PRIMARY KEY (kind, "key")
);
CREATE TABLE lobbies (
	lobby_id VARCHAR(20) NOT NULL, 
	bot TEXT NOT NULL, 
	name TEXT NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	server_region BIGINT NOT NULL, 
	game_mode BIGINT NOT NULL, 
	created_at DOUBLE NOT NULL, 
	ended_at DOUBLE, 
	duration_s DOUBLE, 
	match_id VARCHAR(20), 
	outcome TEXT, 
	player_count INTEGER NOT NULL, 
	updated_at DOUBLE NOT NULL, 
	PRIMARY KEY (lobby_id)
);
INSERT INTO "lobbies" VALUES('18446744073709551611','alpha','inhouse','finished',1,1,1700000000.0,1700000009.0,9.0,'7','radiant_victory',3,1700000009.0);
CREATE TABLE orders (
	id VARCHAR(64) NOT NULL, 
	idempotency_key TEXT, 
	digest VARCHAR(64) NOT NULL, 
	actor TEXT, 
	action TEXT NOT NULL, 
	target TEXT, 
	bot TEXT, 
	platform TEXT, 
	state VARCHAR(16) NOT NULL, 
	code INTEGER, 
	result TEXT, 
	created_at DOUBLE NOT NULL, 
	finished_at DOUBLE, boot TEXT, 
	PRIMARY KEY (id), 
	CONSTRAINT uq_orders_idempotency_key UNIQUE (idempotency_key)
);
INSERT INTO "orders" VALUES('bd0f639bfe8349698fda2cbb87eb3370','key-1','dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd','ann','create lobby','inhouse','alpha','example','done',201,'{"a": 1}',1700010000.0,1700010000.0,NULL);
INSERT INTO "orders" VALUES('48f1ccc5a44c4b4e831a10a648fd186f','key-2','eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee','ann','stop','beta','beta','example','begun',NULL,NULL,1700010000.0,NULL,NULL);
CREATE TABLE races (
	name TEXT NOT NULL, 
	category TEXT NOT NULL, 
	slug TEXT NOT NULL, 
	bot TEXT, 
	goal TEXT NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	opened_by_bot TEXT, 
	opened_at DOUBLE, 
	started_at DOUBLE, 
	ended_at DOUBLE, 
	duration_s DOUBLE, 
	outcome TEXT, 
	player_count INTEGER NOT NULL, 
	finished_count INTEGER NOT NULL, 
	updated_at DOUBLE NOT NULL, 
	PRIMARY KEY (name)
);
CREATE INDEX ix_bot_events_bot_id ON bot_events (bot, id);
CREATE INDEX ix_bot_events_kind_id ON bot_events (kind, id);
CREATE INDEX ix_lobbies_updated_at ON lobbies (updated_at);
CREATE INDEX ix_races_updated_at ON races (updated_at);
CREATE INDEX ix_orders_created_at ON orders (created_at);
CREATE INDEX ix_cluster_records_instance_seq ON cluster_records (instance, seq);
COMMIT;
