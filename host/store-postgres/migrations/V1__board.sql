-- The tables of one board, in a schema of its own.
--
-- A task's row in `tasks` is the task, and the lock on that row is the lock on all that belongs to the task: nobody
-- changes its rows in `ready`, `claims`, `timers`, `waits` and `dependents`, which follow from it, without holding it.
-- Times are milliseconds since the Unix epoch, by this server's clock.

-- The board itself: one row.
CREATE TABLE board (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    id text NOT NULL,
    -- Grows with every change of what transactions rest on: a transaction commits only in the epoch it began in.
    epoch bigint NOT NULL DEFAULT 1,
    policies text NOT NULL,
    settings text NOT NULL,
    -- Up to which entry the history was removed.
    trimmed bigint NOT NULL DEFAULT 0,
    -- When what isn't kept any more was removed last.
    tidied bigint NOT NULL DEFAULT (extract(epoch FROM clock_timestamp()) * 1000)::bigint,
    -- Where the board is now, if it was moved: then nothing here changes any more. Or, while it is `arriving`, from where: then
    -- nothing here changes yet.
    moved_to text,
    arriving boolean NOT NULL DEFAULT false CHECK (NOT arriving OR moved_to IS NOT NULL)
);

-- Numbers of entries of the journal, fencing tokens, places in the order of creation. Each number is given once.
CREATE SEQUENCE entries;
CREATE SEQUENCE tokens;
CREATE SEQUENCE births;

-- A domain's check is prepared once on a connection; a table's, and a column that is generated, with every statement.
CREATE DOMAIN status AS text CHECK (VALUE IN (
    'pending', 'in_progress', 'in_review', 'blocked', 'completed', 'failed', 'cancelled'
));

CREATE TABLE tasks (
    id text COLLATE "C" PRIMARY KEY,
    born bigint NOT NULL UNIQUE,
    type text COLLATE "C" NOT NULL,
    status status NOT NULL,
    -- 0 while it is open, 1 if it was completed, 2 if it failed or was cancelled.
    ended smallint NOT NULL,
    parent text COLLATE "C",
    assignee text COLLATE "C",
    labels text[] NOT NULL,
    -- The rank at which it may be claimed.
    rank integer,
    -- The token of its open claim.
    token bigint CHECK ((token IS NOT NULL) = (status = 'in_progress')),
    -- All that is said of it but `data` and `result`, which may be large and hardly ever change.
    body text NOT NULL,
    data text,
    result text
) WITH (fillfactor = 80);
-- Without the status, so that an update which moves no task between the families changes no index.
CREATE INDEX tasks_families ON tasks (parent, ended, id) WHERE parent IS NOT NULL;
CREATE INDEX tasks_open ON tasks (born) WHERE ended = 0;

-- Tasks that may be claimed, in the order in which they are offered.
CREATE TABLE ready (
    task text COLLATE "C" PRIMARY KEY,
    -- Of what type, needs and assignee: who may be offered one may be offered all.
    class bigint NOT NULL,
    -- Lowest rank, then highest priority, then oldest: sixteen bytes that sort so.
    place bytea NOT NULL,
    born bigint NOT NULL,
    labels text[] NOT NULL
);
CREATE INDEX ready_by_place ON ready (place);
CREATE INDEX ready_by_age ON ready (born);
CREATE INDEX ready_by_class_and_place ON ready (class, place);
CREATE INDEX ready_by_class_and_age ON ready (class, born);
CREATE INDEX ready_by_label ON ready USING gin (labels);

-- Every class that a ready task ever was of.
CREATE TABLE classes (
    id bigint PRIMARY KEY,
    number bigint NOT NULL GENERATED ALWAYS AS IDENTITY UNIQUE,
    type text NOT NULL,
    needs text[] NOT NULL,
    assignee text
);

-- Open claims: one of a task at most. Tokens come from their sequence, which gives each once.
CREATE TABLE claims (
    task text COLLATE "C" PRIMARY KEY,
    token bigint NOT NULL,
    agent text COLLATE "C" NOT NULL,
    -- The session whose life lock proves that its holder lives, if it holds one.
    session text COLLATE "C",
    -- The process whose death proves its holder's, if one was named.
    process text,
    lease_until bigint NOT NULL
);
CREATE INDEX claims_by_end ON claims (lease_until);
CREATE INDEX claims_by_agent ON claims (agent);
CREATE INDEX claims_by_session ON claims (session) WHERE session IS NOT NULL;
CREATE INDEX claims_by_process ON claims (process) WHERE process IS NOT NULL;

-- Sessions whose life lock was found free, and since when; 0 for those that said themselves that they ended, and the
-- largest number for those that lived where the board was before, and were never seen here.
CREATE TABLE missing (
    session text COLLATE "C" PRIMARY KEY,
    since bigint NOT NULL
);

-- Pending tasks that are to be asked about at a time; at -1 if they were not asked about yet.
CREATE TABLE timers (
    task text COLLATE "C" PRIMARY KEY,
    at bigint NOT NULL
);
CREATE INDEX timers_by_time ON timers (at, task);

-- Pending tasks and what they wait on, as the policy said.
CREATE TABLE waits (
    awaited text COLLATE "C",
    task text COLLATE "C",
    PRIMARY KEY (awaited, task)
);

-- Tasks and what they come after, as whoever added them said.
CREATE TABLE dependents (
    dependency text COLLATE "C",
    task text COLLATE "C",
    PRIMARY KEY (dependency, task)
);

-- Tasks whose waiters are still to be asked about, those after `past`.
CREATE TABLE wakes (
    awaited text COLLATE "C" PRIMARY KEY,
    past text COLLATE "C"
);

-- What was answered to request keys.
CREATE TABLE keys (
    command text,
    key text,
    record text NOT NULL,
    at bigint NOT NULL,
    PRIMARY KEY (command, key)
);
CREATE INDEX keys_by_age ON keys (at);

-- What policies remember.
CREATE TABLE memory (
    space text,
    key bytea,
    value bytea NOT NULL,
    PRIMARY KEY (space, key)
);

-- The workflow's own metadata.
CREATE TABLE metas (
    key text COLLATE "C" PRIMARY KEY,
    value text NOT NULL
);

-- Everything that happened. Numbers that nobody used have an entry without changes, once somebody has looked.
CREATE TABLE journal (
    sequence bigint PRIMARY KEY,
    at bigint NOT NULL,
    -- What its transaction's random numbers were drawn from: by it the one who committed it knows it again.
    seed bigint NOT NULL,
    policy text NOT NULL,
    entry text NOT NULL
);
-- A small one, since entries are kept nearly in the order of their times.
CREATE INDEX journal_by_time ON journal USING brin (at) WITH (autosummarize = on);

-- Policy components, by the SHA-256 of their bytes.
CREATE TABLE components (
    digest text PRIMARY KEY,
    content bytea NOT NULL
);
-- They don't become smaller, so nobody has to try each time.
ALTER TABLE components ALTER COLUMN content SET STORAGE EXTERNAL;

-- Large values beside the board.
CREATE TABLE contexts (
    kind text CHECK (kind IN ('task', 'agent')),
    owner text COLLATE "C",
    key text COLLATE "C",
    value bytea NOT NULL,
    changed_at bigint NOT NULL,
    PRIMARY KEY (kind, owner, key)
);

-- Files of policies.
CREATE TABLE files (
    name text COLLATE "C" PRIMARY KEY,
    content bytea NOT NULL
);

-- What the board's processes measured about themselves, each in a row of its own, and those of long ago in one together.
-- Nothing is decided by it.
CREATE TABLE figures (
    writer text COLLATE "C" PRIMARY KEY,
    -- Whose it is, as far as that can be told; nobody's if it is that of many.
    pid bigint,
    process text,
    since bigint NOT NULL,
    written bigint NOT NULL,
    -- How often it was written again.
    turn bigint NOT NULL DEFAULT 0,
    has_ended boolean NOT NULL,
    totals text NOT NULL
);
-- Since when it is measured.
INSERT INTO figures (writer, since, written, has_ended, totals)
SELECT 'board', now, now, true, '{}'
FROM (SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now) AS clock;
