// A whole int8 network in one dispatch, from pixels to outputs: a workgroup takes one image, which is
// a batch of its own and so has scales of its own. A lane has every COLUMN_LANES-th group of a layer's
// outputs and every K_LANES-th group of its inner dimension.

// A layer's z, then what comes of it.
const HANDED = 1u;

var<workgroup> codes: array<Value4, WIDEST>;        // a layer's input

fn largest_byte(row: u32, inner: u32, lane: u32) -> f32 {
    var found = vec4<u32>();
    for (var k = lane; k < inner; k += LANES) {
        let bytes = vec4<u32>(x[row * inner + k]) >> vec4<u32>(0u, 8u, 16u, 24u);
        found = max(found, bytes & vec4<u32>(255u));
    }
    let own = f32(max(max(found.x, found.y), max(found.z, found.w)));
    return largest_of(vec2<f32>(own), lane).x;
}

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = workgroup.y * grid.x + workgroup.x;
    if row >= params.rows {
        return;
    }
    var inner = shapes[0].inner;
    let byte = largest_byte(row, inner, lane);
    var scale = scale_from(byte / 255.0);
    for (var k = lane; k < inner; k += LANES) {
        codes[k] = as_value(pixel_codes(x[row * inner + k], max(byte, 1.0)));
    }
    workgroupBarrier();

    for (var layer = 0u; layer < params.layers; layer++) {
        let shape = shapes[layer];
        var high = vec4<f32>(LOWEST);
        var low = vec4<f32>(LOWEST);
        for (var first = 0u; first < shape.groups; first += COLUMN_LANES) {
            let group = first + lane % COLUMN_LANES;
            var acc = Acc4();
            if group < shape.groups {
                for (var k = lane / COLUMN_LANES; k < shape.inner; k += K_LANES) {
                    let block = block_at(shape.weights, shape.inner, shape.groups, k, group);
                    acc = multiply_add(acc, codes[k], block);
                }
            }
            let sums = join(acc, lane);
            if lane < COLUMN_LANES && group < shape.groups {
                let z = vec4<f32>(sums) * (scale * shape.scale) + widen_bias(bias[shape.bias + group]);
                let kept = within(group, shape.cols);
                high = max(high, select(high, z, kept));
                low = max(low, select(low, -z, kept));
                hidden[group] = z;
            }
        }
        let own = vec2<f32>(
            max(max(high.x, high.y), max(high.z, high.w)),
            max(max(low.x, low.y), max(low.z, low.w)),
        );
        let ends = largest_of(own, lane);
        let z_scale = scale_from(max(ends.x, ends.y));

        // Quantized and dequantized; softmax waits until every value is there.
        let which = min(shape.activation, 3u);
        var found = vec4<f32>();
        for (var group = lane; group < shape.groups; group += LANES) {
            let activated = activation_of(which, quantize(hidden[group], z_scale) * z_scale);
            let kept = select(vec4<f32>(), activated, within(group, shape.cols));
            found = max(found, abs(kept));
            hidden[group] = kept;
        }
        if layer + 1u < params.layers {
            let magnitude = max(max(found.x, found.y), max(found.z, found.w));
            scale = scale_from(largest_of(vec2<f32>(magnitude), lane).x);
            for (var group = lane; group < shape.groups; group += LANES) {
                codes[group] = as_value(quantize(hidden[group], scale));
            }
        }
        workgroupBarrier();
    }

    store_row(shapes[params.layers - 1u], 0u, row, lane);
}
