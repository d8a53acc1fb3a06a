//! Vectors of one instruction set behind one trait, so that a kernel is written once.
//!
//! A kernel is a [`Work`], generic over [`Simd`]. [`Supported::run`](super::isa::Supported::run)
//! instantiates it inside a function that has the set's instructions enabled. Everything from
//! there down to the intrinsics is `#[inline(always)]`: what is inlined into that function is
//! compiled for its instructions, what is only called from it is not.
#![expect(
    unsafe_code,
    reason = "vectors are loaded and stored through pointers, by instructions that must be there"
)]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;
mod tiling;
mod vectors;

#[cfg(target_arch = "x86_64")]
pub(super) use avx2::with_avx2;
#[cfg(target_arch = "x86_64")]
pub(super) use avx512::{with_avx512, with_avx512_vnni};
pub(super) use portable::Portable;
pub(super) use tiling::{BLOCK_ROWS, TILE_ROWS, stride};
pub(super) use vectors::{Simd, Work};
