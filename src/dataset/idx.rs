//! The IDX format of the MNIST family: a big-endian header, then unsigned bytes.
//!
//! ```text
//! images: 00 00 08 03  count:u32  rows:u32  columns:u32  count·rows·columns bytes
//! labels: 00 00 08 01  count:u32  count bytes
//! ```
//! Gzip is recognized by its first two bytes, not by the file's name. Nothing is allocated on a
//! header's word alone: what it announces is first held against the bytes that are there, and a gzip
//! file must not unpack to more than reading it may take.

use std::io::{self, BufRead, BufReader, Cursor, ErrorKind, Read};
use std::path::Path;

use flate2::bufread::GzDecoder;

use super::images::Images;
use crate::error::{Error, FileError, Result};
use crate::input::{self, FileKind, OpenFile, Wanted};

/// Deflate cannot expand a byte into more than this many (zlib's technical details: 1032:1).
const LARGEST_EXPANSION: u64 = 1032;

/// Reads an IDX file of images, plain or gzip.
///
/// # Errors
/// `Error::File` naming `path` where the bytes are not exactly such a file.
pub fn read_images(path: &Path, bytes: &[u8]) -> Result<Images> {
    images(path, of_bytes(bytes))
}

/// Reads an IDX file of labels, plain or gzip.
///
/// # Errors
/// `Error::File` naming `path` where the bytes are not exactly such a file.
pub fn read_labels(path: &Path, bytes: &[u8]) -> Result<Vec<u8>> {
    read::<1>(path, of_bytes(bytes), "labels").map(|(_, labels)| labels)
}

/// Loads a file of images in the IDX format, plain or gzip.
///
/// # Errors
/// `Error::File` naming `path` where it is missing or not exactly such a file.
pub fn load_images(path: &Path) -> Result<Images> {
    images(path, input::open(path)?)
}

/// Loads a file of labels in the IDX format, plain or gzip.
///
/// # Errors
/// `Error::File` naming `path` where it is missing or not exactly such a file.
pub fn load_labels(path: &Path) -> Result<Vec<u8>> {
    read::<1>(path, input::open(path)?, "labels").map(|(_, labels)| labels)
}

fn of_bytes(bytes: &[u8]) -> OpenFile<&[u8]> {
    OpenFile {
        stream: bytes,
        length: Some(bytes.len() as u64),
    }
}

fn images(path: &Path, input: OpenFile<impl Read>) -> Result<Images> {
    let (sizes, pixels) = read::<3>(path, input, "images")?;
    let [count, rows, columns] = sizes;
    let width = rows.saturating_mul(columns);
    if count == 0 || width == 0 {
        let problem = format!(
            "its header gives {count} images of {rows}×{columns} pixels, so it has nothing to use"
        );
        return Err(Error::file(path, FileError::images(problem)));
    }
    Ok(Images {
        count,
        columns,
        width,
        pixels,
    })
}

/// Reads a file of `DIMENSIONS` dimensions: their sizes and the values.
fn read<const DIMENSIONS: usize>(
    path: &Path,
    input: OpenFile<impl Read>,
    what: &str,
) -> Result<([usize; DIMENSIONS], Vec<u8>)> {
    let OpenFile { mut stream, length } = input;
    let mut head = Vec::new();
    let peeked = stream
        .by_ref()
        .take(input::HEAD as u64)
        .read_to_end(&mut head);
    peeked.map_err(|error| input::unreadable(path, &error))?;
    let kind = FileKind::of(&head);
    let stream = BufReader::new(Cursor::new(head.clone()).chain(stream));
    if kind != Some(FileKind::Gzip) {
        return read_stream(path, stream, length, what, &head);
    }
    let most = length.map(|length| {
        let memory = length
            .saturating_mul(2)
            .saturating_add(input::READING_OVERHEAD);
        memory.min(length.saturating_mul(LARGEST_EXPANSION))
    });
    read_stream(path, Members::new(stream), most, what, &[])
}

/// Unpacks the members of a gzip file one after the other. Zeros behind a member are padding, as they are for gzip.
struct Members<R> {
    /// None at the end of the file.
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Members<R> {
    fn new(stream: R) -> Self {
        Self {
            member: Some(GzDecoder::new(stream)),
        }
    }
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let read = member.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let Some(ended) = self.member.take() else {
                break;
            };
            let mut rest = ended.into_inner();
            if skip_zeros(&mut rest)? {
                self.member = Some(GzDecoder::new(rest));
            }
        }
        Ok(0)
    }
}

/// Whether anything follows the zeros that are next.
fn skip_zeros(stream: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let next = stream.fill_buf()?;
        if next.is_empty() {
            return Ok(false);
        }
        let zeros = next.iter().take_while(|&&byte| byte == 0).count();
        let all = zeros == next.len();
        stream.consume(zeros);
        if !all {
            return Ok(true);
        }
    }
}

/// Reads from `stream`, which holds at most `most` bytes, or is refused; none where that is not known. `head` is the
/// beginning of the file, where it is not packed.
fn read_stream<const DIMENSIONS: usize>(
    path: &Path,
    mut stream: impl Read,
    most: Option<u64>,
    what: &str,
    head: &[u8],
) -> Result<([usize; DIMENSIONS], Vec<u8>)> {
    let fail = |problem: String| Error::file(path, FileError::images(problem));

    let mut magic = [0; 4];
    stream
        .read_exact(&mut magic)
        .map_err(|error| fail(format!("not an IDX file: no header ({error})")))?;
    let expected = [0, 0, 8, u8::try_from(DIMENSIONS).unwrap_or(u8::MAX)];
    if magic != expected {
        let head = if head.is_empty() { &magic } else { head };
        if let Some(error) = input::wrong_kind(head, Wanted::Idx) {
            return Err(Error::file(path, error));
        }
        return Err(fail(format!(
            "not an IDX file of {what}: it begins with {magic:02x?} instead of {expected:02x?}"
        )));
    }

    let mut sizes = [0_usize; DIMENSIONS];
    let mut total = 1_u64;
    for (dimension, size) in sizes.iter_mut().enumerate() {
        let mut word = [0; 4];
        stream
            .read_exact(&mut word)
            .map_err(|_| fail(format!("the header ends before dimension {dimension}")))?;
        let value = u32::from_be_bytes(word);
        total = total.saturating_mul(u64::from(value));
        *size = value as usize;
    }
    if let Some(most) = most.filter(|&most| total > most) {
        let problem = format!(
            "the header gives {total} bytes of {what}, but a file of this size may have at most {most}"
        );
        let remedy = "unpack it first if it is a .gz, or use another file";
        return Err(Error::file(path, FileError::unsuitable(problem, remedy)));
    }

    let count = usize::try_from(total).unwrap_or(usize::MAX);
    let no_memory = || Error::HostMemory {
        what: format!("the {what} of {}", path.display()),
        needed: total,
    };
    let mut values = Vec::new();
    if most.is_some() {
        values.try_reserve_exact(count).map_err(|_| no_memory())?;
    }
    let read = stream.by_ref().take(total).read_to_end(&mut values);
    let found = values.len();
    match read {
        Ok(_) if found == count => {}
        Err(error) if error.kind() == ErrorKind::OutOfMemory => {
            return Err(no_memory());
        }
        Err(error) if error.kind() != ErrorKind::UnexpectedEof => {
            return Err(fail(format!(
                "damaged within the {total} bytes of {what}: {error}"
            )));
        }
        _ => {
            return Err(fail(format!(
                "truncated: the header gives {total} bytes of {what}, but the file has {found}"
            )));
        }
    }
    // Behind the values also stands the checksum of a gzip file.
    match stream.read(&mut [0]) {
        Ok(0) => Ok((sizes, values)),
        Ok(_) => Err(fail(format!(
            "has more than the {total} bytes of {what} that its header gives"
        ))),
        Err(error) => Err(fail(format!(
            "damaged after the {total} bytes of {what}: {error}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn images(count: u32, rows: u32, columns: u32, values: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, 8, 3];
        for size in [count, rows, columns] {
            bytes.extend(size.to_be_bytes());
        }
        bytes.extend(values);
        bytes
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn problem(bytes: &[u8]) -> String {
        let error = read_images(Path::new("x.idx"), bytes).unwrap_err();
        assert_eq!(error.exit_code(), 7);
        error.to_string()
    }

    #[test]
    fn plain_and_gzip_read_the_same() {
        let plain = images(2, 1, 3, &[1, 2, 3, 4, 5, 6]);
        let read = read_images(Path::new("x"), &plain).unwrap();
        assert_eq!((read.count, read.width), (2, 3));
        assert_eq!(read.range(1, 2), [4, 5, 6]);
        assert_eq!(read_images(Path::new("x"), &gzip(&plain)).unwrap(), read);
    }

    #[test]
    fn lying_and_damaged_files_are_refused() {
        assert!(problem(&[]).contains("no header"));
        assert!(problem(&[0, 0, 8, 1, 0, 0, 0, 0]).contains("begins"));
        assert!(problem(&[0, 0, 8, 3, 0, 0]).contains("header ends"));
        assert!(problem(&images(3, 1, 1, &[1, 2])).contains("truncated"));
        assert!(problem(&images(1, 1, 1, &[1, 2])).contains("more than"));
        assert!(problem(&images(0, 28, 28, &[])).contains("nothing to use"));
        let huge = images(u32::MAX, u32::MAX, u32::MAX, &[0; 8]);
        assert!(problem(&huge).contains("at most"));
        assert!(problem(&gzip(&huge)).contains("at most"));
    }

    #[test]
    fn zeros_behind_a_gzip_stream_are_padding() {
        let plain = images(2, 2, 3, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        let read = read_images(Path::new("x"), &plain).unwrap();
        let (first, second) = plain.split_at(20);
        let members = [gzip(first), gzip(second)];
        for zeros in [0, 1, 511, 512, 100_000] {
            let padding = vec![0; zeros];
            let one = [gzip(&plain), padding.clone()].concat();
            assert_eq!(read_images(Path::new("x"), &one).unwrap(), read, "{zeros}");
            let two = [&members[0][..], &padding, &members[1], &padding].concat();
            assert_eq!(read_images(Path::new("x"), &two).unwrap(), read, "{zeros}");
            // What is no padding is damage.
            let damaged = [&one[..], b"x"].concat();
            assert!(problem(&damaged).contains("damaged after"), "{zeros}");
        }
    }

    #[test]
    fn files_of_other_kinds_are_named() {
        for (bytes, kind) in [
            (&b"PK\x03\x04\x14\0\0\0"[..], "a zip archive"),
            (b"<!doctype html><html>", "an HTML page"),
            (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
        ] {
            assert!(problem(bytes).contains(kind), "{}", problem(bytes));
        }
        assert!(problem(b"hello, world").contains("it begins with"));
    }

    #[test]
    fn damaged_gzip_is_refused() {
        let mut bytes = gzip(&images(1, 10, 10, &[7; 100]));
        bytes.truncate(bytes.len() - 9);
        assert!(problem(&bytes).contains("damaged") || problem(&bytes).contains("truncated"));
    }
}
