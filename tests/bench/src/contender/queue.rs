//! A queue by hand in PostgreSQL, as a careful team would write it: one table, one statement for a claim.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use taskhost_store_postgres::{Address, Call, Link};

use super::{Claimer, Contender, DATA};

/// `UPDATE … WHERE id = (SELECT … FOR UPDATE SKIP LOCKED)`.
pub struct Queue;

/// Beside the board's tables, which are in a schema of their own.
const SCHEMA: &str = "\
CREATE TABLE public.task (
    id text COLLATE \"C\" PRIMARY KEY,
    born bigint NOT NULL,
    type text NOT NULL,
    status text NOT NULL DEFAULT 'pending',
    priority integer NOT NULL DEFAULT 0,
    data text NOT NULL,
    agent text,
    token bigint,
    since bigint,
    lease_until bigint
);
CREATE SEQUENCE public.tokens;
CREATE INDEX task_ready ON public.task (priority DESC, born) WHERE status = 'pending'";

const FILL: &str = "\
INSERT INTO public.task (id, born, type, data) \
SELECT 'work_' || lpad(to_hex(n), 8, '0'), n, 'work', $1 FROM generate_series(0, $2::bigint - 1) n";

/// How long each task is given to whoever claims it: half an hour.
pub const LEASE_MS: u64 = 30 * 60 * 1000;

/// The next task in order, for the agent `$1`, with the next token, for `$2` milliseconds.
pub const CLAIM: &str = "\
UPDATE public.task SET status = 'in_progress', agent = $1, token = nextval('public.tokens'), \
  since = (extract(epoch FROM clock_timestamp()) * 1000)::bigint, \
  lease_until = (extract(epoch FROM clock_timestamp()) * 1000)::bigint + $2::bigint \
WHERE id = (SELECT id FROM public.task WHERE status = 'pending' ORDER BY priority DESC, born LIMIT 1 \
  FOR UPDATE SKIP LOCKED) \
RETURNING id, type, priority, data, token, lease_until";

/// How long a connection is tried to be made.
const PATIENCE: Duration = Duration::from_secs(60);

fn connect(at: &Path) -> Result<Link> {
    let text = at.to_str().context("an address is text")?;
    Ok(Link::connect(&Address::parse(text)?, Instant::now() + PATIENCE)?)
}

impl Contender for Queue {
    fn name(&self) -> &'static str {
        "SKIP LOCKED queue"
    }

    fn durability(&self) -> &'static str {
        "PostgreSQL's, `synchronous_commit=on`: the log is synced before the answer; one sync may serve many"
    }

    fn prepare(&self, at: &Path, tasks: u64) -> Result<()> {
        let mut link = connect(at)?;
        link.set_patience(PATIENCE * 10);
        link.batch(SCHEMA)?;
        link.query(Call::of(FILL, vec![&DATA, &i64::try_from(tasks)?]))?;
        Ok(())
    }

    fn open(&self, at: &Path, agent: &str) -> Result<Box<dyn Claimer>> {
        Ok(Box::new(Client { link: connect(at)?, agent: agent.to_owned() }))
    }
}

struct Client {
    link: Link,
    agent: String,
}

impl Claimer for Client {
    fn claim(&mut self) -> Result<bool> {
        let lease_ms = i64::try_from(LEASE_MS)?;
        let rows = self.link.query(Call::of(CLAIM, vec![&self.agent, &lease_ms]))?;
        // Read whole, as a caller would.
        let claimed = rows.first().map(|row| (row.get::<_, String>(0), row.get::<_, String>(3)));
        Ok(claimed.is_some())
    }
}
