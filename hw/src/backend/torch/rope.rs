//! Rotary position embedding (Su et al. 2021) in Hugging Face's layout: the first half of a head is
//! rotated against the second.

use core::f32::consts::PI;

use tch::{Device, Kind, Tensor};

use super::config::{DecoderConfig, RopeScaling};

/// The frequencies of a model.
#[derive(Debug)]
pub(super) struct Rope {
    /// `[head_dim / 2]`, f32.
    frequencies: Tensor,
}

impl Rope {
    pub(super) fn new(config: &DecoderConfig, device: Device) -> Self {
        let width = config.head_dim;
        // In f32 throughout, as `transformers` does: at far positions the last bits of a frequency are
        // whole digits of an angle.
        let frequency = |pair: i64| {
            let exponent = (2 * pair) as f32 / width as f32;
            scaled(1.0 / libm::powf(config.rope_theta as f32, exponent), config.rope_scaling)
        };
        let frequencies: Vec<f32> = (0..width / 2).map(frequency).collect();
        Self { frequencies: Tensor::from_slice(&frequencies).to_device(device) }
    }

    /// The turn of each position: `[..., 1, head_dim]` cosines and sines, in `kind`.
    pub(super) fn turns(&self, positions: &Tensor, kind: Kind) -> Turns {
        let angles = positions.to_kind(Kind::Float).unsqueeze(-1) * &self.frequencies;
        let angles = Tensor::cat(&[&angles, &angles], -1).unsqueeze(-2);
        Turns { cos: angles.cos().to_kind(kind), sin: angles.sin().to_kind(kind) }
    }
}

fn scaled(frequency: f32, scaling: RopeScaling) -> f32 {
    match scaling {
        RopeScaling::None => frequency,
        RopeScaling::Linear { factor } => frequency / factor as f32,
        RopeScaling::Llama3 { factor, low, high, original } => {
            let [factor, low, high, original] = [factor, low, high, original].map(|n| n as f32);
            let wavelength = 2.0 * PI / frequency;
            if wavelength < original / high {
                frequency
            } else if wavelength > original / low {
                frequency / factor
            } else {
                let smooth = (original / wavelength - low) / (high - low);
                (1.0 - smooth) * frequency / factor + smooth * frequency
            }
        }
    }
}

/// Cosines and sines of some positions.
#[derive(Debug)]
pub(super) struct Turns {
    cos: Tensor,
    sin: Tensor,
}

impl Turns {
    /// Turns heads `[..., heads, head_dim]`.
    pub(super) fn apply(&self, heads: &Tensor) -> Tensor {
        let half = heads.size().last().expect("heads have a width") / 2;
        let (first, second) = (heads.narrow(-1, 0, half), heads.narrow(-1, half, half));
        let turned = Tensor::cat(&[-second, first], -1);
        heads * &self.cos + turned * &self.sin
    }
}
