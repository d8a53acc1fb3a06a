// Measures the peak of multiply-add, in registers only. Each invocation runs 12 independent chains
// x ← x · factor + term (24 where WIDE), so that the units are busy while one chain waits for its
// result. `factor` is below 1, so that every chain stays finite and converges to a normal number.
//
// The kernel has no array, because some drivers keep arrays in memory.

#import probes/peak/params
#import element

@group(0) @binding(1) var<storage, read_write> results: array<f32>; // [invocations]

alias Group = vec4<Elem>;

struct Chains {
    a: Group,
    b: Group,
    c: Group,
}

fn multiply_add(x: Group, factor: Group, term: Group) -> Group {
    // Some drivers split a fused operation, and some fuse a product and a sum.
    if FUSED {
        return fma(x, factor, term);
    }
    return x * factor + term;
}

fn step(x: Chains, factor: Group, term: Group) -> Chains {
    return Chains(
        multiply_add(x.a, factor, term),
        multiply_add(x.b, factor, term),
        multiply_add(x.c, factor, term),
    );
}

fn eight_steps(x: Chains, factor: Group, term: Group) -> Chains {
    var next = step(x, factor, term);
    next = step(next, factor, term);
    next = step(next, factor, term);
    next = step(next, factor, term);
    next = step(next, factor, term);
    next = step(next, factor, term);
    next = step(next, factor, term);
    return step(next, factor, term);
}

// The initial values of four chains. They differ for every chain of every lane; otherwise a compiler could
// run some of them only once. 24 chains of 64 lanes have at most 2,048 places, each of them exact in f16.
fn start(chain: u32, lane: u32) -> Group {
    let place = (chain + vec4<u32>(0u, 1u, 2u, 3u)) * LANES + lane;
    return Group(vec4<f32>(place) / 2048.0);
}

fn total(x: Chains) -> f32 {
    let groups = vec4<f32>(x.a) + vec4<f32>(x.b) + vec4<f32>(x.c);
    return dot(groups, vec4<f32>(1.0));
}

@compute @workgroup_size(LANES)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let factor = Group(vec4<f32>(params.factor));
    let term = Group(vec4<f32>(params.term));
    var first = Chains(start(0u, lane), start(4u, lane), start(8u, lane));
    var second = Chains(start(12u, lane), start(16u, lane), start(20u, lane));
    for (var done = 0u; done < params.steps; done += 8u) {
        first = eight_steps(first, factor, term);
        if WIDE {
            second = eight_steps(second, factor, term);
        }
    }
    var sum = total(first);
    if WIDE {
        sum += total(second);
    }
    if id.x < params.invocations {
        results[id.x] = sum;
    }
}
