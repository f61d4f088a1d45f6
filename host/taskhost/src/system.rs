//! What the operating system knows and the domain doesn't: randomness and the hostname.

use taskhost_board::{Name, SessionId};

/// A random number.
pub(crate) fn entropy() -> u64 {
    getrandom::u64().expect("the operating system gives random numbers")
}

/// A session id that no other session has.
pub(crate) fn new_session() -> SessionId {
    SessionId::new(format!("s-{:016x}", entropy())).expect("hex digits make a valid id")
}

/// This machine's name, if it is a valid name.
pub fn hostname() -> Option<Name> {
    let name = rustix::system::uname();
    Name::new(name.nodename().to_string_lossy().into_owned()).ok()
}
