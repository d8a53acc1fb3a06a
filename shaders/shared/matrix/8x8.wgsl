// Matrix units that multiply two 8×8 matrices of f16 and add the product to one of f32.

enable f16;
enable wgpu_cooperative_matrix;

const SIZE = 8u;
alias Left = coop_mat8x8<f16, A>;
alias Right = coop_mat8x8<f16, B>;
alias Sums = coop_mat8x8<f32, C>;
