//! Once its largest batch was uploaded, the CPU path allocates nothing, on whatever instruction set, on
//! however many threads, and whatever sizes its batches have.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use fmnist_gpu::cpu::{Processor, ProcessorOptions, Session, Supported};
use fmnist_gpu::dataset::Images;
use fmnist_gpu::quantize::{Ranges, lower};
use fmnist_gpu::{Mode, Precision, Scheme, WeightScales, dataset, model::Network};

struct Counting;

static COUNT: AtomicUsize = AtomicUsize::new(0);

#[expect(unsafe_code, reason = "an allocator")]
// SAFETY: all is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::SeqCst);
        // SAFETY: the caller's promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Every precision and scheme, and layers that differ.
fn modes() -> Vec<Mode> {
    let mut modes = Mode::every();
    for scheme in [Scheme::DynamicRow, Scheme::Static] {
        for layers in [
            [Precision::Int8, Precision::F16],
            [Precision::Int4, Precision::Int8],
        ] {
            modes
                .push(Mode::mixed(layers.to_vec(), scheme, WeightScales::Channel).expect("a mode"));
        }
    }
    modes
}

fn network(model: &Network, mode: &Mode, processor: &Processor) -> Session {
    let ranges = Ranges(vec![(0.0, 4.0); model.layers.len()]);
    let quantized = lower(model, mode, Some(&ranges)).expect("numbers of the mode");
    Session::new(&quantized, processor).expect("a network")
}

/// The allocations of a new network's runs after that of its largest batch.
fn allocations(
    model: &Network,
    mode: &Mode,
    processor: &Processor,
    images: &Images,
    batch: usize,
) -> usize {
    let mut session = network(model, mode, processor);
    let before = COUNT.load(Ordering::SeqCst);
    session.upload(images.range(0, batch), batch);
    session.run();
    assert_ne!(COUNT.load(Ordering::SeqCst), before, "nothing is counted");
    let before = COUNT.load(Ordering::SeqCst);
    for size in [batch, batch.div_ceil(3), 1, batch] {
        session.upload(images.range(0, size), size);
        session.run();
    }
    COUNT.load(Ordering::SeqCst) - before
}

/// The only test of this program, since all threads are counted.
#[test]
fn runs_allocate_nothing_after_the_largest() {
    let model = Network::default_model().unwrap();
    let images = dataset::test_split().unwrap().images;
    for supported in Supported::all() {
        for threads in [1, 3] {
            let processor = Processor::new(ProcessorOptions {
                isa: Some(supported.isa()),
                threads: Some(threads),
            });
            let processor = processor.unwrap();
            for mode in modes() {
                for batch in [1, 500] {
                    let made = || allocations(&model, &mode, &processor, &images, batch);
                    // The test runner allocates when it says, once, that a test takes long. What a network allocates it
                    // allocates in a second one too.
                    let made = match made() {
                        0 => 0,
                        _ => made(),
                    };
                    assert_eq!(made, 0, "{mode}, batch {batch}, {:?}", processor.info());
                }
            }
        }
    }
}
