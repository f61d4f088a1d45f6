//! Components from a few lines of WIT and WebAssembly text.

use std::path::Path;

use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::{ManglingAndAbi, Resolve, WorldId};

/// A component of the world `p` in `wit` (a package of the test's own), every function of which traps.
pub fn dummy(wit: &str) -> Vec<u8> {
    let (resolve, world) = resolved(Resolve::default(), wit);
    let module = wit_component::dummy_module(&resolve, world, ManglingAndAbi::Standard32);
    encoded(module, &resolve, world)
}

/// A component of the world `p`, whose contents are `items` of a WIT world and which may name the contract's
/// interfaces; made of a core module in WebAssembly's text format.
pub fn component(items: &str, core: &str) -> Vec<u8> {
    let (resolve, world) = with_contract(items);
    encoded(wat::parse_str(core).unwrap(), &resolve, world)
}

/// The same with a core module whose functions all trap.
pub fn trapping(items: &str) -> Vec<u8> {
    let (resolve, world) = with_contract(items);
    let module = wit_component::dummy_module(&resolve, world, ManglingAndAbi::Standard32);
    encoded(module, &resolve, world)
}

/// A policy named `made` without settings, and whatever else `items` and `core` give it. `core` has the whole
/// memory from 1024 on.
pub fn policy(items: &str, core_imports: &str, core: &str) -> Vec<u8> {
    let items = format!("{items} export taskhost:policy/about@0.1.0;");
    component(&items, &described("0.1.0", core_imports, core))
}

/// The same of the version of the contract that stands in the directory `contract`.
pub fn older_policy(
    contract: &Path,
    version: &str,
    items: &str,
    core_imports: &str,
    core: &str,
) -> Vec<u8> {
    let mut resolve = Resolve::default();
    resolve.push_dir(contract).unwrap();
    let wit =
        format!("package test:made; world p {{ {items} export taskhost:policy/about@{version}; }}");
    let (resolve, world) = resolved(resolve, &wit);
    encoded(wat::parse_str(described(version, core_imports, core)).unwrap(), &resolve, world)
}

/// A component that imports the clock of the present contract, and exports `about` of the one in `older`.
pub fn mixed(older: &Path) -> Vec<u8> {
    let mut resolve = Resolve::default();
    resolve.push_dir(older).unwrap();
    resolve.push_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit")).unwrap();
    let wit = "package test:made;
        world p { import taskhost:policy/clock@0.1.0; export taskhost:policy/about@0.0.9; }";
    let (resolve, world) = resolved(resolve, wit);
    let module = wit_component::dummy_module(&resolve, world, ManglingAndAbi::Standard32);
    encoded(module, &resolve, world)
}

fn described(version: &str, core_imports: &str, core: &str) -> String {
    format!(
        r#"(module
            {core_imports}
            (memory (export "memory") 1)
            (global $next (mut i32) (i32.const 4096))
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                global.get $next
                (global.set $next (i32.and (i32.add (i32.add (global.get $next) (local.get 3)) (i32.const 15)) (i32.const -8))))
            (data (i32.const 0) "\20\00\00\00\04\00\00\00\24\00\00\00\01\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00made1")
            (func (export "taskhost:policy/about@{version}#describe") (result i32) i32.const 0)
            {core})"#
    )
}

fn with_contract(items: &str) -> (Resolve, WorldId) {
    let mut resolve = Resolve::default();
    let contract = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
    resolve.push_dir(contract).unwrap();
    for wasi in WASI {
        resolve.push_str("wasi.wit", wasi).unwrap();
    }
    resolved(resolve, &format!("package test:made; world p {{ {items} }}"))
}

fn resolved(mut resolve: Resolve, wit: &str) -> (Resolve, WorldId) {
    let package = resolve.push_str("test.wit", wit).unwrap();
    let world = resolve.select_world(&[package], Some("p")).unwrap();
    (resolve, world)
}

fn encoded(mut module: Vec<u8>, resolve: &Resolve, world: WorldId) -> Vec<u8> {
    wit_component::embed_component_metadata(&mut module, resolve, world, StringEncoding::UTF8)
        .unwrap();
    ComponentEncoder::default().validate(true).module(&module).unwrap().encode().unwrap()
}

/// As much of WASI as the tests use, in an older 0.2 than the host's.
const WASI: [&str; 7] = [
    "package wasi:io@0.2.0;
     interface poll {
        resource pollable { block: func(); }
        poll: func(in: list<borrow<pollable>>) -> list<u32>;
     }
     interface error { resource error; }
     interface streams {
        use error.{error};
        use poll.{pollable};
        variant stream-error { last-operation-failed(error), closed }
        resource input-stream {
            read: func(len: u64) -> result<list<u8>, stream-error>;
            subscribe: func() -> pollable;
        }
        resource output-stream {
            blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>;
        }
     }",
    "package wasi:clocks@0.2.0;
     interface monotonic-clock {
        use wasi:io/poll@0.2.0.{pollable};
        now: func() -> u64;
        subscribe-duration: func(when: u64) -> pollable;
     }",
    "package wasi:random@0.2.0;
     interface random { get-random-u64: func() -> u64; }",
    "package wasi:cli@0.2.0;
     interface environment {
        get-environment: func() -> list<tuple<string, string>>;
        get-arguments: func() -> list<string>;
     }
     interface stdin { use wasi:io/streams@0.2.0.{input-stream}; get-stdin: func() -> input-stream; }
     interface stderr { use wasi:io/streams@0.2.0.{output-stream}; get-stderr: func() -> output-stream; }
     interface exit { exit: func(status: result); }",
    "package wasi:filesystem@0.2.0;
     interface types { resource descriptor; }
     interface preopens {
        use types.{descriptor};
        get-directories: func() -> list<tuple<descriptor, string>>;
     }",
    // The codes in the host's order.
    "package wasi:sockets@0.2.0;
     interface network {
        resource network;
        enum error-code {
            unknown, access-denied, not-supported, invalid-argument, out-of-memory, timeout, concurrency-conflict,
            not-in-progress, would-block, invalid-state, new-socket-limit, address-not-bindable, address-in-use,
            remote-unreachable, connection-refused, connection-reset, connection-aborted, datagram-too-large,
            name-unresolvable, temporary-resolver-failure, permanent-resolver-failure
        }
        enum ip-address-family { ipv4, ipv6 }
     }
     interface instance-network { use network.{network}; instance-network: func() -> network; }
     interface tcp { resource tcp-socket; }
     interface tcp-create-socket {
        use network.{error-code, ip-address-family};
        use tcp.{tcp-socket};
        create-tcp-socket: func(family: ip-address-family) -> result<tcp-socket, error-code>;
     }
     interface udp { resource udp-socket; }
     interface udp-create-socket {
        use network.{error-code, ip-address-family};
        use udp.{udp-socket};
        create-udp-socket: func(family: ip-address-family) -> result<udp-socket, error-code>;
     }
     interface ip-name-lookup {
        use network.{network, error-code};
        resource resolve-address-stream;
        resolve-addresses: func(network: borrow<network>, name: string)
            -> result<resolve-address-stream, error-code>;
     }",
    "package wasi:http@0.2.0;
     interface outgoing-handler { handle: func(); }",
];
