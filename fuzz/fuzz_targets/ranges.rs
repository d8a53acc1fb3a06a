#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fmnist_gpu_fuzz::ranges(data));
