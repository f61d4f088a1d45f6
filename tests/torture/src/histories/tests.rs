//! What the search accepts and refuses.
