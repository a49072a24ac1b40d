//! A writer of GGUF files, the format that llama.cpp reads: the container here, what a model of the
//! llama architecture looks like in it in [`llama`], and its tokenizer in [`tokenizer`].
//!
//! Version 3 of the format, little-endian: a header, metadata as typed keys and values, what is known of
//! each tensor, then the tensors, each at a multiple of [`ALIGNMENT`]
//! ([specification](https://github.com/ggml-org/ggml/blob/master/docs/gguf.md)). Equal contents give
//! equal files, byte for byte.

pub mod half;
pub mod llama;
pub mod tokenizer;

use std::io::{self, Write};

/// Tensors begin at multiples of this many bytes: the format's default.
pub const ALIGNMENT: u64 = 32;

const VERSION: u32 = 3;

/// Why a file cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum GgufError {
    /// What is to be written makes no sense; the text names it, and what would be right.
    #[error("{0}")]
    Refused(String),
    /// The disk, or whatever is written to.
    #[error("the GGUF file cannot be written: {0}")]
    Io(#[from] io::Error),
}

/// A value of the metadata. Of the format's types those that a language model needs.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number.
    U32(u32),
    /// A real number.
    F32(f32),
    /// Yes or no.
    Bool(bool),
    /// A text.
    String(String),
    /// A list of texts.
    Strings(Vec<String>),
    /// A list of numbers.
    I32s(Vec<i32>),
}

impl Value {
    /// The format's number of the type.
    const fn kind(&self) -> u32 {
        match self {
            Self::U32(_) => 4,
            Self::F32(_) => 6,
            Self::Bool(_) => 7,
            Self::String(_) => 8,
            Self::Strings(_) | Self::I32s(_) => 9,
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::U32(value) => out.extend(value.to_le_bytes()),
            Self::F32(value) => out.extend(value.to_le_bytes()),
            Self::Bool(value) => out.push(u8::from(*value)),
            Self::String(value) => text(out, value),
            Self::Strings(values) => {
                array(out, 8, values.len());
                values.iter().for_each(|value| text(out, value));
            }
            Self::I32s(values) => {
                array(out, 5, values.len());
                values.iter().for_each(|value| out.extend(value.to_le_bytes()));
            }
        }
    }
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

fn array(out: &mut Vec<u8>, kind: u32, length: usize) {
    out.extend(kind.to_le_bytes());
    out.extend((length as u64).to_le_bytes());
}

/// How a tensor's numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// Four bytes each.
    F32,
    /// Two bytes each, rounded to the nearest.
    F16,
}

impl Precision {
    /// The format's number of the type.
    const fn kind(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
        }
    }

    const fn bytes(self) -> u64 {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
        }
    }
}

/// A tensor as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// By which llama.cpp knows it.
    pub name: String,
    /// Rows first, as in PyTorch: the last dimension is contiguous. (The file has them in reverse.)
    pub shape: Vec<usize>,
    /// Row by row.
    pub data: Vec<f32>,
    /// How it is stored.
    pub precision: Precision,
}

/// A file in the making.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    metadata: Vec<(String, Value)>,
    tensors: Vec<Tensor>,
}

impl Writer {
    /// A file of a model of `architecture`.
    #[must_use]
    pub fn new(architecture: &str) -> Self {
        let mut writer = Self::default();
        writer.set("general.architecture", Value::String(architecture.into()));
        writer
    }

    /// Adds metadata.
    ///
    /// # Panics
    /// If the key is there already.
    pub fn set(&mut self, key: &str, value: Value) {
        assert!(self.metadata.iter().all(|(other, _)| other != key), "{key} is set twice");
        self.metadata.push((key.into(), value));
    }

    /// Adds a tensor.
    ///
    /// # Errors
    /// If its name is taken, its shape does not hold its numbers, or a number is not finite as it would
    /// be stored.
    pub fn tensor(&mut self, tensor: Tensor) -> Result<(), GgufError> {
        let Tensor { name, shape, data, precision } = &tensor;
        let refused =
            |problem: String| Err(GgufError::Refused(format!("tensor {name}: {problem}")));
        if self.tensors.iter().any(|other| other.name == *name) {
            return refused("given twice".into());
        }
        if !(1..=4).contains(&shape.len()) || shape.iter().product::<usize>() != data.len() {
            let numbers = data.len();
            return refused(format!("a shape of {shape:?} does not hold {numbers} numbers"));
        }
        let largest = if *precision == Precision::F16 { half::LARGEST } else { f32::MAX };
        if let Some(at) = data.iter().position(|value| value.is_nan() || value.abs() > largest) {
            let value = data[at];
            return refused(format!("number {at} is {value}: {precision:?} holds ±{largest}"));
        }
        self.tensors.push(tensor);
        Ok(())
    }

    /// Writes the file.
    ///
    /// # Errors
    /// If `out` cannot be written.
    pub fn write(&self, out: &mut impl Write) -> Result<(), GgufError> {
        let mut head = Vec::new();
        head.extend(b"GGUF");
        head.extend(VERSION.to_le_bytes());
        head.extend((self.tensors.len() as u64).to_le_bytes());
        head.extend((self.metadata.len() as u64).to_le_bytes());
        for (key, value) in &self.metadata {
            text(&mut head, key);
            head.extend(value.kind().to_le_bytes());
            value.write(&mut head);
        }
        let mut offset = 0_u64;
        for Tensor { name, shape, data, precision } in &self.tensors {
            text(&mut head, name);
            head.extend((shape.len() as u32).to_le_bytes());
            shape.iter().rev().for_each(|size| head.extend((*size as u64).to_le_bytes()));
            head.extend(precision.kind().to_le_bytes());
            head.extend(offset.to_le_bytes());
            offset += (data.len() as u64 * precision.bytes()).next_multiple_of(ALIGNMENT);
        }
        pad(&mut head);
        out.write_all(&head)?;
        for Tensor { data, precision, .. } in &self.tensors {
            let mut bytes = Vec::with_capacity(data.len() * precision.bytes() as usize);
            match precision {
                Precision::F32 => bytes.extend(data.iter().flat_map(|value| value.to_le_bytes())),
                Precision::F16 => {
                    bytes.extend(data.iter().flat_map(|value| half::bits(*value).to_le_bytes()));
                }
            }
            pad(&mut bytes);
            out.write_all(&bytes)?;
        }
        out.flush()?;
        Ok(())
    }
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(ALIGNMENT as usize), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_laid_out_as_the_format_says() {
        let mut writer = Writer::new("llama");
        let (shape, data) = (vec![2, 3], vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        writer
            .tensor(Tensor { name: "a".into(), shape, data, precision: Precision::F16 })
            .expect("a tensor");
        let (shape, data) = (vec![1], vec![1.5]);
        writer
            .tensor(Tensor { name: "b".into(), shape, data, precision: Precision::F32 })
            .expect("a tensor");
        let mut file = Vec::new();
        writer.write(&mut file).expect("memory");
        assert_eq!(&file[..8], b"GGUF\x03\0\0\0");
        assert_eq!(file[8..24], [2_u64, 1].map(u64::to_le_bytes).concat());
        // 24 of the header, 8 + 20 + 4 + 8 + 5 of the key, and of the tensors 8 + 1 + 4 + 8 n + 4 + 8.
        let head: usize = 24 + 45 + (25 + 16) + (25 + 8);
        let first = head.next_multiple_of(32);
        assert_eq!(file[first..first + 12], [0, 0, 0, 0x3c, 0, 0x40, 0, 0x42, 0, 0x44, 0, 0x45]);
        assert_eq!(file[first + 32..first + 36], 1.5_f32.to_le_bytes());
        assert_eq!(file.len(), first + 64);
        // The columns come first.
        let sizes = [3_u64, 2].map(u64::to_le_bytes).concat();
        assert_eq!(file[24 + 45 + 13..24 + 45 + 29], sizes);
    }

    #[test]
    fn a_tensor_that_makes_no_sense_is_named() {
        let tensor = |shape: &[usize], value: f32, precision| Tensor {
            name: "the.one".into(),
            shape: shape.to_vec(),
            data: vec![value; 2],
            precision,
        };
        for (tensor, problem) in [
            (tensor(&[3], 0.0, Precision::F32), "[3] does not hold 2"),
            (tensor(&[2], f32::NAN, Precision::F32), "NaN"),
            (tensor(&[2], f32::INFINITY, Precision::F32), "inf"),
            (tensor(&[2], 70_000.0, Precision::F16), "70000"),
        ] {
            let error = Writer::new("llama").tensor(tensor).expect_err("it is refused").to_string();
            assert!(error.contains("the.one") && error.contains(problem), "{error}");
        }
    }
}
