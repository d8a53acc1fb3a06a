//! The look of each precision: one colour and one shape, the same in every chart of every report, whatever else is in it.
//!
//! The schemes of int8 share a hue and differ in shade and shape. The tests hold the colours against both backgrounds
//! and against each other, also as readers with a colour vision deficiency see them.

use std::fmt::Write as _;

/// How a precision is drawn.
#[derive(Debug, PartialEq)]
pub struct Look {
    /// Its class in the style sheet.
    pub class: &'static str,
    light: &'static str,
    dark: &'static str,
    /// The corners of a shape about as large as a circle of radius 1; none for the circle itself.
    pub corners: &'static [(f64, f64)],
}

/// The backgrounds of the page and of its charts, light and dark: those of style.css.
#[cfg(test)]
const BACKGROUNDS: [[&str; 2]; 2] = [["#f7f7f5", "#ffffff"], ["#111317", "#191c22"]];

const F32: Look = look("f32", "#767b84", "#8d929b", &[]);
const F16: Look = look("f16", "#2484d6", "#4d9bff", SQUARE);
const BF16: Look = look("bf16", "#0a4a45", "#4deeb4", DIAMOND);
const INT8: Look = look("int8", "#a83804", "#e8622e", TRIANGLE);
const INT8_STATIC: Look = look("int8-static", "#d9601f", "#ff9a6e", TRIANGLE_DOWN);
const INT8_REFERENCE: Look = look("int8-reference", "#7a2600", "#c9501f", PENTAGON);
const INT8_TENSOR: Look = look("int8-tensor", "#c04a10", "#f2804f", HALF_SQUARE);
const INT8_STATIC_TENSOR: Look = look("int8-static-tensor", "#cc5618", "#ffb08a", UPRIGHT);
const INT4: Look = look("int4", "#6d1f8f", "#f3b0f0", HEXAGON);
const MIXED: Look = look("mixed", "#a08500", "#d3e034", PLUS);

const ALL: [&Look; 10] = [
    &F32,
    &F16,
    &BF16,
    &INT8,
    &INT8_STATIC,
    &INT8_REFERENCE,
    &INT8_TENSOR,
    &INT8_STATIC_TENSOR,
    &INT4,
    &MIXED,
];

const fn look(
    class: &'static str,
    light: &'static str,
    dark: &'static str,
    corners: &'static [(f64, f64)],
) -> Look {
    Look {
        class,
        light,
        dark,
        corners,
    }
}

/// The look of a row by its name, which is that of its [`crate::Mode`].
pub fn look_of(name: &str) -> &'static Look {
    let (mode, by_tensor) = match name.split_once(", ") {
        Some((mode, _)) => (mode, true),
        None => (name, false),
    };
    let (precision, scheme) = mode.split_once(' ').unwrap_or((mode, ""));
    match (precision, scheme, by_tensor) {
        ("f32", ..) => &F32,
        ("f16", ..) => &F16,
        ("bf16", ..) => &BF16,
        ("int4", ..) => &INT4,
        ("int8", "dynamic-tensor", _) => &INT8_REFERENCE,
        ("int8", "static", false) => &INT8_STATIC,
        ("int8", "static", true) => &INT8_STATIC_TENSOR,
        ("int8", _, false) => &INT8,
        ("int8", _, true) => &INT8_TENSOR,
        // Layers of several precisions: `f16,int8`.
        _ => &MIXED,
    }
}

/// The colours as a style sheet.
pub fn style() -> String {
    let properties = |colour: fn(&Look) -> &str| {
        ALL.iter().fold(String::new(), |mut all, look| {
            let _ = write!(all, "--{}:{};", look.class, colour(look));
            all
        })
    };
    let mut style = format!(
        ":root{{{}}}\n@media screen and (prefers-color-scheme: dark){{:root{{{}}}}}\n",
        properties(|look| look.light),
        properties(|look| look.dark),
    );
    for Look { class, .. } in ALL {
        let _ = writeln!(
            style,
            ".{class}{{fill:var(--{class});stroke:var(--{class})}}"
        );
    }
    style
}

const SQUARE: &[(f64, f64)] = &[(-0.89, -0.89), (0.89, -0.89), (0.89, 0.89), (-0.89, 0.89)];
const DIAMOND: &[(f64, f64)] = &[(0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0)];
const TRIANGLE: &[(f64, f64)] = &[(0.0, -1.4), (1.28, 0.82), (-1.28, 0.82)];
const TRIANGLE_DOWN: &[(f64, f64)] = &[(0.0, 1.4), (1.28, -0.82), (-1.28, -0.82)];
const PENTAGON: &[(f64, f64)] = &[
    (0.0, -1.35),
    (1.28, -0.42),
    (0.79, 1.09),
    (-0.79, 1.09),
    (-1.28, -0.42),
];
const HALF_SQUARE: &[(f64, f64)] = &[(-1.1, -1.1), (1.1, -1.1), (-1.1, 1.1)];
const UPRIGHT: &[(f64, f64)] = &[(-0.5, -1.4), (0.5, -1.4), (0.5, 1.4), (-0.5, 1.4)];
const HEXAGON: &[(f64, f64)] = &[
    (-0.55, -1.0),
    (0.55, -1.0),
    (1.1, 0.0),
    (0.55, 1.0),
    (-0.55, 1.0),
    (-1.1, 0.0),
];
const PLUS: &[(f64, f64)] = &[
    (-0.4, -1.2),
    (0.4, -1.2),
    (0.4, -0.4),
    (1.2, -0.4),
    (1.2, 0.4),
    (0.4, 0.4),
    (0.4, 1.2),
    (-0.4, 1.2),
    (-0.4, 0.4),
    (-1.2, 0.4),
    (-1.2, -0.4),
    (-0.4, -0.4),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Mode, Precision, Scheme, WeightScales};

    /// Linear light of a colour `#rrggbb`.
    fn linear(colour: &str) -> [f64; 3] {
        [1, 3, 5].map(|at| {
            let value = u8::from_str_radix(&colour[at..at + 2], 16).expect("a colour");
            let value = f64::from(value) / 255.0;
            if value <= 0.04045 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        })
    }

    fn dot(weights: [f64; 3], rgb: [f64; 3]) -> f64 {
        weights
            .iter()
            .zip(rgb)
            .map(|(weight, one)| weight * one)
            .sum()
    }

    const LUMINANCE: [f64; 3] = [0.2126, 0.7152, 0.0722];

    /// The contrast ratio of WCAG 2.
    fn contrast(one: &str, other: &str) -> f64 {
        let [one, other] = [one, other].map(|colour| dot(LUMINANCE, linear(colour)) + 0.05);
        one.max(other) / one.min(other)
    }

    /// CIE L*a*b* of linear light, D65.
    fn lab(rgb: [f64; 3]) -> [f64; 3] {
        let rgb = rgb.map(|one| one.clamp(0.0, 1.0));
        let f = |t: f64| {
            if t > 0.008_856 {
                t.cbrt()
            } else {
                7.787 * t + 16.0 / 116.0
            }
        };
        let x = f(dot([0.4124, 0.3576, 0.1805], rgb) / 0.950_47);
        let y = f(dot(LUMINANCE, rgb));
        let z = f(dot([0.0193, 0.1192, 0.9505], rgb) / 1.088_83);
        [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
    }

    /// What eyes see of linear light: with normal vision, protanopia, deuteranopia, tritanopia (Machado, Oliveira and
    /// Fernandes, 2009).
    const EYES: [[[f64; 3]; 3]; 4] = [
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        [
            [0.152_286, 1.052_583, -0.204_868],
            [0.114_503, 0.786_281, 0.099_216],
            [-0.003_882, -0.048_116, 1.051_998],
        ],
        [
            [0.367_322, 0.860_646, -0.227_968],
            [0.280_085, 0.672_501, 0.047_413],
            [-0.011_820, 0.042_940, 0.968_881],
        ],
        [
            [1.255_528, -0.076_749, -0.178_779],
            [-0.078_411, 0.930_809, 0.147_602],
            [0.004_733, 0.691_367, 0.303_900],
        ],
    ];

    #[test]
    fn colours_stand_out_from_both_backgrounds() {
        let style = include_str!("style.css");
        for look in ALL {
            for (colour, backgrounds) in [look.light, look.dark].iter().zip(BACKGROUNDS) {
                for background in backgrounds {
                    assert!(style.contains(background), "{background}");
                    let ratio = contrast(colour, background);
                    assert!(ratio >= 3.0, "{} on {background}: {ratio:.2}", look.class);
                }
            }
        }
        assert!((contrast("#000000", "#ffffff") - 21.0).abs() < 1e-9);
    }

    #[test]
    fn all_eyes_tell_the_precisions_apart() {
        let precisions = [&F32, &F16, &BF16, &INT8, &INT4, &MIXED];
        for (at, one) in precisions.iter().enumerate() {
            for other in &precisions[..at] {
                for colours in [[one.light, other.light], [one.dark, other.dark]] {
                    for eyes in EYES {
                        let [a, b] = colours.map(|colour| {
                            let light = linear(colour);
                            lab(eyes.map(|weights| dot(weights, light)))
                        });
                        let squares = a.iter().zip(b).map(|(a, b)| (a - b).powi(2));
                        let distance = squares.sum::<f64>().sqrt();
                        assert!(
                            distance >= 15.0,
                            "{} and {}: {distance:.1}",
                            one.class,
                            other.class
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn every_mode_has_a_look_of_its_own() {
        let tensor = |scheme| Mode::int8(scheme, WeightScales::Tensor);
        let layers = vec![Precision::F16, Precision::Int8];
        let mixed = Mode::mixed(layers, Scheme::Static, WeightScales::Tensor).unwrap();
        let mut modes = Mode::every();
        modes.extend([tensor(Scheme::DynamicRow), tensor(Scheme::Static), mixed]);
        let looks: Vec<&Look> = modes
            .iter()
            .map(|mode| look_of(&mode.to_string()))
            .collect();
        for (at, look) in looks.iter().enumerate() {
            assert!(!looks[..at].contains(look), "{}", modes[at]);
            let corners = |other: &&Look| other.corners == look.corners;
            assert!(!looks[..at].iter().any(corners), "{}", modes[at]);
        }
        assert_eq!(looks.len(), ALL.len());
    }
}
