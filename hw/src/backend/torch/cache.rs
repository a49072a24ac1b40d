//! What a session's past tokens have left: keys and values of each layer, in tensors with room to spare.
//!
//! A rollback sets the length back; what lies beyond it is overwritten by what comes next, and never
//! looked at before.

use tch::{Device, Kind, TchError, Tensor};

use super::config::DecoderConfig;
use super::decoder::{Heads, attention};

/// Keys and values of one session.
#[derive(Debug)]
pub(super) struct Cache {
    /// By layer: keys and values, `[kv_heads, capacity, head_dim]` each.
    layers: Vec<(Tensor, Tensor)>,
    capacity: i64,
}

/// Which of a session's tokens a pass evaluates, and what they see.
#[derive(Debug)]
pub(super) struct Span {
    /// Position of the first of them.
    from: i64,
    /// How many there are.
    length: i64,
    /// The first row that is one of them; those around are padding.
    row: i64,
    /// Rows, padding included.
    rows: i64,
    /// Keys looked at, hidden ones included.
    keys: i64,
    /// `[group * rows, keys]`, true: not seen.
    hidden: Tensor,
}

impl Span {
    /// `length` tokens from position `from` on, in as many rows, against the keys that there are.
    pub(super) fn tight(config: &DecoderConfig, device: Device, from: i64, length: i64) -> Self {
        Self::padded(config, device, [from, length], [0, length], from + length)
    }

    /// The same in rows from `row` on of `rows`, against `keys` keys.
    pub(super) fn padded(
        config: &DecoderConfig,
        device: Device,
        [from, length]: [i64; 2],
        [row, rows]: [i64; 2],
        keys: i64,
    ) -> Self {
        let options = (Kind::Int64, device);
        let own = (Tensor::arange(rows, options) + (from - row)).unsqueeze(-1);
        let hidden = Tensor::arange(keys, options).unsqueeze(0).gt_tensor(&own);
        let group = config.num_attention_heads / config.num_key_value_heads;
        Self { from, length, row, rows, keys, hidden: hidden.repeat([group, 1]) }
    }

    /// Rows, padding included.
    pub(super) const fn rows(&self) -> i64 {
        self.rows
    }
}

impl Cache {
    /// Room for `capacity` tokens.
    pub(super) fn new(
        config: &DecoderConfig,
        kind: Kind,
        device: Device,
        capacity: i64,
    ) -> Result<Self, TchError> {
        let shape = [config.num_key_value_heads, capacity, config.head_dim];
        // Zeros: where padding looks at keys that never were, they must at least be numbers.
        let room = || Tensor::f_zeros(shape, (kind, device));
        let layers = (0..config.num_hidden_layers).map(|_| Ok((room()?, room()?)));
        Ok(Self { layers: layers.collect::<Result<_, TchError>>()?, capacity })
    }

    /// Makes room for `length` tokens: twice as much as there was until it suffices, `most` at most.
    pub(super) fn reserve(&mut self, length: i64, most: i64) -> Result<(), TchError> {
        if length <= self.capacity {
            return Ok(());
        }
        let mut capacity = self.capacity;
        while capacity < length {
            capacity = (2 * capacity).min(most);
        }
        let more = |tensor: &Tensor| {
            let mut shape = tensor.size();
            shape[1] = capacity - self.capacity;
            let room = Tensor::f_zeros(shape, (tensor.kind(), tensor.device()))?;
            Tensor::f_cat(&[tensor, &room], 1)
        };
        let layers = self.layers.iter().map(|(key, value)| Ok((more(key)?, more(value)?)));
        self.layers = layers.collect::<Result<_, TchError>>()?;
        self.capacity = capacity;
        Ok(())
    }

    /// Keeps the keys and values of a span's tokens, and returns what their queries find in all that is
    /// kept up to them: `[rows, heads, head_dim]`. All of `heads` have a row for each row of the span.
    pub(super) fn attend(&mut self, span: &Span, heads: &Heads) -> Tensor {
        let (keys, values) = &self.layers[heads.layer];
        for (kept, new) in [(keys, &heads.key), (values, &heads.value)] {
            let new = new.narrow(0, span.row, span.length).transpose(0, 1);
            kept.narrow(1, span.from, span.length).copy_(&new);
        }
        let size = heads.query.size();
        let (shared, width) = (heads.key.size()[1], size[2]);
        // Query heads that share a key head lie one below the other: no key is repeated.
        let query = heads.query.view([span.rows, shared, -1, width]).permute([1, 2, 0, 3]);
        let query = query.reshape([shared, -1, width]);
        let seen = [keys, values].map(|kept| kept.narrow(1, 0, span.keys));
        let found = attention(&query, &seen[0], &seen[1], &span.hidden);
        found.view([shared, -1, span.rows, width]).permute([2, 0, 1, 3]).reshape(size)
    }
}
