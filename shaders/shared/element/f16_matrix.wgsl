// The element type f16 in kernels for matrix units, which multiply matrices of f16 and add in f32.

enable wgpu_cooperative_matrix;

#import shared/values/f16_native
