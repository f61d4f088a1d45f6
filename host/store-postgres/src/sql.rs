//! The statements. Each is prepared once on a connection, whose `search_path` is the board's schema.
//!
//! - What a transaction reads of a task is locked for as long as it goes on. `… NOWAIT` and `… SKIP LOCKED`: nobody who
//!   holds a lock waits for another one.
//! - Lists come as arrays, a place in each for every row; lists of words in one text, with `U+001F` between them.

pub(crate) const BEGIN: &str = "BEGIN";
/// For those who only look: everything as it was at one instant.
pub(crate) const BEGIN_SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
pub(crate) const COMMIT: &str = "COMMIT";
pub(crate) const ROLLBACK: &str = "ROLLBACK";

macro_rules! opened {
    ($got:literal) => {
        concat!(
            "SELECT ",
            $got,
            " AS got, o.*, \
            coalesce(o.timer = -1, false) AS unasked, \
            coalesce(least(o.timer, (SELECT min(lease_until) FROM claims)) <= o.now, false) AS due, \
            EXISTS (SELECT FROM wakes) AS wakes \
          FROM (SELECT epoch, moved_to, arriving, \
            CASE WHEN epoch <> $2 THEN policies END AS policies, \
            CASE WHEN epoch <> $2 THEN settings END AS settings, \
            (extract(epoch FROM clock_timestamp()) * 1000)::bigint + $3 AS now, \
            (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM entries) AS sequence, \
            (SELECT min(at) FROM timers) AS timer, \
            (SELECT coalesce(max(number), 0) FROM classes) AS classes \
            FROM board) o"
        )
    };
}
/// What a transaction starts from, and whether it may: nobody changes what all rest on. The policies and settings only
/// for one who has those of another epoch.
pub(crate) const OPEN: &str = opened!("pg_try_advisory_xact_lock_shared($1)");
/// The same for one who has the lock already: before PostgreSQL 17 it isn't even given to one who has it alone, without
/// waiting, while others wait.
pub(crate) const OPEN_WITH_LOCK: &str = opened!("$1::bigint IS NOT NULL");
/// The same, beside what a claim is likely to be offered, which is to be put in between.
pub(crate) const OPEN_AND_OFFER: (&str, &str) = (
    concat!(
        "WITH b AS MATERIALIZED (",
        opened!("pg_try_advisory_xact_lock_shared($1)"),
        "), f AS MATERIALIZED ("
    ),
    ") SELECT b.*, f.* FROM b LEFT JOIN f ON true",
);

/// The same for one who only looks.
pub(crate) const LOOK: &str = "\
SELECT epoch, moved_to, arriving, policies, settings, \
  (extract(epoch FROM clock_timestamp()) * 1000)::bigint + $1 AS now \
FROM board";

/// How long a statement waits for a lock, in milliseconds, until the transaction ends.
pub(crate) const LOCK_TIMEOUT: &str = "SELECT set_config('lock_timeout', $1, true)";
/// How long the transaction may stand idle while who has it waits for others: for a reader, or for more to take in.
pub(crate) const IDLE_TIMEOUT: &str =
    "SELECT set_config('idle_in_transaction_session_timeout', $1, true)";
pub(crate) const LOCK_SHARED: &str = "SELECT pg_advisory_xact_lock_shared($1)";
pub(crate) const LOCK_ALONE: &str = "SELECT pg_advisory_xact_lock($1)";
pub(crate) const TRY_LOCK: &str = "SELECT pg_try_advisory_xact_lock($1) AS got";
pub(crate) const TRY_LOCK_SHARED: &str = "SELECT pg_try_advisory_xact_lock_shared($1) AS got";
/// Tasks that an earlier try couldn't have, one after the other, each when it is free.
pub(crate) const WAIT_FOR_TASKS: &str = "\
SELECT id, body, data, result FROM tasks WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE";
/// Who has the board alone. Boards of other databases have locks of the same numbers.
pub(crate) const HOLDER: &str = "\
SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a USING (pid) \
WHERE l.locktype = 'advisory' AND l.granted AND l.mode = 'ExclusiveLock' AND l.pid <> pg_backend_pid() \
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND l.objsubid = 1 \
  AND l.classid = ($1::bigint >> 32 & 4294967295)::oid AND l.objid = ($1::bigint & 4294967295)::oid \
LIMIT 1";

pub(crate) const TASKS_TO_CHANGE: &str = "\
SELECT id, body, data, result FROM tasks WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE NOWAIT";
pub(crate) const TASKS_TO_LOOK_AT: &str = "\
SELECT id, body, data, result FROM tasks WHERE id = ANY ($1) ORDER BY id FOR SHARE NOWAIT";
pub(crate) const TASKS: &str =
    "SELECT id, body, data, result FROM tasks WHERE id = ANY ($1) ORDER BY id";

pub(crate) const CHILDREN: &str = "\
SELECT id FROM tasks WHERE parent = $1 AND id > $2 ORDER BY id LIMIT $3";
pub(crate) const CHILDREN_OF: &str = "\
SELECT id FROM tasks WHERE parent = $1 AND ended = $4 AND id > $2 ORDER BY id LIMIT $3";
pub(crate) const WAITERS: &str = "\
SELECT task FROM waits WHERE awaited = $1 AND task > $2 ORDER BY task LIMIT $3";
pub(crate) const DEPENDENTS: &str = "\
SELECT task FROM dependents WHERE dependency = $1 AND task > $2 ORDER BY task LIMIT $3";
pub(crate) const UNASKED_TASKS: &str =
    "SELECT task FROM timers WHERE at = -1 ORDER BY task LIMIT $1";
/// Those that nobody is at.
pub(crate) const UNASKED_TO_ASK: &str = "\
SELECT r.task FROM timers r JOIN tasks t ON t.id = r.task WHERE r.at = -1 \
ORDER BY r.task LIMIT $1 FOR NO KEY UPDATE OF r, t SKIP LOCKED";
pub(crate) const WAKES: &str = "SELECT awaited, past FROM wakes ORDER BY awaited LIMIT $1";
pub(crate) const WAKES_TO_TAKE: &str = "\
SELECT awaited, past FROM wakes ORDER BY awaited LIMIT $1 FOR UPDATE SKIP LOCKED";
pub(crate) const LEASES_OVER: &str = "\
SELECT task FROM claims WHERE lease_until <= $1 ORDER BY lease_until LIMIT $2";
/// With a lock on the claim too, because a lease that was extended meanwhile isn't over.
pub(crate) const LEASES_TO_END: &str = "\
SELECT c.task FROM claims c JOIN tasks t ON t.id = c.task WHERE c.lease_until <= $1 \
ORDER BY c.lease_until LIMIT $2 FOR NO KEY UPDATE OF c, t SKIP LOCKED";
pub(crate) const TIMERS_OVER: &str = "\
SELECT task FROM timers WHERE at BETWEEN 0 AND $1 ORDER BY at LIMIT $2";
pub(crate) const TIMERS_TO_END: &str = "\
SELECT r.task FROM timers r JOIN tasks t ON t.id = r.task WHERE r.at BETWEEN 0 AND $1 \
ORDER BY r.at LIMIT $2 FOR NO KEY UPDATE OF r, t SKIP LOCKED";
pub(crate) const NEXT_DUE: &str = "\
SELECT least((SELECT greatest(lease_until, $1) FROM claims ORDER BY lease_until LIMIT 1), \
  (SELECT min(at) FROM timers WHERE at >= 0)) AS at";
/// One of each holder: very many tasks may be held by one.
pub(crate) const SESSIONS: &str = "\
WITH RECURSIVE s AS ( \
  (SELECT session FROM claims WHERE session IS NOT NULL ORDER BY session LIMIT 1) \
  UNION ALL \
  SELECT (SELECT c.session FROM claims c WHERE c.session > s.session ORDER BY c.session LIMIT 1) \
  FROM s WHERE s.session IS NOT NULL) \
SELECT session FROM s WHERE session IS NOT NULL LIMIT $1";
pub(crate) const PROCESSES: &str =
    "SELECT DISTINCT process FROM claims WHERE process IS NOT NULL LIMIT $1";
pub(crate) const OF_SESSION: &str = "SELECT task FROM claims WHERE session = $1 LIMIT $2";
pub(crate) const OF_PROCESS: &str = "SELECT task FROM claims WHERE process = $1 LIMIT $2";
pub(crate) const OF_SESSION_TO_END: &str = "\
SELECT c.task FROM claims c JOIN tasks t ON t.id = c.task WHERE c.session = $1 \
LIMIT $2 FOR NO KEY UPDATE OF c, t SKIP LOCKED";
pub(crate) const OF_PROCESS_TO_END: &str = "\
SELECT c.task FROM claims c JOIN tasks t ON t.id = c.task WHERE c.process = $1 \
LIMIT $2 FOR NO KEY UPDATE OF c, t SKIP LOCKED";
pub(crate) const HELD: &str = "SELECT count(*) AS n FROM claims WHERE agent = $1";

pub(crate) const RECALL: &str = "SELECT value FROM memory WHERE space = $1 AND key = $2";
pub(crate) const REMEMBERED: &str = "SELECT count(*) AS n FROM memory WHERE space = $1";
pub(crate) const KEY: &str = "SELECT record FROM keys WHERE command = $1 AND key = $2";
pub(crate) const META: &str = "SELECT value FROM metas WHERE key = $1";
pub(crate) const METAS: &str = "SELECT key, value FROM metas ORDER BY key";
pub(crate) const CLASSES: &str =
    "SELECT number, id, type, needs, assignee FROM classes WHERE number > $1";

pub(crate) const COUNTS: &str = "SELECT status, count(*) AS n FROM tasks GROUP BY status";
pub(crate) const COUNT_PENDING: &str = "\
SELECT (SELECT count(*) FROM ready) AS ready, \
  (SELECT count(*) FROM timers WHERE at >= 0) AS timed, \
  (SELECT count(*) FROM timers WHERE at = -1) AS unasked";
pub(crate) const OPEN_AND_READY: &str = "\
SELECT (SELECT count(*) FROM (SELECT FROM tasks WHERE ended = 0 LIMIT $1) o) AS open, \
  (SELECT count(*) FROM (SELECT FROM ready LIMIT $1) r) AS ready";
pub(crate) const HEAD: &str = "\
SELECT coalesce((SELECT max(sequence) FROM journal), 0) AS sequence, \
  (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM tokens) AS token, \
  (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM births) AS born";
pub(crate) const CENSUS: &str = "\
SELECT type, assignee, status, count(*) AS n FROM tasks GROUP BY type, assignee, status";
pub(crate) const HOLDERS: &str = "SELECT agent, count(*) AS n FROM claims GROUP BY agent";
pub(crate) const KEYS: &str = "SELECT command, key, record FROM keys WHERE at >= $1 ORDER BY command COLLATE \"C\", key COLLATE \"C\"";
pub(crate) const MEMORY: &str = "SELECT space, key, value FROM memory ORDER BY space, key";
pub(crate) const TASKS_BY_AGE: &str = "\
SELECT born, id, body, data, result FROM tasks WHERE born > $1 ORDER BY born LIMIT $2";

/// What a list shows: `$1` statuses, `$2` types, `$3` labels, `$4` a parent, `$5` an assignee, `$6` whether ready,
/// `$7` whether without a parent, `$8` an agent. Arrays that are empty and parameters that are null match everything.
macro_rules! listed {
    () => {
        " FROM tasks t WHERE (cardinality($1::text[]) = 0 OR t.status = ANY ($1)) \
          AND (cardinality($2::text[]) = 0 OR t.type = ANY ($2)) \
          AND t.labels @> $3::text[] \
          AND ($4::text IS NULL OR t.parent = $4) \
          AND ($5::text IS NULL OR t.assignee = $5) \
          AND (NOT $6::boolean OR t.rank IS NOT NULL) \
          AND (NOT $7::boolean OR t.parent IS NULL) \
          AND ($8::text IS NULL OR t.id IN (SELECT task FROM claims WHERE agent = $8))"
    };
}
pub(crate) const LIST: &str = concat!(
    "SELECT t.id, t.body, t.data, t.result",
    listed!(),
    " AND t.born > $9 ORDER BY t.born LIMIT $10"
);
pub(crate) const LIST_TOTAL: &str = concat!("SELECT count(*) AS n", listed!());

pub(crate) const NEXT_TOKEN: &str = "SELECT nextval('tokens') AS n";
pub(crate) const NEXT_BIRTHS: &str =
    "SELECT nextval('births') AS n FROM generate_series(1, $1::bigint)";
/// Whether nobody has locked a task by hand: then nobody does until the transaction ends.
pub(crate) const TRY_HAND: &str =
    "SELECT pg_try_advisory_xact_lock_shared(hashtextextended($1, $2)) AS free";

pub(crate) const DELETE_TASKS: &str = "DELETE FROM tasks WHERE id = ANY ($1)";
pub(crate) const INSERT_TASKS: &str = "\
INSERT INTO tasks (id, born, type, status, ended, parent, assignee, labels, rank, token, body, data, result) \
SELECT u.id, u.born, u.type, u.status, u.ended, u.parent, u.assignee, \
  string_to_array(u.labels, U&'\\001f'), u.rank, u.token, u.body, u.data, u.result \
FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], \
  $8::integer[], $9::bigint[], $10::text[], $11::text[], $12::text[], $13::smallint[]) \
  AS u (id, born, type, status, parent, assignee, labels, rank, token, body, data, result, ended) ORDER BY u.id";
pub(crate) const UPDATE_TASKS: &str = "\
UPDATE tasks t SET status = u.status, assignee = u.assignee, \
  labels = string_to_array(u.labels, U&'\\001f'), rank = u.rank, token = u.token, body = u.body, ended = u.ended \
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::integer[], $6::bigint[], $7::text[], $8::smallint[]) \
  AS u (id, status, assignee, labels, rank, token, body, ended) WHERE t.id = u.id";
pub(crate) const UPDATE_CONTENTS: &str = "\
UPDATE tasks t SET data = u.data, result = u.result \
FROM unnest($1::text[], $2::text[], $3::text[]) AS u (id, data, result) WHERE t.id = u.id";
pub(crate) const DELETE_READY: &str = "DELETE FROM ready WHERE task = ANY ($1)";
pub(crate) const INSERT_READY: &str = "\
INSERT INTO ready (task, class, place, born, labels) \
SELECT u.task, u.class, u.place, u.born, string_to_array(u.labels, U&'\\001f') \
FROM unnest($1::text[], $2::bigint[], $3::bytea[], $4::bigint[], $5::text[]) \
  AS u (task, class, place, born, labels)";
pub(crate) const DELETE_CLAIMS: &str = "DELETE FROM claims WHERE task = ANY ($1)";
pub(crate) const INSERT_CLAIMS: &str = "\
INSERT INTO claims (task, token, agent, session, process, lease_until) \
SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::bigint[])";
/// A claim's token never changes, so one that isn't there any more isn't extended either.
pub(crate) const UPDATE_CLAIMS: &str = "\
UPDATE claims c SET agent = u.agent, session = u.session, process = u.process, \
  lease_until = u.lease_until \
FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::bigint[]) \
  AS u (task, token, agent, session, process, lease_until) \
WHERE c.task = u.task AND c.token = u.token";
pub(crate) const DELETE_TIMERS: &str = "DELETE FROM timers WHERE task = ANY ($1)";
pub(crate) const INSERT_TIMERS: &str = "\
INSERT INTO timers (task, at) SELECT * FROM unnest($1::text[], $2::bigint[])";
pub(crate) const DELETE_WAITS: &str = "\
DELETE FROM waits w USING unnest($1::text[], $2::text[]) AS u (awaited, task) \
WHERE w.awaited = u.awaited AND w.task = u.task";
pub(crate) const INSERT_WAITS: &str = "\
INSERT INTO waits (awaited, task) SELECT * FROM unnest($1::text[], $2::text[])";
pub(crate) const DELETE_DEPENDENTS: &str = "\
DELETE FROM dependents d USING unnest($1::text[], $2::text[]) AS u (dependency, task) \
WHERE d.dependency = u.dependency AND d.task = u.task";
pub(crate) const INSERT_DEPENDENTS: &str = "\
INSERT INTO dependents (dependency, task) SELECT * FROM unnest($1::text[], $2::text[])";
/// Outside of any transaction, so that nobody waits for one who names a new class: it means nothing by itself.
pub(crate) const INSERT_CLASSES: &str = "\
INSERT INTO classes (id, type, needs, assignee) \
SELECT u.id, u.type, string_to_array(u.needs, U&'\\001f'), u.assignee \
FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[]) AS u (id, type, needs, assignee) \
ORDER BY u.id ON CONFLICT (id) DO NOTHING";

pub(crate) const PUT_WAKE: &str = "\
INSERT INTO wakes (awaited, past) VALUES ($1, $2) \
ON CONFLICT (awaited) DO UPDATE SET past = excluded.past";
pub(crate) const DELETE_WAKE: &str = "DELETE FROM wakes WHERE awaited = $1";
pub(crate) const PUT_MEMORY: &str = "\
INSERT INTO memory (space, key, value) VALUES ($1, $2, $3) \
ON CONFLICT (space, key) DO UPDATE SET value = excluded.value";
pub(crate) const DELETE_MEMORY: &str = "DELETE FROM memory WHERE space = $1 AND key = $2";
/// One that is there already was used by another transaction just now, unless it has been kept long enough.
pub(crate) const PUT_KEY: &str = "\
INSERT INTO keys (command, key, record, at) VALUES ($1, $2, $3, $4)";
pub(crate) const DELETE_OLD_KEY: &str = "\
DELETE FROM keys WHERE command = $1 AND key = $2 AND at < $3";
pub(crate) const PUT_META: &str = "\
INSERT INTO metas (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
pub(crate) const DELETE_META: &str = "DELETE FROM metas WHERE key = $1";
pub(crate) const SET_POLICIES: &str = "UPDATE board SET policies = $1, epoch = epoch + 1";
pub(crate) const SET_SETTINGS: &str = "UPDATE board SET settings = $1, epoch = epoch + 1";

/// What nearly every claim writes, in one statement: a task in another state, its claim, and the entry. The other statements
/// make the same of any number of tasks.
pub(crate) const ADD_CLAIM: &str = "\
WITH t AS (UPDATE tasks SET status = $7::text, assignee = $8, labels = string_to_array($9, U&'\\001f'), \
    rank = NULL, token = $11, body = $10 WHERE id = $6), \
  r AS (DELETE FROM ready WHERE task = $6), \
  c AS (INSERT INTO claims (task, token, agent, session, process, lease_until) \
    VALUES ($6, $11, $12, $13, $14, $15)) \
INSERT INTO journal (sequence, at, seed, policy, entry) \
SELECT CASE WHEN b.epoch = $5 AND b.moved_to IS NULL THEN nextval('entries') END, $1, $2, $3, $4 \
FROM board b RETURNING sequence";

/// The entries in their order, if the board is still in the epoch in which their transaction began: a sequence that is null is refused,
/// and with it all that the transaction wrote.
pub(crate) const APPEND_ENTRIES: &str = "\
INSERT INTO journal (sequence, at, seed, policy, entry) \
SELECT CASE WHEN b.epoch = $5 AND b.moved_to IS NULL THEN nextval('entries') END, u.at, u.seed, $3, u.entry \
FROM board b, (SELECT * FROM unnest($1::bigint[], $2::bigint[], $4::text[]) WITH ORDINALITY AS u (at, seed, entry, n) \
  ORDER BY n) u RETURNING sequence";
/// The entry of a transaction that began after the entry `$1`, by its seed.
pub(crate) const ENTRY_OF_SEED: &str =
    "SELECT sequence FROM journal WHERE sequence > $1 AND seed = $2 LIMIT 1";
/// Whether the server's process behind a connection is still there: one that was told to commit may be at it.
/// It is told to end: nobody hears what it would answer.
pub(crate) const BACKEND_RUNS: &str = "\
SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity \
WHERE pid = $1 AND (extract(epoch FROM backend_start) * 1000000)::bigint = $2";

/// Whether each of these life locks is free, which nobody takes until the transaction ends if it is.
pub(crate) const FREE_LIVES: &str = "\
SELECT u.session, pg_try_advisory_xact_lock_shared(u.key) AS free \
FROM unnest($1::text[], $2::bigint[]) AS u (session, key)";
pub(crate) const MISSING: &str = "SELECT session, since FROM missing WHERE session = ANY ($1)";
pub(crate) const NOTE_MISSING: &str = "\
INSERT INTO missing (session, since) SELECT u, $2 FROM unnest($1::text[]) AS u \
ON CONFLICT (session) DO NOTHING";
pub(crate) const NOTE_FOUND: &str = "DELETE FROM missing WHERE session = ANY ($1)";
pub(crate) const NOTE_ENDED: &str = "\
INSERT INTO missing (session, since) VALUES ($1, 0) \
ON CONFLICT (session) DO UPDATE SET since = 0";
/// A session that lived where the board was before: as long as it wasn't seen here, its lock proves nothing by being free.
pub(crate) const NOTE_UNSEEN: &str =
    "INSERT INTO missing (session, since) VALUES ($1, 9223372036854775807) ON CONFLICT DO NOTHING";
/// Sessions that nobody speaks of any more.
pub(crate) const FORGET_MISSING: &str = "\
DELETE FROM missing m WHERE (since < $1 OR since = 9223372036854775807) AND NOT EXISTS (SELECT FROM claims c WHERE c.session = m.session)";

/// Fails unless the board is where it was: one that has gone elsewhere isn't changed any more.
pub(crate) const ALLOWED: &str = "SELECT 1 / (moved_to IS NULL)::integer FROM board";
pub(crate) const CONTEXT: &str =
    "SELECT value FROM contexts WHERE kind = $1 AND owner = $2 AND key = $3";
pub(crate) const SET_CONTEXT: &str = "\
INSERT INTO contexts (kind, owner, key, value, changed_at) \
VALUES ($1, $2, $3, $4, (extract(epoch FROM clock_timestamp()) * 1000)::bigint + $5) \
ON CONFLICT (kind, owner, key) DO UPDATE SET value = excluded.value, changed_at = excluded.changed_at";
pub(crate) const APPEND_CONTEXT: &str = "\
INSERT INTO contexts AS c (kind, owner, key, value, changed_at) \
SELECT $1, $2, $3, $4, (extract(epoch FROM clock_timestamp()) * 1000)::bigint + $5 \
WHERE octet_length($4::bytea) <= $6::bigint \
ON CONFLICT (kind, owner, key) DO UPDATE \
  SET value = c.value || excluded.value, changed_at = excluded.changed_at \
  WHERE octet_length(c.value) + octet_length(excluded.value) <= $6::bigint \
RETURNING octet_length(value)::bigint AS bytes";
pub(crate) const REMOVE_CONTEXT: &str =
    "DELETE FROM contexts WHERE kind = $1 AND owner = $2 AND key = $3 RETURNING key";
pub(crate) const CONTEXTS_OF: &str = "\
SELECT key, octet_length(value)::bigint AS bytes, changed_at FROM contexts \
WHERE kind = $1 AND owner = $2 ORDER BY key";
pub(crate) const CONTEXT_OWNERS: &str =
    "SELECT DISTINCT kind, owner FROM contexts ORDER BY kind DESC, owner";

pub(crate) const FILE: &str = "SELECT content FROM files WHERE name = $1";
pub(crate) const SET_FILE: &str = "\
INSERT INTO files (name, content) VALUES ($1, $2) \
ON CONFLICT (name) DO UPDATE SET content = excluded.content";
/// The same, only if it has this content still.
pub(crate) const CHANGE_FILE: &str =
    "UPDATE files SET content = $2 WHERE name = $1 AND content = $3 RETURNING name";
pub(crate) const SHARED_FILE: &str =
    "SELECT content FROM taskhost.files WHERE directory = $1 AND name = $2";
pub(crate) const SET_SHARED_FILE: &str = "\
INSERT INTO taskhost.files (directory, name, content) VALUES ($1, $2, $3) \
ON CONFLICT (directory, name) DO UPDATE SET content = excluded.content";
pub(crate) const CHANGE_SHARED_FILE: &str = "\
UPDATE taskhost.files SET content = $3 WHERE directory = $1 AND name = $2 AND content = $4 RETURNING name";

pub(crate) const COMPONENT: &str = "SELECT content FROM components WHERE digest = $1";
pub(crate) const PUT_COMPONENT: &str =
    "INSERT INTO components (digest, content) VALUES ($1, $2) ON CONFLICT (digest) DO NOTHING";
pub(crate) const NEW_BOARD: &str = "INSERT INTO board (id, policies, settings) VALUES ($1, $2, $3)";
/// A board that is about to come here, and in which epoch it begins: whoever has read an earlier one of the same name knows
/// something else of that one's epochs.
pub(crate) const NEW_COMING_BOARD: &str = "\
INSERT INTO board (id, policies, settings, moved_to, arriving, epoch) VALUES ($1, $2, $3, $4, true, $5)";
/// What an earlier try of the same has left.
pub(crate) const EARLIER_BOARD: &str = "SELECT id, epoch, moved_to, arriving FROM board";
/// All of it but the classes, of which handles that have read them expect that none ever goes.
pub(crate) const EMPTY_TABLES: &str = "\
TRUNCATE board, tasks, ready, claims, missing, timers, waits, dependents, wakes, keys, memory, metas, journal, components, \
  contexts, files";
/// By this number it is known later what became of this transaction.
pub(crate) const TRANSACTION: &str = "SELECT txid_current() AS number";
pub(crate) const OUTCOME: &str = "SELECT txid_status($1) AS outcome";
/// How far the board has come, at an instant at which no transaction is open.
pub(crate) const WHOLE_HEAD: &str = "\
SELECT id, trimmed, greatest(trimmed, coalesce((SELECT max(sequence) FROM journal), 0)) AS sequence, \
  (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM tokens) AS token, \
  (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM births) AS born FROM board";
pub(crate) const ADD_ENTRIES: &str = "\
INSERT INTO journal (sequence, at, seed, policy, entry) \
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::text[])";
/// Nothing commits any more that was decided before.
pub(crate) const SAY_ELSEWHERE: &str =
    "UPDATE board SET moved_to = $1, arriving = $2, epoch = epoch + 1";
pub(crate) const ELSEWHERE: &str = "SELECT moved_to, arriving FROM board";
/// The same, and the last number that an entry was given.
pub(crate) const LAST_ENTRY_AND_ELSEWHERE: &str = "\
SELECT CASE WHEN is_called THEN last_value ELSE 0 END, moved_to, arriving FROM entries, board";
pub(crate) const SET_TRIMMED: &str = "UPDATE board SET trimmed = $1";
pub(crate) const NEXT_OF: &str = "SELECT nextval($1::text::regclass) AS n";
pub(crate) const BOARD_ID: &str = "SELECT id FROM board";
pub(crate) const PENDING_PAST: &str = "\
SELECT born, id FROM tasks WHERE ended = 0 AND status = 'pending' AND born > $1 ORDER BY born LIMIT $2";
pub(crate) const ENTRIES_PAST: &str = "\
SELECT sequence, policy, entry FROM journal WHERE sequence > $1 ORDER BY sequence LIMIT $2";
/// Numbers up to `$2` that no entry has are given to nobody any more. Waits for whoever may be about to use one.
pub(crate) const FILL_GAPS: &str = "\
INSERT INTO journal (sequence, at, seed, policy, entry) \
SELECT n, 0, 0, '', '' FROM generate_series($1::bigint + 1, $2::bigint) AS n \
WHERE NOT EXISTS (SELECT FROM journal j WHERE j.sequence = n) ORDER BY n ON CONFLICT DO NOTHING";
pub(crate) const LAST_ENTRY: &str =
    "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM entries";

/// How long each following statement waits for a lock, in milliseconds.
pub(crate) const SESSION_LOCK_TIMEOUT: &str = "SELECT set_config('lock_timeout', $1, false)";
pub(crate) const TAKE: &str = "SELECT pg_advisory_lock($1)";
pub(crate) const LET_GO: &str = "SELECT pg_advisory_unlock_all()";
/// What a connection is called where others see that it holds something.
pub(crate) const CALL_ME: &str = "SELECT set_config('application_name', left($1, 63), false)";
/// Whether the server's process `$2` holds this lock alone.
pub(crate) const IS_HELD_BY: &str = "\
SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND mode = 'ExclusiveLock' AND pid = $2 \
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND objsubid = 1 \
  AND classid = ($1::bigint >> 32 & 4294967295)::oid AND objid = ($1::bigint & 4294967295)::oid";
/// The lock by hand of a task: computed where those that are offered it are checked.
pub(crate) const HAND_KEY: &str = "SELECT hashtextextended($1, $2)";
/// Who has locked a task by hand. Claims have it together, for a moment.
pub(crate) const HAND_HOLDER: &str = "\
SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a USING (pid), \
  (SELECT hashtextextended($1, $2) AS key) k \
WHERE l.locktype = 'advisory' AND l.granted AND l.mode = 'ExclusiveLock' \
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND l.objsubid = 1 \
  AND l.classid = (k.key >> 32 & 4294967295)::oid AND l.objid = (k.key & 4294967295)::oid LIMIT 1";
pub(crate) const NEW_FILE: &str = "\
INSERT INTO files (name, content) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING RETURNING name";
pub(crate) const NEW_SHARED_FILE: &str = "\
INSERT INTO taskhost.files (directory, name, content) VALUES ($1, $2, $3) \
ON CONFLICT (directory, name) DO NOTHING RETURNING name";
pub(crate) const TRIMMED: &str = "SELECT trimmed FROM board";

pub(crate) const TASKS_TO_EXAMINE: &str = "\
SELECT born, id, status, ended, rank, parent, token, body, data, result FROM tasks \
WHERE born > $1 ORDER BY born LIMIT $2";
/// What follows from these tasks, a line for each row.
pub(crate) const DERIVED: &str = "\
SELECT concat_ws(' ', 'ready', task, class, encode(place, 'hex'), born, array_to_string(labels, ',')) \
  FROM ready WHERE task = ANY ($1) \
UNION ALL SELECT concat_ws(' ', 'claims', task, token, agent, coalesce(session, '-'), \
  coalesce(process, '-'), lease_until) FROM claims WHERE task = ANY ($1) \
UNION ALL SELECT concat_ws(' ', 'timers', task, at) FROM timers WHERE task = ANY ($1) \
UNION ALL SELECT concat_ws(' ', 'waits', task, awaited) FROM waits WHERE task = ANY ($1) \
UNION ALL SELECT concat_ws(' ', 'dependents', task, dependency) FROM dependents WHERE task = ANY ($1)";
/// Rows of tasks that aren't there.
pub(crate) const ORPHANS: &str = "\
SELECT concat_ws(' ', 'ready', task) FROM ready r WHERE NOT EXISTS (SELECT FROM tasks t WHERE t.id = r.task) \
UNION ALL SELECT concat_ws(' ', 'claims', task) FROM claims r \
  WHERE NOT EXISTS (SELECT FROM tasks t WHERE t.id = r.task) \
UNION ALL SELECT concat_ws(' ', 'timers', task) FROM timers r \
  WHERE NOT EXISTS (SELECT FROM tasks t WHERE t.id = r.task) \
UNION ALL SELECT concat_ws(' ', 'waits', task) FROM waits r \
  WHERE NOT EXISTS (SELECT FROM tasks t WHERE t.id = r.task) \
UNION ALL SELECT concat_ws(' ', 'dependents', task) FROM dependents r \
  WHERE NOT EXISTS (SELECT FROM tasks t WHERE t.id = r.task)";

/// Up to which entry nothing of the history is kept: of what is older than `$1`, or beyond the newest `$2` bytes. A
/// number that was given to nobody has no time.
pub(crate) const LAST_NOT_KEPT: &str = "\
SELECT greatest( \
  (SELECT max(sequence) FROM (SELECT sequence FROM journal WHERE at < $1::bigint AND at > 0 OFFSET 0) o), \
  (SELECT max(sequence) FROM ( \
    SELECT sequence, sum(octet_length(entry)) OVER (ORDER BY sequence DESC) AS size FROM journal \
    WHERE $2::bigint IS NOT NULL) j WHERE size > $2)) AS last";
pub(crate) const NOTE_TRIMMED: &str = "UPDATE board SET trimmed = greatest(trimmed, $1)";
pub(crate) const TRIM: &str = "\
WITH gone AS (DELETE FROM journal WHERE sequence <= $1 RETURNING sequence) SELECT count(*) AS n FROM gone";
/// Request keys that are kept no longer, some at a time.
pub(crate) const FORGET_KEYS: &str = "\
WITH gone AS (DELETE FROM keys WHERE ctid = ANY (ARRAY( \
  SELECT ctid FROM keys WHERE at < $1 ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED)) RETURNING at) \
SELECT count(*) AS n FROM gone";
/// Whether it is `$1` milliseconds since somebody tidied up: then nobody else does for as long.
pub(crate) const TAKE_TURN_TO_TIDY_UP: &str = "\
UPDATE board SET tidied = (extract(epoch FROM clock_timestamp()) * 1000)::bigint \
WHERE moved_to IS NULL AND tidied <= (extract(epoch FROM clock_timestamp()) * 1000)::bigint - $1 RETURNING tidied";
pub(crate) const SIZES: &str = "SELECT (SELECT count(*) FROM tasks) AS tasks, (SELECT count(*) FROM journal WHERE entry <> '') AS entries";
pub(crate) const FSYNC: &str = "SELECT current_setting('fsync')";
pub(crate) const MAKE_SHARED: &str = "CREATE SCHEMA IF NOT EXISTS taskhost";
pub(crate) const MAKE_SHARED_FILES: &str = "\
CREATE TABLE IF NOT EXISTS taskhost.files ( \
  directory text, name text COLLATE \"C\", content bytea NOT NULL, PRIMARY KEY (directory, name))";
pub(crate) const ARE_FILES_SHARED: &str = "SELECT to_regclass('taskhost.files') IS NOT NULL";
pub(crate) const DISK_USE: &str = "\
SELECT pg_total_relation_size('tasks') AS tasks, pg_total_relation_size('journal') AS journal, \
  pg_total_relation_size('components') AS policies, pg_total_relation_size('contexts') AS contexts, \
  (SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c \
   WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r') AS total";
