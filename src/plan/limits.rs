//! The limits of an adapter that a plan must respect.

use crate::adapter::{Kind, MatrixUnits};

/// What an adapter takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest storage binding, in bytes.
    pub binding_bytes: u64,
    /// Most workgroups in one dimension of a dispatch.
    pub workgroups: u32,
    /// Storage buffers that one kernel can bind.
    pub storage_buffers: u32,
    /// Invocations of a workgroup.
    pub invocations: u32,
    /// Bytes of workgroup memory.
    pub workgroup_bytes: u32,
    /// Lanes of a subgroup, where the adapter has subgroups and all are of one size.
    pub subgroup: Option<u32>,
    /// Matrix units, where the adapter has them and is opened with them.
    pub matrix_units: Option<MatrixUnits>,
    /// Kernel variants that the adapter's driver is known to reject.
    pub rejected: Vec<&'static str>,
    /// What sort of machine it is.
    pub kind: Kind,
    /// The adapter's name, for messages.
    pub adapter: String,
}

/// What of an adapter's subgroups decides the size of the tiles that are made of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subgroups {
    /// Lanes of each.
    pub lanes: u32,
    /// Matrix units, where they are used.
    pub matrix_units: Option<MatrixUnits>,
}

impl Limits {
    /// The adapter's subgroups; of one lane where their size is not known.
    #[must_use]
    pub fn subgroups(&self) -> Subgroups {
        Subgroups {
            lanes: self.subgroup.unwrap_or(1),
            matrix_units: self.matrix_units,
        }
    }

    /// Operations that one submit may hold. Some drivers' watchdogs kill a submit that runs for seconds, so
    /// one takes a quarter of a second at most: at 80 GFLOP/s on a GPU, and on a software adapter at 20,
    /// which two processor cores reach with the kernels taken there.
    #[must_use]
    pub fn operations_a_submit(&self) -> u64 {
        match self.kind {
            Kind::Software | Kind::Cpu => 5_000_000_000,
            _ => 20_000_000_000,
        }
    }
}
