//! What differs, drawn.
