// How kernels of a whole network, in precisions that multiply real numbers, store a layer's values for the next layer.

#import element
#import pre_activation
#import shared/activation
#import shared/network

// Adds the bias, activates, and stores the values of `group`.
fn store_hidden(shape: LayerParams, group: u32, to: u32, sums: Acc4) {
    let pre_activation = pre_activation_of(1.0, sums, bias[shape.bias + group]);
    if shape.activation == SOFTMAX {
        hidden[to] = as_stored(pre_activation);
    } else {
        let activated = as_stored(activation_of(shape.activation, pre_activation));
        hidden[to] = select(vec4<f32>(), activated, within(group, shape.cols));
    }
}
