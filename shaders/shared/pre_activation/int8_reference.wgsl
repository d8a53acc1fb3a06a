// The bias of int8 in the reference scheme: f32, added after the sums are multiplied by their scale.

#import shared/pre_activation/scaled

alias Bias4 = vec4<f32>;
