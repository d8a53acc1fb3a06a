//! Memory that begins at a cache line, so that no vector of it lies across two.

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use bytemuck::{Pod, Zeroable};

/// A cache line.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C, align(64))]
struct CacheLine([u8; 64]);

/// A buffer of plain values, zero at first.
#[derive(Clone, Debug)]
pub struct Aligned<T> {
    lines: Vec<CacheLine>,
    len: usize,
    values: PhantomData<T>,
}

impl<T: Pod> Aligned<T> {
    /// Makes it `len` values long, or leaves it where it is longer. What is in it then says nothing.
    pub fn grow(&mut self, len: usize) {
        if self.len < len {
            // The old one goes first, so that both never stand side by side.
            *self = Self::default();
            *self = Self::zeroed(len);
        }
    }

    /// `len` zeros.
    pub fn zeroed(len: usize) -> Self {
        let lines = (len * size_of::<T>()).div_ceil(size_of::<CacheLine>());
        Self {
            lines: vec![CacheLine::zeroed(); lines],
            len,
            values: PhantomData,
        }
    }

    /// Bytes that so many values take.
    pub fn bytes_of(len: usize) -> u64 {
        (len * size_of::<T>()).next_multiple_of(size_of::<CacheLine>()) as u64
    }

    /// Bytes that were allocated.
    pub fn bytes(&self) -> u64 {
        (self.lines.capacity() * size_of::<CacheLine>()) as u64
    }
}

impl<T> Default for Aligned<T> {
    fn default() -> Self {
        Self {
            lines: Vec::new(),
            len: 0,
            values: PhantomData,
        }
    }
}

impl<T: Pod> Deref for Aligned<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &bytemuck::cast_slice(&self.lines)[..self.len]
    }
}

impl<T: Pod> DerefMut for Aligned<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.len]
    }
}
