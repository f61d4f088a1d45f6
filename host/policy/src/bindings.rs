//! The contract in `wit/` as Rust types, and the glue that wasmtime calls imports and exports by.
#![allow(
    missing_docs,
    clippy::all,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    unused_qualifications,
    dead_code,
    reason = "generated: what it means is written in `wit/`"
)]

wasmtime::component::bindgen!({
    world: "everything",
    path: "../../wit",
    imports: { default: trappable },
    with: {
        "taskhost:policy/board.view": crate::handles::View,
        "taskhost:policy/board.task": crate::handles::Task,
        "taskhost:policy/board.cursor": crate::handles::Cursor,
        "taskhost:policy/transactions.transaction": crate::handles::Tx,
        "taskhost:policy/locks.guard": crate::handles::Guard,
    },
    require_store_data_send: true,
});
