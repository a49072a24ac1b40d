//! `pipesd models train` in a program that was built without libtorch.

use anyhow::Result;

use crate::cli::ModelsTrain;
use crate::input::bad_input;

pub(crate) fn models_train(_: &ModelsTrain) -> Result<()> {
    Err(bad_input!(
        "models train: this program was built without libtorch; with it: ./setup.sh, then \
         cargo run --release --features live,models -- models train ..."
    )
    .into())
}
