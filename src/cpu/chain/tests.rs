//! The input of each form, to the bit.

use super::*;
use crate::Precision;
use crate::cpu::aligned::Aligned;
use crate::cpu::{Isa, ProcessorOptions};
use crate::model::{Layer as ModelLayer, Network, Normalization};
use crate::quantize::lower;

struct HandOn<'a> {
    network: &'a Chain,
    pixels: &'a [u8],
    scratch: &'a mut Scratch,
}

#[expect(unsafe_code, reason = "computed with vectors")]
impl Work for HandOn<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let inputs = self.network.inputs();
        // SAFETY: the caller's promise.
        unsafe {
            self.network
                .pixels
                .hand_on::<S>(self.pixels, inputs, self.scratch)
        }
    }
}

/// What a network of one layer of `inputs` values makes of every byte.
fn normalized(isa: Isa, precision: Precision, normalization: Normalization) -> Vec<u32> {
    let inputs = 256;
    let layer = ModelLayer {
        inputs,
        outputs: 1,
        weights: vec![1.0; inputs],
        bias: vec![0.0],
        activation: Activation::Identity,
    };
    let mut model = Network::new(vec![layer]).unwrap();
    model.normalization = normalization;
    let options = ProcessorOptions {
        isa: Some(isa),
        threads: Some(1),
    };
    let processor = Processor::new(options).unwrap();
    let quantized = lower(&model, &precision.into(), None).unwrap();
    let mut network = Chain::new(&quantized, &processor);
    network.prepare(1, 1);
    let pixels: Vec<u8> = (0..=u8::MAX).collect();
    let mut scratch = Scratch {
        x: Aligned::zeroed(stride(inputs)),
        ..Scratch::default()
    };
    processor.isa().run(HandOn {
        network: &network,
        pixels: &pixels,
        scratch: &mut scratch,
    });
    scratch.x[..inputs].iter().map(|x| x.to_bits()).collect()
}

#[test]
fn every_pixel_is_the_number_that_the_precision_says_to_the_bit() {
    let standard = Normalization::Standard {
        mean: 0.286,
        std: 0.353,
    };
    for isa in Supported::all().map(Supported::isa) {
        for normalization in [Normalization::Unit, standard] {
            let f16s = normalization.table_f16().map(f32::from);
            let bf16s = normalization.table_bf16().map(f32::from);
            for (precision, table) in [
                (Precision::F32, normalization.table_f32()),
                (Precision::F16, f16s),
                (Precision::Bf16, bf16s),
                (Precision::Int4, normalization.table_f32()),
            ] {
                let got = normalized(isa, precision, normalization);
                let want = table.map(f32::to_bits);
                assert_eq!(got, want, "{isa}, {precision}");
            }
        }
    }
}
