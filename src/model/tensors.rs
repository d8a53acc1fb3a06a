//! An open safetensors file: its header checked, its tensors as numbers.
//!
//! The file is read once from front to back, and each tensor goes into the memory that it stays in, so that a
//! model takes little more than its file's size.

use std::collections::HashMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use safetensors::Dtype;
use safetensors::tensor::Metadata;
use sha2::{Digest, Sha256};

use crate::dataset::hex;
use crate::error::{Error, FileError, Result};
use crate::host;
use crate::input::{self, OpenFile, Wanted, read_values};

/// The largest header that is read. It is JSON, some of which takes dozens of times its size; a model's has a
/// hundred bytes for a tensor, and the names of its classes.
const MAX_HEADER: u64 = 1 << 20;

/// The most tensors that a message names.
const MOST_NAMED: usize = 6;

/// A file's metadata and tensors.
#[derive(Debug)]
pub(crate) struct Tensors {
    pub path: PathBuf,
    pub metadata: HashMap<String, String>,
    /// SHA-256 of the file.
    pub sha256: String,
    /// How many the file holds, taken or not.
    pub count: usize,
    held: HashMap<String, (Vec<usize>, TensorValues)>,
}

/// The numbers of a tensor, `[shape]` row-major, in one of the types that models have.
#[derive(Debug)]
pub(crate) enum TensorValues {
    F32(Vec<f32>),
    F16(Vec<f16>),
    Bf16(Vec<bf16>),
    I8(Vec<i8>),
    U8(Vec<u8>),
}

impl TensorValues {
    fn dtype(&self) -> Dtype {
        match self {
            Self::F32(_) => Dtype::F32,
            Self::F16(_) => Dtype::F16,
            Self::Bf16(_) => Dtype::BF16,
            Self::I8(_) => Dtype::I8,
            Self::U8(_) => Dtype::U8,
        }
    }
}

/// A type that tensors have.
pub(crate) trait Element: Sized {
    const DTYPE: Dtype;
    fn of(values: TensorValues) -> Option<Vec<Self>>;
}

macro_rules! element {
    ($type:ty, $dtype:ident, $variant:ident) => {
        impl Element for $type {
            const DTYPE: Dtype = Dtype::$dtype;
            fn of(values: TensorValues) -> Option<Vec<Self>> {
                match values {
                    TensorValues::$variant(values) => Some(values),
                    _ => None,
                }
            }
        }
    };
}
element!(f32, F32, F32);
element!(f16, F16, F16);
element!(bf16, BF16, Bf16);
element!(i8, I8, I8);
element!(u8, U8, U8);

/// What is read, and its hash so far.
struct HashingReader<R> {
    stream: R,
    hash: Sha256,
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(buffer)?;
        self.hash.update(&buffer[..read]);
        Ok(read)
    }
}

impl Tensors {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// `Error::File` where it is missing, damaged, or holds numbers of a type that no model has.
    pub fn load(path: &Path) -> Result<Self> {
        Self::read(path, input::open(path)?)
    }

    /// Reads the bytes of a file; `path` names it in errors and results.
    ///
    /// # Errors
    /// `Error::File` where they are damaged, or hold numbers of a type that no model has.
    pub fn of_bytes(path: &Path, bytes: &[u8]) -> Result<Self> {
        let input = OpenFile {
            stream: bytes,
            length: Some(bytes.len() as u64),
        };
        Self::read(path, input)
    }

    fn read(path: &Path, mut input: OpenFile<impl Read>) -> Result<Self> {
        let mut head = Vec::new();
        let first = input.stream.by_ref().take(input::HEAD as u64);
        let peeked = { first }.read_to_end(&mut head);
        peeked.map_err(|error| input::unreadable(path, &error))?;
        let mut stream = HashingReader {
            stream: head.as_slice().chain(input.stream),
            hash: Sha256::new(),
        };
        let foreign = || input::wrong_kind(&head, Wanted::Safetensors);
        let fail = |problem: &str| {
            Error::file(
                path,
                FileError::model(format!("not a valid safetensors file: {problem}")),
            )
        };
        let cut = |error: io::Error| match error.kind() {
            io::ErrorKind::UnexpectedEof => fail("it ends too early"),
            _ => input::unreadable(path, &error),
        };
        let header = read_header(&mut stream, input.length);
        if let (Ok(Err(_)) | Err(_), Some(error)) = (&header, foreign()) {
            return Err(Error::file(path, error));
        }
        let header = header.map_err(cut)?.map_err(|problem| fail(&problem))?;
        let bytes = header.data_len() as u64;
        let what = format!("the model {}", path.display());
        let no_memory = || Error::HostMemory {
            what: what.clone(),
            needed: bytes,
        };
        if input.length.is_some() {
            host::need(&what, bytes)?;
        }
        let count = header.offset_keys().len();
        let mut held = HashMap::new();
        for name in header.offset_keys() {
            let Some(info) = header.info(&name) else {
                continue;
            };
            let elements = info.shape.iter().product();
            let values = read_tensor(&mut stream, info.dtype, elements, input.length.is_some());
            let values = values.map_err(|error| match error.kind() {
                io::ErrorKind::OutOfMemory => no_memory(),
                _ => cut(error),
            });
            let Some(values) = values? else {
                let problem = format!(
                    "{name} has the type {:?}, but a model's tensors are F32, F16, BF16, I8 or U8",
                    info.dtype
                );
                return Err(Error::file(path, FileError::model(problem)));
            };
            held.insert(name, (info.shape.clone(), values));
        }
        if stream.read(&mut [0]).map_err(cut)? != 0 {
            return Err(fail("it has bytes after its last tensor"));
        }
        Ok(Self {
            path: path.to_owned(),
            metadata: header.metadata().clone().unwrap_or_default(),
            sha256: hex(&stream.hash.finalize()),
            count,
            held,
        })
    }

    /// The shape and the numbers of a tensor, which is then held no more.
    ///
    /// # Errors
    /// `Error::File` where there is none of this name, or where it is of another type.
    pub fn take<T: Element>(&mut self, name: &str) -> Result<(Vec<usize>, Vec<T>)> {
        let Some((shape, values)) = self.held.remove(name) else {
            let mut names: Vec<&str> = self.held.keys().map(String::as_str).collect();
            names.sort_unstable();
            let more = if names.len() > MOST_NAMED {
                ", …"
            } else {
                ""
            };
            names.truncate(MOST_NAMED);
            let has = match names.as_slice() {
                [] => String::new(),
                names => format!("; it has {}{more}", names.join(", ")),
            };
            return Err(Error::file(
                &self.path,
                FileError::model(format!("has no tensor {name}{has}")),
            ));
        };
        let dtype = values.dtype();
        match T::of(values) {
            Some(values) => Ok((shape, values)),
            None => {
                let problem = format!("{name} has the type {dtype:?} instead of {:?}", T::DTYPE);
                Err(Error::file(&self.path, FileError::model(problem)))
            }
        }
    }
}

/// The header: its length in eight bytes, then JSON. Where the file's length is known, it is that which the header
/// makes of it. What is wrong with the header is the inner error.
fn read_header(
    stream: &mut impl Read,
    length: Option<u64>,
) -> io::Result<Result<Metadata, String>> {
    let mut word = [0; 8];
    stream.read_exact(&mut word)?;
    let size = u64::from_le_bytes(word);
    if size > MAX_HEADER {
        return Ok(Err(format!(
            "its header has {size} bytes, but at most {MAX_HEADER} are allowed"
        )));
    }
    let mut json = vec![0; size as usize];
    stream.read_exact(&mut json)?;
    if let Some(key) = input::duplicate_key(&json) {
        return Ok(Err(format!("its header has the key '{key}' twice")));
    }
    let header: Metadata = match serde_json::from_slice(&json) {
        Ok(header) => header,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let expected = (8 + size).saturating_add(header.data_len() as u64);
    Ok(match length.filter(|&length| length != expected) {
        Some(length) => Err(format!(
            "its header implies {expected} bytes, but the file has {length}"
        )),
        None => Ok(header),
    })
}

/// The next tensor; none where no model has such a type. `certain` says that its bytes were found to be there.
fn read_tensor(
    stream: &mut impl Read,
    dtype: Dtype,
    count: usize,
    certain: bool,
) -> io::Result<Option<TensorValues>> {
    Ok(Some(match dtype {
        Dtype::F32 => TensorValues::F32(read_values(stream, count, 0, certain)?),
        Dtype::F16 => TensorValues::F16(read_values(stream, count, 0, certain)?),
        Dtype::BF16 => TensorValues::Bf16(read_values(stream, count, 0, certain)?),
        Dtype::I8 => TensorValues::I8(read_values(stream, count, 0, certain)?),
        // Two quantized values of int4, which are put where the bytes were.
        Dtype::U8 => TensorValues::U8(read_values(stream, count, count, certain)?),
        _ => return Ok(None),
    }))
}
