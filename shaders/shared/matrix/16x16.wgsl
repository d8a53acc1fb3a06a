// Matrix units that multiply two 16×16 matrices of f16 and add the product to one of f32.

enable f16;
enable wgpu_cooperative_matrix;

const SIZE = 16u;
alias Left = coop_mat16x16<f16, A>;
alias Right = coop_mat16x16<f16, B>;
alias Sums = coop_mat16x16<f32, C>;
