#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| taskhost_policy::fuzzing::component(data));
