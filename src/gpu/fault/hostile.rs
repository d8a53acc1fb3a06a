//! The words of `FMNIST_GPU_ARITHMETIC`, a list. Each is a freedom of drivers that WGSL allows, or that some driver takes. No result
//! may depend on it beyond what docs/numerics.md says.
//!
//! A shader is parsed, and the f32 operations that the freedom is about become calls of functions that use it. What
//! the device compiles is that module.

use std::collections::HashMap;
use std::fmt::Write;
use std::str::FromStr;

use wgpu::naga::valid::{Capabilities, FunctionInfo, ValidationFlags, Validator};
use wgpu::naga::{
    Arena, BinaryOperator, Block, Expression, Function, Handle, MathFunction, Module, Range,
    ScalarKind, Span, Statement, TypeInner, UnaryOperator, front,
};

use super::functions::{Components, PREFIX, with_functions};
use crate::error::{Error, Result};

/// A freedom that a driver takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hostile {
    /// A quotient is off by up to 2 ULP, by a hash of its operands. WGSL allows 2.5.
    Division,
    /// a / b is a · (1 / b), and 1 / b is off by up to 1 ULP.
    Reciprocal,
    /// exp(x) is off by up to 3 + 2·|x| ULP, and tanh by up to 3.
    Exp,
    /// a · b + c is rounded once.
    Contraction,
    /// Products and sums of three are computed in the other order.
    Reassociation,
    /// Operations take and give zero in place of subnormal numbers.
    Subnormals,
    /// Conversions of whole numbers to f32, and of two f32 to a word of f16, round toward zero.
    Conversion,
}

impl Hostile {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Division,
        Self::Reciprocal,
        Self::Exp,
        Self::Contraction,
        Self::Reassociation,
        Self::Subnormals,
        Self::Conversion,
    ];

    /// Its name in `FMNIST_GPU_ARITHMETIC`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Division => "division",
            Self::Reciprocal => "reciprocal",
            Self::Exp => "exp",
            Self::Contraction => "contraction",
            Self::Reassociation => "reassociation",
            Self::Subnormals => "subnormals",
            Self::Conversion => "conversion",
        }
    }

    /// The shader under these arithmetics, and how many operations they change. The first that is about an operation
    /// changes it. `None` for a text that is no valid shader.
    #[must_use]
    pub fn under(all: &[Self], source: &str) -> Option<(Module, usize)> {
        let mut module = front::wgsl::parse_str(&with_functions(source)).ok()?;
        let flags = ValidationFlags::empty();
        let info = Validator::new(flags, Capabilities::all())
            .validate(&module)
            .ok()?;
        let functions: HashMap<String, Handle<Function>> = module
            .functions
            .iter()
            .filter_map(|(handle, function)| Some((function.name.clone()?, handle)))
            .collect();
        let types = module.types.clone();
        let mut changed = 0;
        let mut rewrite = |function: &mut Function, info: &FunctionInfo| {
            let find = Find {
                hostile: all,
                expressions: &function.expressions,
                shape: &|handle| shape(info[handle].ty.inner_with(&types)),
                functions: &functions,
            };
            let calls: Calls = function
                .expressions
                .iter()
                .filter_map(|(handle, _)| Some((handle, find.call(handle)?)))
                .collect();
            changed += calls.len();
            for (&handle, call) in &calls {
                function.expressions[handle] = Expression::CallResult(call.0);
            }
            function.body = with_calls(&function.body, &calls);
        };
        for (handle, function) in module.functions.iter_mut() {
            if !function
                .name
                .as_ref()
                .is_some_and(|name| name.starts_with(PREFIX))
            {
                rewrite(function, &info[handle]);
            }
        }
        for (at, entry) in module.entry_points.iter_mut().enumerate() {
            rewrite(&mut entry.function, info.get_entry_point(at));
        }
        Some((module, changed))
    }
}

impl FromStr for Hostile {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let named = Self::ALL.into_iter().find(|hostile| hostile.name() == text);
        named.ok_or_else(|| Error::unknown_name("arithmetic", text, Self::ALL.map(Self::name)))
    }
}

/// Functions with their arguments, by the operations that they replace.
type Calls = HashMap<Handle<Expression>, (Handle<Function>, Vec<Handle<Expression>>)>;

/// The components and the type of them, of 32 bits. `None` of everything else.
fn shape(inner: &TypeInner) -> Option<(Components, ScalarKind)> {
    let (size, scalar) = match *inner {
        TypeInner::Scalar(scalar) => (1, scalar),
        TypeInner::Vector { size, scalar } => (size as Components, scalar),
        _ => return None,
    };
    (scalar.width == 4).then_some((size, scalar.kind))
}

/// Finds the function that replaces an operation.
struct Find<'a> {
    hostile: &'a [Hostile],
    expressions: &'a Arena<Expression>,
    shape: &'a dyn Fn(Handle<Expression>) -> Option<(Components, ScalarKind)>,
    functions: &'a HashMap<String, Handle<Function>>,
}

impl Find<'_> {
    fn call(&self, at: Handle<Expression>) -> Option<(Handle<Function>, Vec<Handle<Expression>>)> {
        let mut replaced = self
            .hostile
            .iter()
            .map(|&hostile| self.replaced(hostile, at));
        let (name, arguments) = replaced.find_map(|replaced| replaced)?;
        let mut name = format!("{PREFIX}{name}");
        for &argument in &arguments {
            let (size, _) = (self.shape)(argument)?;
            let _ = write!(name, "_{size}");
        }
        Some((*self.functions.get(&name)?, arguments))
    }

    /// The operands of a binary operation on f32.
    fn binary(
        &self,
        at: Handle<Expression>,
        wanted: BinaryOperator,
    ) -> Option<[Handle<Expression>; 2]> {
        let Expression::Binary { op, left, right } = self.expressions[at] else {
            return None;
        };
        let (_, kind) = (self.shape)(at)?;
        (op == wanted && kind == ScalarKind::Float).then_some([left, right])
    }

    /// The name of the function that replaces an operation, without the sizes of its arguments, and the arguments.
    fn replaced(
        &self,
        hostile: Hostile,
        at: Handle<Expression>,
    ) -> Option<(&'static str, Vec<Handle<Expression>>)> {
        use BinaryOperator::{Add, Divide, Multiply, Subtract};
        let (_, kind) = (self.shape)(at)?;
        let product = |at| self.binary(at, Multiply);
        match hostile {
            Hostile::Division => Some(("divide", self.binary(at, Divide)?.into())),
            Hostile::Reciprocal => Some(("reciprocal", self.binary(at, Divide)?.into())),
            Hostile::Exp => match self.expressions[at] {
                Expression::Math {
                    fun: MathFunction::Exp,
                    arg,
                    ..
                } => Some(("exp", vec![arg])),
                Expression::Math {
                    fun: MathFunction::Tanh,
                    arg,
                    ..
                } => Some(("tanh", vec![arg])),
                _ => None,
            },
            Hostile::Contraction => {
                if let Some([left, right]) = self.binary(at, Add) {
                    return match (product(left), product(right)) {
                        (Some([a, b]), _) => Some(("add", vec![a, b, right])),
                        (_, Some([a, b])) => Some(("add", vec![a, b, left])),
                        _ => None,
                    };
                }
                let [left, right] = self.binary(at, Subtract)?;
                match (product(left), product(right)) {
                    (Some([a, b]), _) => Some(("subtract", vec![a, b, right])),
                    (_, Some([a, b])) => Some(("subtract_from", vec![a, b, left])),
                    _ => None,
                }
            }
            Hostile::Reassociation => {
                for (operator, left_first, right_first) in [
                    (Multiply, "product_right", "product_left"),
                    (Add, "sum_right", "sum_left"),
                ] {
                    let Some([left, right]) = self.binary(at, operator) else {
                        continue;
                    };
                    if let Some([a, b]) = self.binary(left, operator) {
                        return Some((left_first, vec![a, b, right]));
                    }
                    if let Some([b, c]) = self.binary(right, operator) {
                        return Some((right_first, vec![left, b, c]));
                    }
                }
                None
            }
            Hostile::Subnormals => match self.expressions[at] {
                Expression::Binary { op, left, right } if kind == ScalarKind::Float => {
                    let name = match op {
                        Add => "flushed_add",
                        Subtract => "flushed_subtract",
                        Multiply => "flushed_multiply",
                        Divide => "flushed_divide",
                        _ => return None,
                    };
                    Some((name, vec![left, right]))
                }
                Expression::Unary {
                    op: UnaryOperator::Negate,
                    expr,
                } if kind == ScalarKind::Float => Some(("flushed_negate", vec![expr])),
                _ => None,
            },
            Hostile::Conversion => match self.expressions[at] {
                Expression::As {
                    expr,
                    kind: ScalarKind::Float,
                    convert: Some(4),
                } => match (self.shape)(expr)?.1 {
                    ScalarKind::Sint => Some(("float", vec![expr])),
                    ScalarKind::Uint => Some(("float_unsigned", vec![expr])),
                    _ => None,
                },
                Expression::Math {
                    fun: MathFunction::Pack2x16float,
                    arg,
                    ..
                } => Some(("pack", vec![arg])),
                _ => None,
            },
        }
    }
}

/// A block whose operations of `calls` are calls.
fn with_calls(block: &Block, calls: &Calls) -> Block {
    let mut rewritten = Block::new();
    for (statement, &span) in block.span_iter() {
        let statement = match statement {
            Statement::Emit(range) => {
                emit(&mut rewritten, range.clone(), span, calls);
                continue;
            }
            Statement::Block(block) => Statement::Block(with_calls(block, calls)),
            Statement::If {
                condition,
                accept,
                reject,
            } => Statement::If {
                condition: *condition,
                accept: with_calls(accept, calls),
                reject: with_calls(reject, calls),
            },
            Statement::Switch { selector, cases } => {
                let mut cases = cases.clone();
                for case in &mut cases {
                    case.body = with_calls(&case.body, calls);
                }
                Statement::Switch {
                    selector: *selector,
                    cases,
                }
            }
            Statement::Loop {
                body,
                continuing,
                break_if,
            } => Statement::Loop {
                body: with_calls(body, calls),
                continuing: with_calls(continuing, calls),
                break_if: *break_if,
            },
            other => other.clone(),
        };
        rewritten.push(statement, span);
    }
    rewritten
}

/// Emits a range, with a call in place of each operation of `calls`.
fn emit(block: &mut Block, range: Range<Expression>, span: Span, calls: &Calls) {
    let mut run: Option<(Handle<Expression>, Handle<Expression>)> = None;
    let end = |block: &mut Block, run: &mut Option<_>| {
        if let Some((first, last)) = run.take() {
            block.push(Statement::Emit(Range::new_from_bounds(first, last)), span);
        }
    };
    for handle in range {
        match calls.get(&handle) {
            Some((function, arguments)) => {
                end(block, &mut run);
                let call = Statement::Call {
                    function: *function,
                    arguments: arguments.clone(),
                    result: Some(handle),
                };
                block.push(call, span);
            }
            None => run = Some((run.map_or(handle, |(first, _)| first), handle)),
        }
    }
    end(block, &mut run);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::{kernel, numerics_sources};
    use crate::plan::Subgroups;

    const ONE_OF_EACH: &str = "
@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@compute @workgroup_size(1)
fn main() {
    let a = x[0];
    let b = vec4<f32>(x[1]);
    for (var i = 0u; i < 4u; i++) {
        if a > 1.0 {
            x[2] = (a * b + b / a).x;
        }
    }
    x[3] = exp(a) + f32(i32(a)) - -tanh(a * a * a);
    x[4] = bitcast<f32>(pack2x16float(b.xy)) + a + a;
}
";

    fn changed(hostile: Hostile, text: &str) -> usize {
        let (module, changed) = Hostile::under(&[hostile], text).expect("a valid text");
        let mut validator = Validator::new(ValidationFlags::all(), Capabilities::all());
        if let Err(error) = validator.validate(&module) {
            panic!("{}: {}\n{text}", hostile.name(), error.emit_to_string(text));
        }
        changed
    }

    #[test]
    fn every_operation_of_its_kind_is_changed() {
        for (hostile, count) in [
            (Hostile::Division, 1),
            (Hostile::Reciprocal, 1),
            (Hostile::Exp, 2),
            (Hostile::Contraction, 1),
            (Hostile::Reassociation, 2),
            (Hostile::Subnormals, 10),
            (Hostile::Conversion, 2),
        ] {
            assert_eq!(changed(hostile, ONE_OF_EACH), count, "{}", hostile.name());
        }
        assert!(Hostile::under(&[Hostile::Division], "fn").is_none());
    }

    #[test]
    fn every_kernel_stays_valid() {
        let subgroups = Subgroups {
            lanes: 8,
            matrix_units: None,
        };
        let variants = kernel::variants(subgroups).into_iter();
        let kernels = variants.filter_map(|(pass, e)| kernel::source(pass, e, false));
        let texts: Vec<String> = kernels.step_by(7).chain(numerics_sources()).collect();
        for hostile in Hostile::ALL {
            let changed: usize = texts.iter().map(|text| changed(hostile, text)).sum();
            assert!(changed > 0, "{} changes nothing", hostile.name());
        }
    }

    #[test]
    fn an_arithmetic_is_requested_by_name() {
        for hostile in Hostile::ALL {
            assert_eq!(hostile.name().parse::<Hostile>().unwrap(), hostile);
        }
        assert_eq!("none".parse::<Hostile>().unwrap_err().exit_code(), 2);
    }
}
