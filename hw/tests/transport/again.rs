//! A cloud is looked for again over a network that is late, or silent for a while.

use std::sync::Arc;
use std::time::Duration;

use pipesd_core::fault::{Fault, FaultKind, FaultPlan, Way};
use pipesd_hw::driver::{Dial, QuicDial, Unreached};
use pipesd_hw::net::{Beginning, Emulation};
use pipesd_hw::transport::{Arrival, Link, Server};

use super::support::{affine, run, serve, settings};

/// Dials until the cloud is reached, over a network with this fault. Returns how often, and whether anybody
/// else was introduced to the cloud than the one that has the link.
async fn dialled(kind: FaultKind, lasts_ms: u64) -> (u32, bool) {
    let mut server = serve(&settings());
    let faults = vec![Fault { at_ms: 0, lasts_ms, edge: None, kind }];
    let faults = Arc::new(FaultPlan { seed: 1, faults });
    let emulation = Emulation { faults, since: Beginning::now(), ..affine(100, 10) };
    let dial = QuicDial::new(server.ticket(server.address()), settings(), Some(emulation));
    let dialling = async {
        let mut tries = 1;
        loop {
            match dial.dial().await {
                Ok(link) => return (tries, link),
                Err(Unreached { why, may_yet }) => assert!(may_yet, "{why}"),
            }
            tries += 1;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let ((tries, _edge), _cloud) = tokio::join!(dialling, introduced(&mut server));
    let other = tokio::time::timeout(Duration::from_secs(3), introduced(&mut server)).await;
    (tries, other.is_ok())
}

/// Who is introduced next. Tries that are not needed any more go without a word.
async fn introduced(server: &mut Server) -> Link {
    loop {
        match server.accept().await {
            Some(Arrival::Accepted(link)) => return link,
            Some(Arrival::Refused { .. }) => {}
            None => panic!("the cloud listens"),
        }
    }
}

#[test]
fn a_cloud_at_the_end_of_a_long_way_is_reached_though_each_try_ends_too_early() {
    let (tries, others) = run(dialled(FaultKind::Delay { by_ms: 400 }, 60_000));
    assert!((2..=5).contains(&tries), "a round trip of 800 ms, after {tries} tries");
    assert!(!others, "two were introduced");
}

#[test]
fn of_tries_that_are_answered_together_one_is_introduced() {
    let (tries, others) = run(dialled(FaultKind::BlackHole { way: Way::Down }, 2500));
    assert!((4..=6).contains(&tries), "after {tries} tries");
    assert!(!others, "two were introduced");
}
