#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| agentguard_fuzz::pattern::run(data));
