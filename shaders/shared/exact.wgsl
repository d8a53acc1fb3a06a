// Division that is exact on every driver. WGSL lets a quotient be 2.5 ULP off, which would move scales, and
// quantized values at rounding ties. Here integers decide.

// `value` / `divisor`, correctly rounded, for value ≥ 0 and 1 ≤ divisor ≤ 255.
fn divided(value: f32, divisor: u32) -> f32 {
    let bits = bitcast<u32>(value);
    let field = bits >> 23u;
    if field == 255u {
        return value;
    }
    // The value is mantissa · 2^(exponent − 150).
    let mantissa = (bits & 0x7fffffu) | select(0u, 0x800000u, field > 0u);
    let exponent = max(field, 1u);
    // As many bits of the quotient as make 24, or as a subnormal number has.
    let whole = mantissa / divisor;
    let shift = min(countLeadingZeros(whole) - 8u, exponent - 1u);
    let rest = (mantissa - whole * divisor) << shift;
    let low = rest / divisor;
    let twice = 2u * (rest - low * divisor);
    let quotient = (whole << shift) + low;
    let up = twice > divisor || (twice == divisor && (quotient & 1u) == 1u);
    // A carry of the mantissa moves into the exponent.
    return bitcast<f32>(((exponent - shift - 1u) << 23u) + quotient + u32(up));
}

// Integers decide where a quotient is at least this far from a whole number. The quotients are below 256, where 3 ULP are
// less than 2^-13.
const NEAR_TIE = 0.5 - 0x1p-12;

// A scale of at least 2^-125, or infinite; 1 instead of a smaller one, and of NaN. A driver may flush subnormal values
// to zero: half of such a scale and more is never subnormal.
fn usable_or_one(scale: f32) -> f32 {
    let bits = bitcast<u32>(scale);
    return select(1.0, scale, bits >= 0x1000000u && bits <= 0x7f800000u);
}

// round(value / scale), where the quotient is first rounded to f32, both to nearest even. |value / scale| < 256, and
// the scale is a normal number.
fn rounded_quotient(value: vec4<f32>, scale: f32) -> vec4<f32> {
    // A product with the inverse is faster, and exact enough to see a tie. The inverse of a huge scale is subnormal.
    var quotient = value * (1.0 / scale);
    if scale >= 0x1p125 {
        quotient = value / scale;
    }
    let rounded = round(quotient);
    // The distance to the whole number. It is 0.5 at a tie; below NEAR_TIE no error of a driver's quotient reaches one.
    let away = abs(quotient - rounded);
    if max(max(away.x, away.y), max(away.z, away.w)) < NEAR_TIE {
        return rounded;
    }
    let near = away >= vec4<f32>(NEAR_TIE);
    let settled = vec4<f32>(
        settled_tie(value.x, quotient.x, scale),
        settled_tie(value.y, quotient.y, scale),
        settled_tie(value.z, quotient.z, scale),
        settled_tie(value.w, quotient.w, scale),
    );
    return select(rounded, settled, near);
}

// round(value / scale) of a quotient near a tie of two whole numbers.
fn settled_tie(value: f32, quotient: f32, scale: f32) -> f32 {
    // The tie lies at odd / 2, between lower and lower + 1.
    let lower = u32(abs(quotient));
    let odd = 2u * lower + 1u;
    // 2 · |value| − odd · scale in units of the scale's last place. Both terms may exceed 32 bits, but their
    // difference is small, so that it comes out right.
    let value_bits = bitcast<u32>(value) & 0x7fffffffu;
    let scale_bits = bitcast<u32>(scale);
    let doubled = (value_bits & 0x7fffffu) | 0x800000u;
    let unit = (scale_bits & 0x7fffffu) | 0x800000u;
    let places = i32(value_bits >> 23u) + 1 - i32(scale_bits >> 23u);
    var difference: i32;
    if places >= 0 {
        difference = bitcast<i32>((doubled << u32(places)) - odd * unit);
    } else {
        // Only just below one half of a power of two: half units.
        difference = bitcast<i32>(doubled - 2u * odd * unit);
    }
    // So far from the tie the quotient is rounded to the tie: half of its last place.
    let tie = bitcast<i32>(unit >> (countLeadingZeros(odd) - 7u));
    let even = lower + (lower & 1u);
    let up = lower + u32(difference > 0);
    let whole = f32(select(up, even, abs(difference) <= tie));
    return select(whole, -whole, value < 0.0);
}
