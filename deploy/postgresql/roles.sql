-- Roles of Kench, and its database: as postgres, `psql -v ON_ERROR_STOP=1 -f roles.sql`, before the first `kench migrate`
-- and again after an update. A second time changes nothing.
--
-- kench_...   what a process may do; nobody logs in as these. Migrations grant to them.
-- kench-...   who logs in: the account of the system that the process runs as, a member of its one role.
-- kench       owns the schema, for `kench migrate` and people's commands. It makes no roles and no databases.

SET client_min_messages = warning;

SELECT format('CREATE ROLE %I NOLOGIN', name) FROM unnest(ARRAY[
    'kench_stratum', 'kench_settle', 'kench_sell', 'kench_cabinet', 'kench_tax', 'kench_read'
]) AS name WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec

SELECT format('CREATE ROLE %I LOGIN CONNECTION LIMIT %s', name, most) FROM (VALUES
    ('kench', 20), ('kench-stratum', 60), ('kench-settle', 10), ('kench-sell', 20), ('kench-cabinet', 100),
    ('kench-tax', 30)
) AS wanted (name, most) WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec

SELECT format('CREATE ROLE %I LOGIN REPLICATION CONNECTION LIMIT 4', name) FROM unnest(ARRAY[
    'kench-archive', 'kench-replica'
]) AS name WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec

GRANT kench_stratum TO "kench-stratum";
GRANT kench_settle TO "kench-settle";
GRANT kench_sell TO "kench-sell";
GRANT kench_cabinet TO "kench-cabinet";
GRANT kench_tax TO "kench-tax";
-- People's commands act as the role that each needs.
GRANT kench_read, kench_settle, kench_sell TO kench;

SELECT 'CREATE DATABASE kench OWNER kench' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'kench') \gexec
REVOKE ALL ON DATABASE kench FROM PUBLIC;
GRANT CONNECT ON DATABASE kench TO "kench-stratum", "kench-settle", "kench-sell", "kench-cabinet", "kench-tax",
    "kench-archive";
-- Statistics of workers are written through a table of the session.
GRANT TEMPORARY ON DATABASE kench TO kench_stratum;
