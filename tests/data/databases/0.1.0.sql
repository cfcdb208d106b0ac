BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE alerts (
	id VARCHAR NOT NULL, 
	watchlist VARCHAR NOT NULL, 
	story VARCHAR NOT NULL, 
	level VARCHAR NOT NULL, 
	score FLOAT NOT NULL, 
	reason VARCHAR NOT NULL, 
	title TEXT NOT NULL, 
	url TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	silence VARCHAR, 
	PRIMARY KEY (id)
);
INSERT INTO "alerts" VALUES('42b2e80ec9e5f8ae4fc6','harbour','10854b8a195415680166','normal',4.0,'matched','Parliament passes the harbour bill after a night of debate','https://gazette.example/0-1742412660',1788264000000000,NULL);
CREATE TABLE articles (
	story VARCHAR NOT NULL, 
	entry VARCHAR NOT NULL, 
	feed VARCHAR NOT NULL, 
	url TEXT NOT NULL, 
	origin VARCHAR NOT NULL, 
	state VARCHAR NOT NULL, 
	wanted_at BIGINT NOT NULL, 
	next_at BIGINT NOT NULL, 
	attempts INTEGER NOT NULL, 
	error TEXT, 
	PRIMARY KEY (story)
)
 WITHOUT ROWID

;
CREATE TABLE channels (
	name VARCHAR NOT NULL, 
	recipient TEXT NOT NULL, 
	paused_until BIGINT, 
	suspended BOOLEAN NOT NULL, 
	failures INTEGER NOT NULL, 
	failing_since BIGINT, 
	last_error TEXT, 
	PRIMARY KEY (name, recipient)
);
CREATE TABLE dedup_keys (
	posting INTEGER NOT NULL, 
	PRIMARY KEY (posting)
);
INSERT INTO "dedup_keys" VALUES(-8659422886135595007);
INSERT INTO "dedup_keys" VALUES(-8659422886135595006);
INSERT INTO "dedup_keys" VALUES(-8373299426592030719);
INSERT INTO "dedup_keys" VALUES(-8373299426592030718);
INSERT INTO "dedup_keys" VALUES(-8335838807735664639);
INSERT INTO "dedup_keys" VALUES(-8335838807735664638);
INSERT INTO "dedup_keys" VALUES(-8172318235861975039);
INSERT INTO "dedup_keys" VALUES(-8172318235861975038);
INSERT INTO "dedup_keys" VALUES(-6593932666708426749);
INSERT INTO "dedup_keys" VALUES(-6390678696323186685);
INSERT INTO "dedup_keys" VALUES(-6380488670591320061);
INSERT INTO "dedup_keys" VALUES(-6357176236648693759);
INSERT INTO "dedup_keys" VALUES(-6357176236648693758);
INSERT INTO "dedup_keys" VALUES(-6292200206163247103);
INSERT INTO "dedup_keys" VALUES(-6292200206163247102);
INSERT INTO "dedup_keys" VALUES(-6193655664775004159);
INSERT INTO "dedup_keys" VALUES(-6193655664775004158);
INSERT INTO "dedup_keys" VALUES(-5908138144586268671);
INSERT INTO "dedup_keys" VALUES(-5908138144586268670);
INSERT INTO "dedup_keys" VALUES(-5805252009737060351);
INSERT INTO "dedup_keys" VALUES(-5805252009737060350);
INSERT INTO "dedup_keys" VALUES(-5674048288995672063);
INSERT INTO "dedup_keys" VALUES(-5674048288995672062);
INSERT INTO "dedup_keys" VALUES(-5641731437863370751);
INSERT INTO "dedup_keys" VALUES(-5641731437863370750);
INSERT INTO "dedup_keys" VALUES(-5545925204414300157);
INSERT INTO "dedup_keys" VALUES(-4982848055536517119);
INSERT INTO "dedup_keys" VALUES(-4982848055536517118);
INSERT INTO "dedup_keys" VALUES(-4906799493061541885);
CREATE TABLE deliveries (
	seq INTEGER NOT NULL, 
	id VARCHAR NOT NULL, 
	alert VARCHAR NOT NULL, 
	channel VARCHAR NOT NULL, 
	recipient TEXT NOT NULL, 
	revision INTEGER NOT NULL, 
	kind VARCHAR NOT NULL, 
	level VARCHAR NOT NULL, 
	mark VARCHAR NOT NULL, 
	watchlist VARCHAR NOT NULL, 
	score FLOAT NOT NULL, 
	state VARCHAR NOT NULL, 
	hold VARCHAR, 
	doubt BOOLEAN NOT NULL, 
	merged_into VARCHAR, 
	attempts INTEGER NOT NULL, 
	created_at BIGINT NOT NULL, 
	next_attempt_at BIGINT NOT NULL, 
	first_attempt_at BIGINT, 
	lease_until BIGINT, 
	sent_at BIGINT, 
	remote_id TEXT, 
	error TEXT, 
	plain BOOLEAN NOT NULL, 
	message TEXT NOT NULL, 
	PRIMARY KEY (seq), 
	UNIQUE (id)
);
INSERT INTO "deliveries" VALUES(1,'47e016688325a3e50c9a','42b2e80ec9e5f8ae4fc6','desk','',0,'alert','normal','','harbour',4.0,'delivered',NULL,0,NULL,1,1788264000000000,1788264000000000,1788264000000000,NULL,1788264000000000,NULL,NULL,0,'{"headline": "The harbour — Parliament passes the harbour bill after a night of debate (Gazette, 2 outlets)", "mark": "", "news": "", "title": "Parliament passes the harbour bill after a night of debate", "url": "https://gazette.example/0-1742412660", "watchlist": "harbour", "watchlist_title": "The harbour", "level": "normal", "outlet": "Gazette", "credit": null, "published": "Tue 01 Sep 2026, 13:00 BST", "lead": "", "why": ["score 4, alerts from 2", "+4 harbour, in the title: “Parliament passes the harbour bill after a night of debate”"], "spread": "2 outlets: Gazette, Herald", "story": "10854b8a195415680166", "thread": "42b2e80ec9e5f8ae4fc6", "story_link": "", "feedback_link": ""}');
CREATE TABLE entries (
	seq INTEGER NOT NULL, 
	id VARCHAR NOT NULL, 
	feed VARCHAR NOT NULL, 
	outlet TEXT NOT NULL, 
	story VARCHAR NOT NULL, 
	rule VARCHAR NOT NULL, 
	similarity FLOAT NOT NULL, 
	nearest VARCHAR, 
	nearest_similarity FLOAT, 
	refused_because TEXT, 
	published_at BIGINT, 
	seen_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	revision INTEGER NOT NULL, 
	content_hash VARCHAR NOT NULL, 
	url_key BIGINT, 
	title_key BIGINT NOT NULL, 
	text_key BIGINT, 
	language VARCHAR, 
	slug VARCHAR, 
	credit VARCHAR, 
	sketch BLOB NOT NULL, 
	guid TEXT NOT NULL, 
	url TEXT NOT NULL, 
	author TEXT NOT NULL, 
	title TEXT NOT NULL, 
	summary TEXT NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (seq), 
	UNIQUE (id)
);
INSERT INTO "entries" VALUES(1,'10854b8a195415680166','gazette','Gazette','10854b8a195415680166','founder',100.0,NULL,NULL,NULL,1788264000000000,1788264000000000,1788264000000000,0,'063c5083a9593638ae8e',3590072988945583299,4251162070675995428,NULL,'en',NULL,NULL,X'0100000000007061726C69616D656E74097061737365730974686509686172626F75720962696C6C0961667465720961096E69676874096F66096465626174650A7061726C69616D656E740A0A','Parliament passes the harbour bill after a night of debate','https://gazette.example/0-1742412660','','Parliament passes the harbour bill after a night of debate','','');
INSERT INTO "entries" VALUES(2,'72cbfb08c50dab3f26bb','herald','Herald','10854b8a195415680166','same_url',100.0,NULL,NULL,NULL,1788264000000000,1788264000000000,1788264000000000,0,'063c5083a9593638ae8e',3590072988945583299,4251162070675995428,NULL,'en',NULL,NULL,X'0100000000007061726C69616D656E74097061737365730974686509686172626F75720962696C6C0961667465720961096E69676874096F66096465626174650A7061726C69616D656E740A0A','Parliament passes the harbour bill after a night of debate','https://gazette.example/0-1742412660','','Parliament passes the harbour bill after a night of debate','','');
INSERT INTO "entries" VALUES(3,'e1ca92ead3da6e466a09','gazette','Gazette','e1ca92ead3da6e466a09','founder',100.0,NULL,NULL,NULL,1788264000000000,1788264000000000,1788264000000000,0,'bab65a60e74c3f8170d4',8583665499480506261,9102615085257821147,NULL,'en',NULL,NULL,X'0100000000007261696E096973096578706563746564096F766572097468650968696C6C730A7261696E0A0A','Rain is expected over the hills','https://gazette.example/1-4270030257','','Rain is expected over the hills','','');
CREATE TABLE feedback (
	alert VARCHAR NOT NULL, 
	watchlist VARCHAR NOT NULL, 
	story VARCHAR NOT NULL, 
	verdict VARCHAR NOT NULL, 
	noted_at BIGINT NOT NULL, 
	PRIMARY KEY (alert)
);
CREATE TABLE feeds (
	name VARCHAR NOT NULL, 
	url TEXT NOT NULL, 
	host VARCHAR NOT NULL, 
	title TEXT, 
	configured BOOLEAN NOT NULL, 
	state VARCHAR NOT NULL, 
	etag TEXT, 
	last_modified TEXT, 
	body_hash VARCHAR, 
	seen_items BLOB, 
	seeded_at BIGINT, 
	last_checked_at BIGINT, 
	last_success_at BIGINT, 
	last_changed_at BIGINT, 
	next_check_at BIGINT NOT NULL, 
	not_before BIGINT, 
	lease_until BIGINT, 
	failures INTEGER NOT NULL, 
	failing_since BIGINT, 
	last_error TEXT, 
	entries INTEGER NOT NULL, 
	possible_gaps INTEGER NOT NULL, 
	claimed_at BIGINT, 
	validators_url TEXT, 
	last_full_at BIGINT, 
	equal_bodies INTEGER NOT NULL, 
	ttl_seconds INTEGER NOT NULL, 
	skip_hours INTEGER NOT NULL, 
	quickened INTEGER NOT NULL, 
	planned_seconds INTEGER NOT NULL, 
	gone_answers INTEGER NOT NULL, 
	gone_since BIGINT, 
	redirect_to TEXT, 
	redirects INTEGER NOT NULL, 
	redirect_since BIGINT, 
	moved_to TEXT, 
	original_asked_at BIGINT, 
	PRIMARY KEY (name)
);
INSERT INTO "feeds" VALUES('gazette','http://127.0.0.1:45565/gazette','127.0.0.1:45565','Gazette',1,'ok',NULL,NULL,'2ea6ac9f3ff594e8de9e93655c78a323',X'000B4A1449F6CD3A5B2D0C862F1423C0FCB58E11',1788264000000000,1788264000000000,1788264000000000,1788264000000000,1788267995360715,NULL,NULL,0,NULL,NULL,2,0,1788264000000000,'http://127.0.0.1:45565/gazette',1788264000000000,0,0,0,0,3995,0,NULL,NULL,0,NULL,NULL,NULL);
INSERT INTO "feeds" VALUES('herald','http://127.0.0.1:45565/herald','127.0.0.1:45565','Herald',1,'ok',NULL,NULL,'5d41bfea600c49adb86f1778fa019d0a',X'000B4A1449F6CD3A5B2D0C86',1788264000000000,1788264000000000,1788264000000000,1788264000000000,1788268690519612,NULL,NULL,0,NULL,NULL,1,0,1788264000000000,'http://127.0.0.1:45565/herald',1788264000000000,0,0,0,0,4690,0,NULL,NULL,0,NULL,NULL,NULL);
CREATE TABLE fingerprints (
	id VARCHAR NOT NULL, 
	seen_at BIGINT NOT NULL, 
	PRIMARY KEY (id)
)
 WITHOUT ROWID

;
CREATE TABLE hosts (
	host VARCHAR NOT NULL, 
	until BIGINT NOT NULL, 
	times INTEGER NOT NULL, 
	PRIMARY KEY (host)
);
CREATE TABLE matches (
	story VARCHAR NOT NULL, 
	watchlist VARCHAR NOT NULL, 
	score FLOAT NOT NULL, 
	threshold FLOAT NOT NULL, 
	verdict VARCHAR NOT NULL, 
	reason VARCHAR NOT NULL, 
	near_miss BOOLEAN NOT NULL, 
	veto TEXT, 
	missing TEXT NOT NULL, 
	hits TEXT NOT NULL, 
	decided_at BIGINT NOT NULL, 
	PRIMARY KEY (story, watchlist)
);
INSERT INTO "matches" VALUES('10854b8a195415680166','harbour',4.0,2.0,'alert','matched',0,NULL,'[]','[{"term": "harbour", "variant": "harbour", "field": "title", "quote": "Parliament passes the harbour bill after a night of debate", "points": 4.0, "start": 22, "end": 29}]',1788264000000000);
CREATE TABLE merged_stories (
	id VARCHAR NOT NULL, 
	story VARCHAR NOT NULL, 
	merged_at BIGINT NOT NULL, 
	PRIMARY KEY (id)
)
 WITHOUT ROWID

;
CREATE TABLE meta (
	"key" VARCHAR NOT NULL, 
	value TEXT NOT NULL, 
	PRIMARY KEY ("key")
);
INSERT INTO "meta" VALUES('identity','{"id": "4376fc5ec503492890d029fbe3b48636", "generation": 1}');
INSERT INTO "meta" VALUES('feedback_key','"49a2ed174131cd44f195a87cf0f6f345467d9dcacba676c98684252f61a899e9"');
INSERT INTO "meta" VALUES('started','{"at": "2026-09-01T12:00:00Z", "pid": 8259, "version": "0.1.0"}');
INSERT INTO "meta" VALUES('last_reload','{"ok": true, "at": "2026-09-01T12:00:00Z", "problems": []}');
INSERT INTO "meta" VALUES('watchlists','{"harbour": {"digest": "2592faea232fe992d41dac88bb8ea82e", "since": "2026-09-01T12:00:00+00:00"}}');
INSERT INTO "meta" VALUES('last_poll','{"at": "2026-09-01T12:00:00Z"}');
INSERT INTO "meta" VALUES('last_sweep','{"at": "2026-09-01T12:00:00Z"}');
CREATE TABLE oddities (
	feed VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	since_at BIGINT NOT NULL, 
	until_at BIGINT, 
	count INTEGER NOT NULL, 
	detail TEXT NOT NULL, 
	PRIMARY KEY (feed, kind)
)
 WITHOUT ROWID

;
CREATE TABLE silences (
	id VARCHAR NOT NULL, 
	watchlist VARCHAR, 
	story VARCHAR, 
	feed VARCHAR, 
	starts_at BIGINT NOT NULL, 
	ends_at BIGINT NOT NULL, 
	until_new_fact BOOLEAN NOT NULL, 
	comment TEXT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE sites (
	origin VARCHAR NOT NULL, 
	robots TEXT, 
	asked_at BIGINT, 
	next_at BIGINT NOT NULL, 
	PRIMARY KEY (origin)
)
 WITHOUT ROWID

;
CREATE TABLE stories (
	id VARCHAR NOT NULL, 
	title TEXT NOT NULL, 
	url TEXT NOT NULL, 
	language VARCHAR, 
	credit VARCHAR, 
	first_seen_at BIGINT NOT NULL, 
	published_at BIGINT, 
	updated_at BIGINT NOT NULL, 
	pickups INTEGER NOT NULL, 
	related VARCHAR, 
	lead_entry VARCHAR NOT NULL, 
	lead_length INTEGER NOT NULL, 
	body_entry VARCHAR NOT NULL, 
	body_length INTEGER NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "stories" VALUES('10854b8a195415680166','Parliament passes the harbour bill after a night of debate','https://gazette.example/0-1742412660','en',NULL,1788264000000000,1788264000000000,1788264000000000,2,NULL,'10854b8a195415680166',0,'10854b8a195415680166',0);
INSERT INTO "stories" VALUES('e1ca92ead3da6e466a09','Rain is expected over the hills','https://gazette.example/1-4270030257','en',NULL,1788264000000000,1788264000000000,1788264000000000,1,NULL,'e1ca92ead3da6e466a09',0,'e1ca92ead3da6e466a09',0);
CREATE TABLE versions (
	entry VARCHAR NOT NULL, 
	revision INTEGER NOT NULL, 
	replaced_at BIGINT NOT NULL, 
	changed TEXT NOT NULL, 
	title TEXT NOT NULL, 
	summary TEXT NOT NULL, 
	PRIMARY KEY (entry, revision)
)
 WITHOUT ROWID

;
CREATE INDEX feeds_due ON feeds (next_check_at);
CREATE INDEX articles_due ON articles (state, next_at);
CREATE INDEX articles_entry ON articles (entry);
CREATE INDEX entries_seen ON entries (seen_at);
CREATE INDEX entries_story ON entries (story);
CREATE INDEX entries_url ON entries (url_key) WHERE url_key IS NOT NULL;
CREATE INDEX entries_title ON entries (title_key) WHERE url_key IS NULL;
CREATE INDEX merged_into ON merged_stories (story);
CREATE INDEX stories_seen ON stories (first_seen_at);
CREATE INDEX stories_related ON stories (related);
CREATE INDEX matches_watchlist ON matches (watchlist, decided_at);
CREATE INDEX alerts_created ON alerts (created_at);
CREATE INDEX alerts_story ON alerts (story);
CREATE INDEX feedback_watchlist ON feedback (watchlist, noted_at);
CREATE INDEX deliveries_alert ON deliveries (alert);
CREATE INDEX deliveries_depth ON deliveries (state, kind, channel);
CREATE INDEX deliveries_merged ON deliveries (merged_into);
CREATE INDEX deliveries_due ON deliveries (state, channel, next_attempt_at);
COMMIT;
