//! Policies that take long to compile: whoever waits for one is told so.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use taskhost_board::{
    Digest, OnProgress, Policies, Policy, PolicyLimits, PolicySet, PrepareError, Progress,
    ReadError, delegate_policies,
};

/// A component of this many bytes may take seconds to compile. A smaller one isn't worth a thread that watches.
const LARGE_BYTES: usize = 1 << 20;

const EVERY: Duration = Duration::from_secs(1);

/// The same policies, where `progress` is told of what takes long.
pub(crate) struct Announced {
    pub(crate) behind: Arc<dyn Policies>,
    pub(crate) progress: OnProgress,
}

impl Announced {
    /// Tells how many seconds it has taken until whoever holds the other end lets go of it.
    fn tell(&self, is_done: &mpsc::Receiver<()>) {
        let began = Instant::now();
        while is_done.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
            let doing = "compiling the policy, which is new to this cache, seconds";
            (self.progress)(Progress { doing, done: began.elapsed().as_secs() });
        }
    }
}

impl Policies for Announced {
    delegate_policies!(behind: ready check describe check_settings check_limits);

    fn prepare(
        &self,
        set: &PolicySet,
        limits: &PolicyLimits,
        fetch: &mut dyn FnMut(Digest) -> Result<Vec<u8>, ReadError>,
    ) -> Result<Arc<dyn Policy>, PrepareError> {
        thread::scope(|scope| {
            let (done, is_done) = mpsc::channel();
            let mut is_done = Some(is_done);
            let answer = self.behind.prepare(set, limits, &mut |digest| {
                let component = fetch(digest)?;
                if component.len() >= LARGE_BYTES
                    && let Some(is_done) = is_done.take()
                {
                    scope.spawn(move || self.tell(&is_done));
                }
                Ok(component)
            });
            drop(done);
            answer
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Mutex;

    use taskhost_board::PolicyPin;
    use taskhost_board::plain::PlainPolicies;

    use super::*;

    /// Takes as long to compile as it takes until somebody is told of it.
    struct Slow {
        plain: PlainPolicies,
        told: Mutex<mpsc::Receiver<Progress>>,
    }

    impl Policies for Slow {
        delegate_policies!(plain: ready check describe check_settings check_limits);

        fn prepare(
            &self,
            set: &PolicySet,
            limits: &PolicyLimits,
            fetch: &mut dyn FnMut(Digest) -> Result<Vec<u8>, ReadError>,
        ) -> Result<Arc<dyn Policy>, PrepareError> {
            if fetch(set.standard.digest)?.len() >= LARGE_BYTES {
                let waited = self
                    .told
                    .lock()
                    .expect("nobody panicked")
                    .recv_timeout(Duration::from_secs(60));
                waited.expect("somebody is told");
            }
            self.plain.prepare(set, limits, fetch)
        }
    }

    // Whoever came to a board with a policy in Python, from a machine that hadn't seen it yet, waited for twelve seconds
    // for the first task, and nothing said why.
    #[test]
    fn whoever_waits_for_a_policy_to_be_compiled_is_told() {
        let (tell, told) = mpsc::channel();
        let slow = Slow { plain: PlainPolicies::default(), told: Mutex::new(told) };
        let progress: OnProgress = Arc::new(move |progress| {
            // Nobody listens any more once it was told.
            let _ = tell.send(progress);
        });
        let announced = Announced { behind: Arc::new(slow), progress };
        let standard = PolicyPin { digest: Digest::of(b"p"), settings: BTreeMap::new() };
        let set = PolicySet { custom: None, standard };
        for length in [LARGE_BYTES, 1] {
            let prepared =
                announced.prepare(&set, &PolicyLimits::default(), &mut |_| Ok(vec![0; length]));
            assert!(prepared.is_ok());
        }
    }
}
