"""A database that nobody wrote models for, in SQL: on SQLite what is portable, on PostgreSQL all of it."""

from __future__ import annotations

from typing import Final

#: Tables, keys, views and rows that both databases take as they stand.
PORTABLE: Final = """
CREATE TABLE owners (id integer PRIMARY KEY, name varchar(20) NOT NULL, boss_id integer REFERENCES owners (id));
CREATE TABLE ships (
  id integer PRIMARY KEY, name text NOT NULL UNIQUE, owner_id integer REFERENCES owners (id), tons integer,
  sunk boolean DEFAULT false);
CREATE TABLE papers (id integer PRIMARY KEY, ship_id integer UNIQUE REFERENCES ships (id), stamp text);
CREATE TABLE sailors (id integer PRIMARY KEY, name text NOT NULL);
CREATE TABLE berths (
  sailor_id integer REFERENCES sailors (id), ship_id integer REFERENCES ships (id), rank text,
  PRIMARY KEY (sailor_id, ship_id));
CREATE TABLE ports (id integer PRIMARY KEY, name text NOT NULL);
CREATE TABLE voyages (
  id integer PRIMARY KEY, ship_id integer REFERENCES ships (id),
  from_id integer, to_id integer,
  CONSTRAINT voyage_start FOREIGN KEY (from_id) REFERENCES ports (id),
  CONSTRAINT voyage_end FOREIGN KEY (to_id) REFERENCES ports (id));
CREATE TABLE rumours (teller text, said text);
CREATE TABLE "Log; Book" ("Page No." integer PRIMARY KEY, "what, exactly" text);
CREATE TABLE sightings (id integer PRIMARY KEY, seen timestamp, log json);
CREATE TABLE colours (name text PRIMARY KEY);
CREATE TABLE pennants (id integer PRIMARY KEY, colours text REFERENCES colours (name));
CREATE VIEW big_ships AS SELECT id, name, owner_id AS "whose" FROM ships WHERE tons > 100;
CREATE VIEW people AS SELECT id AS "number", name FROM owners;
INSERT INTO owners VALUES (1, 'Ann', NULL), (2, 'Bob', 1), (3, 'Cy', 1);
INSERT INTO ships (id, name, owner_id, tons) VALUES
  (1, 'Albatross', 1, 120), (2, 'Bittern', 1, 80), (3, 'Curlew', 2, 300), (4, 'Dunlin', NULL, NULL);
INSERT INTO papers VALUES (1, 1, 'red'), (2, 3, NULL);
INSERT INTO sailors VALUES (1, 'Kit'), (2, 'Lou'), (3, 'Mo');
INSERT INTO berths VALUES (1, 1, 'mate'), (2, 1, NULL), (2, 3, 'cook');
INSERT INTO ports VALUES (1, 'Hull'), (2, 'Oslo');
INSERT INTO voyages VALUES (1, 1, 1, 2), (2, 3, 2, 1);
INSERT INTO rumours VALUES ('Kit', 'gold, "much" of it'), ('Kit', 'gold, "much" of it'), (NULL, 'fog');
INSERT INTO "Log; Book" VALUES (1, 'calm');
INSERT INTO sightings VALUES (1, '2024-03-01 05:06:07.5', '{"spots":[1,2],"by":"Kit"}'), (2, NULL, NULL);
INSERT INTO colours VALUES ('red'), ('blue');
INSERT INTO pennants VALUES (1, 'red'), (2, 'blue');
"""

#: What only PostgreSQL has.
POSTGRESQL: Final = """
CREATE SCHEMA yard;
CREATE SCHEMA vault;
CREATE TYPE mood AS ENUM ('grim', 'fair');
CREATE DOMAIN short AS varchar(10) CHECK (length(value) > 1);
CREATE TABLE weather (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, mood mood, tags text[], wind numrange, facts jsonb, notes json,
  host inet, price money, code char(3), bits bit(4), at timestamptz DEFAULT '2024-01-01 00:00:00+00', label short,
  seen bytea, doubled bigint GENERATED ALWAYS AS (7 * 2) STORED, big bigint DEFAULT 9007199254740993,
  words tsvector, shape point);
COMMENT ON TABLE weather IS 'What the sky did.';
COMMENT ON COLUMN weather.host IS 'Who measured.';
INSERT INTO weather (mood, tags, wind, facts, notes, host, price, code, bits, label, seen, words, shape) VALUES
  ('grim', '{a,"b c",NULL}', '[1,5)', '{"gust": {"kn": 30}, "log": [1, null]}', '{"z": 1, "a": [2]}', '10.0.0.1',
   '$1,234.50', 'ab', B'1010', 'low', '\\x89ff', to_tsvector('english', 'the fog rolled in'), '(1,2)'),
  ('fair', '{}', 'empty', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE hull_parts (ship_id integer, part text, weight numeric(6,2), PRIMARY KEY (ship_id, part));
CREATE VIEW fleet AS SELECT owner_id, count(*) AS ships FROM ships GROUP BY owner_id;
CREATE MATERIALIZED VIEW docked AS SELECT id, name, owner_id FROM ships;
CREATE TABLE vault.insured (id integer PRIMARY KEY, ship_id integer REFERENCES ships (id));
CREATE VIEW insured AS SELECT id, ship_id FROM vault.insured;
INSERT INTO vault.insured VALUES (1, 3);
CREATE TABLE yard.cranes (id integer PRIMARY KEY, name text);
INSERT INTO yard.cranes VALUES (1, 'Goliath');
"""

#: Functions of PostgreSQL.
FUNCTIONS: Final = """
CREATE FUNCTION harbour.add(a integer, b integer DEFAULT 2) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT a + b';
CREATE FUNCTION harbour.ships_of(owner integer) RETURNS SETOF harbour.ships LANGUAGE sql STABLE
  AS 'SELECT * FROM harbour.ships WHERE owner_id = owner';
CREATE FUNCTION harbour.tides() RETURNS TABLE (hour integer, metres numeric) LANGUAGE sql STABLE
  AS 'VALUES (1, 0.5), (7, 3.2)';
CREATE FUNCTION harbour.words(list text[]) RETURNS SETOF text LANGUAGE sql IMMUTABLE AS 'SELECT unnest(list)';
CREATE FUNCTION harbour.hush() RETURNS void LANGUAGE sql AS 'SELECT NULL::void';
CREATE FUNCTION harbour.rename(id integer, name text) RETURNS harbour.ports LANGUAGE sql
  AS 'UPDATE harbour.ports SET name = $2 WHERE ports.id = $1 RETURNING *';
CREATE FUNCTION harbour.either(a integer) RETURNS integer LANGUAGE sql AS 'SELECT a';
CREATE FUNCTION harbour.either(a text) RETURNS text LANGUAGE sql AS 'SELECT a';
CREATE FUNCTION harbour.rename_all(name text) RETURNS SETOF harbour.ports LANGUAGE sql
  AS 'UPDATE harbour.ports SET name = $1 RETURNING *';
CREATE FUNCTION harbour.posted() RETURNS integer LANGUAGE sql
  AS $$ SELECT 1 / (current_setting('request.method') = 'POST')::integer $$;
CREATE FUNCTION harbour.unlisted() RETURNS integer LANGUAGE sql AS 'SELECT 1';
"""
