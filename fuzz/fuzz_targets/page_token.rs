#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| agentguard_fuzz::page_token::run(data));
