//! Kinds of files that get here by mistake, by their content.

/// As many bytes from the beginning of a file as tell its kind.
pub(crate) const HEAD: usize = 512;

/// What a file was taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// A model.
    Safetensors,
    /// Images or labels.
    Idx,
}

/// A kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    Gzip,
    Xz,
    Zstd,
    Bzip2,
    Zip,
    Tar,
    Pickle,
    Hdf5,
    Numpy,
    Onnx,
    Safetensors,
    Idx,
    Png,
    Jpeg,
    Html,
    LfsPointer,
    Json,
}

/// What files of a kind begin with.
const MAGICS: &[(FileKind, &[u8])] = &[
    (FileKind::Gzip, b"\x1f\x8b"),
    (FileKind::Xz, b"\xfd7zXZ\0"),
    (FileKind::Zstd, b"\x28\xb5\x2f\xfd"),
    (FileKind::Bzip2, b"BZh"),
    (FileKind::Zip, b"PK\x03\x04"),
    (FileKind::Hdf5, b"\x89HDF\r\n\x1a\n"),
    (FileKind::Numpy, b"\x93NUMPY"),
    (FileKind::Png, b"\x89PNG\r\n\x1a\n"),
    (FileKind::Jpeg, b"\xff\xd8\xff"),
    (FileKind::LfsPointer, b"version https://git-lfs.github.com/"),
];

impl FileKind {
    /// The kind of a file that begins with `head`; none where that says nothing. JSON may be damaged, and ONNX has no magic
    /// number: the answer is for a file that could not be read as what was wanted.
    pub(crate) fn of(head: &[u8]) -> Option<Self> {
        if let Some((kind, _)) = MAGICS.iter().find(|(_, magic)| head.starts_with(magic)) {
            return Some(*kind);
        }
        if head.get(257..262) == Some(b"ustar") {
            return Some(Self::Tar);
        }
        // The length of the header, and the header.
        if head.get(6..9) == Some(b"\0\0{") {
            return Some(Self::Safetensors);
        }
        let text = head.trim_ascii_start();
        let begins = |word: &str| {
            let start = text.get(..word.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()))
        };
        if ["<!doctype html", "<html"].into_iter().any(begins) {
            return Some(Self::Html);
        }
        match *head {
            // Two zeros, the type of the values, the number of dimensions.
            [0, 0, 8 | 9 | 11..=14, 1..=4, ..] => Some(Self::Idx),
            // A protocol that has a number, and its first operation: a frame, or a container.
            [0x80, 2..=5, 0x95 | b'}' | b']' | b'(' | b'c', ..] => Some(Self::Pickle),
            // Protobuf: field 1, the version of the format, and then the producer or the graph.
            [0x08, 1..=20, 0x12 | 0x3a, ..] => Some(Self::Onnx),
            _ if matches!(text, [b'{' | b'[', ..]) => Some(Self::Json),
            _ => None,
        }
    }

    /// The kind with its article, as a sentence needs it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "a gzip file",
            Self::Xz => "an xz file",
            Self::Zstd => "a Zstandard file",
            Self::Bzip2 => "a bzip2 file",
            Self::Zip => "a zip archive",
            Self::Tar => "a tar archive",
            Self::Pickle => "a Python pickle",
            Self::Hdf5 => "an HDF5 file",
            Self::Numpy => "a NumPy file",
            Self::Onnx => "an ONNX file",
            Self::Safetensors => "a safetensors file",
            Self::Idx => "an IDX file",
            Self::Png => "a PNG picture",
            Self::Jpeg => "a JPEG picture",
            Self::Html => "an HTML page",
            Self::LfsPointer => "a Git LFS pointer",
            Self::Json => "a JSON file",
        }
    }

    /// What to do with it where something else was wanted.
    pub(crate) fn remedy(self, wanted: Wanted) -> &'static str {
        match (self, wanted) {
            (Self::Gzip | Self::Xz | Self::Zstd | Self::Bzip2 | Self::Tar, _)
            | (Self::Zip, Wanted::Idx) => "unpack it first",
            (Self::Html, _) => "download the file itself, not the page about it",
            (Self::LfsPointer, _) => "get the file itself with 'git lfs pull'",
            (Self::Zip | Self::Pickle, Wanted::Safetensors) => {
                "if PyTorch made it, load it there and save its tensors with safetensors.torch.save_file"
            }
            (Self::Hdf5 | Self::Numpy | Self::Onnx, Wanted::Safetensors) => {
                "save its tensors in a safetensors file"
            }
            (Self::Safetensors, Wanted::Idx) => "give it with --model, and the images with --data",
            (Self::Idx, Wanted::Safetensors) => "give it with --data, and the model with --model",
            (_, Wanted::Safetensors) => "use a safetensors file",
            (_, Wanted::Idx) => "use a file of images or labels in the IDX format",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::model::Network;

    #[test]
    fn every_kind_is_known_by_its_content() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gzip.write_all(b"anything").unwrap();
        let gzip = gzip.finish().unwrap();
        let mut tar = vec![b'x'; 512];
        tar[257..262].copy_from_slice(b"ustar");
        let model = Network::default_model().unwrap().to_bytes().unwrap();
        let cases: [(&[u8], FileKind); 19] = [
            (&gzip, FileKind::Gzip),
            (b"\xfd7zXZ\0\0\x04", FileKind::Xz),
            (b"\x28\xb5\x2f\xfd\x04", FileKind::Zstd),
            (b"BZh91AY&SY", FileKind::Bzip2),
            (b"PK\x03\x04\x14\0", FileKind::Zip),
            (&tar, FileKind::Tar),
            // pickle.dumps({"a": 1}) in the protocols 2 and 4.
            (b"\x80\x02}q\0X\x01\0\0\0aq\x01K\x01s.", FileKind::Pickle),
            (
                b"\x80\x04\x95\n\0\0\0\0\0\0\0}\x94\x8c\x01a",
                FileKind::Pickle,
            ),
            (b"\x89HDF\r\n\x1a\n\0\0", FileKind::Hdf5),
            (b"\x93NUMPY\x01\0v\0{'descr'", FileKind::Numpy),
            (b"\x08\x07\x12\x07pytorch\x1a\x051.13.1", FileKind::Onnx),
            (&model, FileKind::Safetensors),
            (b"\0\0\x08\x03\0\0\x27\x10", FileKind::Idx),
            (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", FileKind::Png),
            (b"\xff\xd8\xff\xe0\0\x10JFIF", FileKind::Jpeg),
            (b"\n<!DOCTYPE HTML><html>", FileKind::Html),
            (
                b"version https://git-lfs.github.com/spec/v1\noid sha256:",
                FileKind::LfsPointer,
            ),
            (b" {\"schema\": 2}", FileKind::Json),
            (b"[1, 2]", FileKind::Json),
        ];
        for (bytes, kind) in cases {
            assert_eq!(FileKind::of(bytes), Some(kind));
            for wanted in [Wanted::Safetensors, Wanted::Idx] {
                assert!(!kind.remedy(wanted).is_empty());
            }
        }
        for other in [&b""[..], b"\0\0", b"hello", b"\x80", b"<p>"] {
            assert_eq!(FileKind::of(other), None, "{other:?}");
        }
    }
}
