//! Small pictures of images: all of them are one greyscale PNG, of which each thumbnail shows a part.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, html};

/// The most pixels of all pictures together, which keep the page small whatever the size of the images.
const MOST_PIXELS: usize = 48 * 1024;

/// Pictures side by side.
const COLUMNS: usize = 6;

/// The id of the PNG in the page.
const ID: &str = "thumbnails";

/// How many pictures of `columns` × `rows` pixels a page has room for.
pub fn room(columns: usize, rows: usize) -> usize {
    MOST_PIXELS / (columns * rows).max(1)
}

/// Pictures of one size in one PNG.
pub struct Thumbnails {
    columns: usize,
    rows: usize,
    count: usize,
    png: Vec<u8>,
}

impl Thumbnails {
    /// Of pictures of `columns` × `rows` grey pixels; none where they have another size or cannot be encoded.
    pub fn new(pictures: &[&[u8]], columns: usize, rows: usize) -> Option<Self> {
        let size = columns * rows;
        if pictures.is_empty() || pictures.iter().any(|pixels| pixels.len() != size) {
            return None;
        }
        let width = columns * COLUMNS.min(pictures.len());
        let height = rows * pictures.len().div_ceil(COLUMNS);
        let mut sheet = vec![0; width * height];
        for (at, pixels) in pictures.iter().enumerate() {
            let (left, top) = (at % COLUMNS * columns, at / COLUMNS * rows);
            for (row, line) in pixels.chunks(columns).enumerate() {
                let start = (top + row) * width + left;
                sheet[start..start + columns].copy_from_slice(line);
            }
        }
        Some(Self {
            columns,
            rows,
            count: pictures.len(),
            png: encode(&sheet, width, height)?,
        })
    }

    /// The PNG, which is not shown itself.
    pub fn sheet(&self) -> Markup {
        let source = format!("data:image/png;base64,{}", STANDARD.encode(&self.png));
        let (width, height) = self.size();
        html! {
            svg.shapes width="0" height="0" aria-hidden="true" {
                image id=(ID) href=(source) width=(width) height=(height) {}
            }
        }
    }

    /// One picture.
    pub fn draw(&self, at: usize, spoken: &str) -> Markup {
        let (left, top) = (at % COLUMNS * self.columns, at / COLUMNS * self.rows);
        let part = format!("{left} {top} {} {}", self.columns, self.rows);
        html! {
            svg.thumbnail viewBox=(part) role="img" aria-label=(spoken) { use href={ "#" (ID) } {} }
        }
    }

    fn size(&self) -> (usize, usize) {
        let width = self.columns * COLUMNS.min(self.count);
        (width, self.rows * self.count.div_ceil(COLUMNS))
    }
}

/// Grey pixels, row after row; none where they cannot be encoded.
fn encode(pixels: &[u8], columns: usize, rows: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let (width, height) = (u32::try_from(columns).ok()?, u32::try_from(rows).ok()?);
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::High);
    encoder.write_header().ok()?.write_image_data(pixels).ok()?;
    Some(bytes)
}
