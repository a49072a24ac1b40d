//! stub
use crate::cli::Reproduce;
use anyhow::Result;
pub(crate) fn run(_options: &Reproduce) -> Result<()> {
    Ok(())
}
