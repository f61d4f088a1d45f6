//! What a board promises, shown on one in PostgreSQL. Its clock goes on by itself, and is moved as well.

#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant as Deadline};

use taskhost_board::{InitPlan, Keeper as _, LifeGuard, Store, TaskId};
use taskhost_contract::{Bench, Kind, Plan};
use taskhost_store_postgres::{Address, OpenOptions, PostgresStore};

const KIND: Kind =
    Kind { new: |plan| Arc::new(PostgresBench::new(plan)), cases: 4, is_serial: false };

mod postgres {
    taskhost_contract::suite!(&crate::KIND);
}

struct PostgresBench {
    store: PostgresStore,
    address: Address,
    options: OpenOptions,
    /// By how many milliseconds the clock was moved.
    moved: Arc<AtomicI64>,
}

impl PostgresBench {
    fn new(plan: &Plan) -> Self {
        let Plan { policies, components, settings } = plan.clone();
        let address = format!("{}&pool=32", taskhost_test_postgres::fresh_board());
        let address = Address::parse(&address).unwrap();
        let moved = Arc::new(AtomicI64::new(0));
        let grace = Duration::from_millis(500);
        let options = OpenOptions { clock_offset: moved.clone(), grace, ..OpenOptions::default() };
        let plan = InitPlan { policies, components, settings };
        let store = PostgresStore::init(&address, &plan, &options).unwrap();
        Self { store, address, options, moved }
    }
}

impl Bench for PostgresBench {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.store.clone())
    }

    fn handle(&self) -> Arc<dyn Store> {
        Arc::new(PostgresStore::open(&self.address, &self.options).unwrap())
    }

    fn advance(&self, by: Duration) {
        let ms = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.moved.fetch_add(ms, Ordering::SeqCst);
    }

    fn lock_by_hand(&self, task: &TaskId) -> Box<dyn Any> {
        Box::new(
            self.store.hold_task(task, None, Deadline::now() + Duration::from_secs(10)).unwrap(),
        )
    }

    fn let_die(&self, life: Box<dyn LifeGuard>) {
        // One that ends in order says so.
        drop(life);
        // Whoever has looked an instant ago doesn't look again so soon.
        std::thread::sleep(Duration::from_millis(600));
    }

    fn check(&self) -> Vec<String> {
        self.store.examine().unwrap()
    }
}
