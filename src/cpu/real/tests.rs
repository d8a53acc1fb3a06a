//! The input of each precision, to the bit.

use super::*;
use crate::cpu::{Isa, ProcessorOptions};
use crate::model::Layer;

struct Normalize<'a, W> {
    network: &'a RealNetwork<W>,
    pixels: &'a [u8],
    x: &'a mut [f32],
}

#[expect(unsafe_code, reason = "computed with vectors")]
impl<W: Storage> Work for Normalize<'_, W> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: the caller's promise.
        unsafe { self.network.normalize::<S>(self.pixels, self.x) }
    }
}

/// What a network of one layer of `inputs` values makes of every byte.
fn normalized<W: Storage>(isa: Isa, normalization: Normalization) -> Vec<u32> {
    let inputs = 256;
    let layer = Layer {
        inputs,
        outputs: 1,
        weights: vec![1.0; inputs],
        bias: vec![0.0],
        activation: Activation::Identity,
    };
    let mut model = Model::new(vec![layer]).unwrap();
    model.normalization = normalization;
    let options = ProcessorOptions {
        isa: Some(isa),
        threads: Some(1),
    };
    let processor = Processor::new(options).unwrap();
    let network = RealNetwork::<W>::new(&model, &processor);
    let pixels: Vec<u8> = (0..=u8::MAX).collect();
    let mut x = vec![f32::NAN; stride(inputs)];
    processor.isa().run(Normalize {
        network: &network,
        pixels: &pixels,
        x: &mut x,
    });
    x[..inputs].iter().map(|x| x.to_bits()).collect()
}

#[test]
fn every_pixel_is_the_number_that_the_precision_says_to_the_bit() {
    let standard = Normalization::Standard {
        mean: 0.286,
        std: 0.353,
    };
    for isa in Supported::all().map(Supported::isa) {
        for normalization in [Normalization::Unit, standard] {
            let bits = |table: [f32; 256]| table.map(f32::to_bits).to_vec();
            let f32s = normalized::<f32>(isa, normalization);
            assert_eq!(f32s, bits(normalization.table_f32()), "{isa}");
            let f16s = normalized::<f16>(isa, normalization);
            assert_eq!(
                f16s,
                bits(normalization.table_f16().map(f32::from)),
                "{isa}"
            );
        }
    }
}
