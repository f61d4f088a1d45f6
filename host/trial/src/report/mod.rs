//! What differs between two courses of the same work.
