//! The functions that replace operations under a [`super::Hostile`] arithmetic, in WGSL, for scalars and vectors.

use std::fmt::Write;

/// What the names of all of them begin with.
pub(super) const PREFIX: &str = "hostile_";

/// The components of a value: 1 of a scalar, 2 to 4 of a vector.
pub(super) type Components = u8;

/// A shader's text with all functions that replace operations, behind its directives.
pub(super) fn with_functions(source: &str) -> String {
    let directive = |line: &&str| line.starts_with("enable ") || line.starts_with("requires ");
    let mut text = String::new();
    for line in source.lines().filter(directive) {
        text.push_str(line);
        text.push('\n');
    }
    text.push_str(&functions());
    for line in source.lines().filter(|line| !directive(line)) {
        text.push_str(line);
        text.push('\n');
    }
    text
}

fn functions() -> String {
    let mut text = String::new();
    for size in 1..=4 {
        text.push_str(&of_size(size));
        for first in shapes(size) {
            for second in shapes(size) {
                if size == 1 || first == size || second == size {
                    text.push_str(&of_two(size, first, second));
                }
                for third in shapes(size) {
                    if size == 1 || [first, second, third].contains(&size) {
                        text.push_str(&of_three(size, [first, second, third]));
                    }
                }
            }
        }
    }
    text
}

/// The shapes that operands of an operation with this result may have.
fn shapes(size: Components) -> Vec<Components> {
    if size == 1 { vec![1] } else { vec![1, size] }
}

/// A type of so many components.
fn of(size: Components, scalar: &str) -> String {
    if size == 1 {
        scalar.to_owned()
    } else {
        format!("vec{size}<{scalar}>")
    }
}

/// Functions of one value, and what the others are made of.
fn of_size(n: Components) -> String {
    let [f, u, i] = ["f32", "u32", "i32"].map(|scalar| of(n, scalar));
    let mut text = format!(
        "
// `value`, off by up to `most` ULP. Zero, infinity and what lies next to them stay.
fn hostile_off_{n}(value: {f}, seed: {u}, most: {u}) -> {f} {{
    let by = (seed * 2654435761u >> {u}(16u)) % ({u}(2u) * most + {u}(1u));
    let off = bitcast<{f}>(bitcast<{u}>(value) + by - most);
    return select(value, off, (abs(value) > {f}(0x1p-100)) & (abs(value) < {f}(0x1p126)));
}}
fn hostile_exp_{n}(x: {f}) -> {f} {{
    return hostile_off_{n}(exp(x), bitcast<{u}>(x), {u}(3.0 + 2.0 * abs(x)));
}}
fn hostile_tanh_{n}(x: {f}) -> {f} {{
    return hostile_off_{n}(tanh(x), bitcast<{u}>(x), {u}(3u));
}}
// a · b + c, rounded nearly once, from exact products and sums (Dekker 1971). A driver may take fma for two operations.
fn hostile_high_{n}(a: {f}) -> {f} {{
    let large = a * 4097.0;
    return large - (large - a);
}}
fn hostile_fused_{n}(a: {f}, b: {f}, c: {f}) -> {f} {{
    let product = a * b;
    let a_high = hostile_high_{n}(a);
    let b_high = hostile_high_{n}(b);
    let a_low = a - a_high;
    let b_low = b - b_high;
    let product_rest = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low;
    let sum = product + c;
    let moved = sum - product;
    let sum_rest = (product - (sum - moved)) + (c - moved);
    return select(sum, sum + (sum_rest + product_rest), abs(product) < {f}(0x1p100));
}}
fn hostile_flush_{n}(value: {f}) -> {f} {{
    return select(value, {f}(), (bitcast<{u}>(value) & {u}(0x7f800000u)) == {u}());
}}
fn hostile_flushed_negate_{n}(a: {f}) -> {f} {{
    return hostile_flush_{n}(-hostile_flush_{n}(a));
}}
fn hostile_float_unsigned_{n}(whole: {u}) -> {f} {{

    let shift = {u}(8u) - min({u}(8u), countLeadingZeros(whole));
    return {f}((whole >> shift) << shift);
}}
fn hostile_float_{n}(whole: {i}) -> {f} {{
    let magnitude = hostile_float_unsigned_{n}({u}(abs(whole)));
    return select(magnitude, -magnitude, whole < {i}());
}}
"
    );
    if n == 2 {
        text.push_str(
            "fn hostile_pack_2(value: vec2<f32>) -> u32 {
    return pack2x16float(bitcast<vec2<f32>>(bitcast<vec2<u32>>(value) & vec2<u32>(0xffffe000u)));
}
",
        );
    }
    text
}

/// Functions of two values, with a result of size `n`.
fn of_two(n: Components, first: Components, second: Components) -> String {
    let [f, u] = ["f32", "u32"].map(|scalar| of(n, scalar));
    let head = |name: &str| {
        let (a, b) = (of(first, "f32"), of(second, "f32"));
        format!("fn hostile_{name}_{first}_{second}(a: {a}, b: {b}) -> {f} {{")
    };
    let mut text = format!(
        "{} return hostile_flush_{n}(hostile_flush_{first}(a) * hostile_flush_{second}(b)); }}\n",
        head("flushed_multiply"),
    );
    // Other operations have operands of the same type.
    if first != second {
        return text;
    }
    let _ = writeln!(
        text,
        "{} return hostile_off_{n}(a / b, bitcast<{u}>(a) ^ bitcast<{u}>(b), {u}(2u)); }}
{} return a * hostile_off_{n}(1.0 / b, bitcast<{u}>(b), {u}(1u)); }}",
        head("divide"),
        head("reciprocal"),
    );
    for (name, operator) in [("add", "+"), ("subtract", "-"), ("divide", "/")] {
        let head = head(&format!("flushed_{name}"));
        let _ = writeln!(
            text,
            "{head} return hostile_flush_{n}(hostile_flush_{n}(a) {operator} hostile_flush_{n}(b)); }}"
        );
    }
    text
}

/// Functions of three values, with a result of size `n`.
fn of_three(n: Components, sizes: [Components; 3]) -> String {
    let f = of(n, "f32");
    let head = |name: &str| {
        let [a, b, c] = sizes.map(|size| of(size, "f32"));
        let [x, y, z] = sizes;
        format!("fn hostile_{name}_{x}_{y}_{z}(a: {a}, b: {b}, c: {c}) -> {f} {{")
    };
    let mut text = format!(
        "{} return a * (b * c); }}\n{} return (a * b) * c; }}\n",
        head("product_right"),
        head("product_left"),
    );
    if sizes == [n; 3] {
        let (right, left) = (head("sum_right"), head("sum_left"));
        let _ = writeln!(
            text,
            "{right} return a + (b + c); }}\n{left} return (a + b) + c; }}"
        );
    }
    if sizes[2] == n {
        for (name, fused) in [
            ("add", format!("hostile_fused_{n}({f}(a), {f}(b), c)")),
            ("subtract", format!("hostile_fused_{n}({f}(a), {f}(b), -c)")),
            (
                "subtract_from",
                format!("hostile_fused_{n}(-{f}(a), {f}(b), c)"),
            ),
        ] {
            let _ = writeln!(text, "{} return {fused}; }}", head(name));
        }
    }
    text
}
