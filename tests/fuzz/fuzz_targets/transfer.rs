#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| taskhost_store_file::fuzzing::transfer(data));
