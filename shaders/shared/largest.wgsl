// A maximum over the lanes of a workgroup.

var<workgroup> ends: array<vec2<f32>, LANES>;

// The largest of each component over all lanes, in every lane.
fn largest_of(own: vec2<f32>, lane: u32) -> vec2<f32> {
    ends[lane] = own;
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if lane < half {
            ends[lane] = max(ends[lane], ends[lane + half]);
        }
    }
    workgroupBarrier();
    let found = ends[0];
    workgroupBarrier();
    return found;
}
