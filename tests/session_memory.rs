//! What a session costs a cloud that has nothing to do for it, beside the target's cache.

use std::alloc::System;

use pipesd_core::cloud::{Cloud, CloudConfig, CloudLimits};
use pipesd_core::contract::{Input, Machine, Output, WorkResult};
use pipesd_core::ids::{SessionId, TokenId};
use pipesd_core::message::{Message, Request};
use pipesd_core::payload::Payload;
use pipesd_core::time::{Duration, Instant};
use pipesd_core::verification::{Drafting, Temperature, Terms, Verification};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const SESSIONS: u32 = 10_000;
/// As in the paper's prompts.
const PROMPT: u32 = 150;
const TEXT: u32 = 130;

#[test]
fn an_idle_session_takes_about_two_kilobytes() {
    let limits = CloudLimits { client_sessions: SESSIONS, ..CloudLimits::DEFAULT };
    let mut cloud = Cloud::new(CloudConfig { limits, ..CloudConfig::DEFAULT });
    let before = Region::new(ALLOCATOR);
    for number in 0..SESSIONS {
        let ids = |count: u32| (0..count).map(TokenId).collect::<Vec<_>>();
        let request = Request {
            session: SessionId::of(number, 0),
            prompt: ids(PROMPT),
            budget: TEXT + 1,
            stop_ids: vec![TokenId(u32::MAX)],
            temperature: Temperature::default(),
            seed: 0,
            text: ids(TEXT),
        };
        let (verification, drafting) = (Verification::Match, Drafting::Argmax);
        let terms = Terms { verification, drafting, payload: Payload::Ids };
        let message = Message::Open { request, terms, opening: 0 };
        let transfer = Duration::ZERO;
        cloud.handle(Instant::ZERO, Input::Received { message, transfer });
        let mut opened = false;
        while let Some(output) = cloud.poll_output() {
            match output {
                Output::Start { id, .. } => {
                    let result = WorkResult::Prefilled;
                    cloud.handle(Instant::ZERO, Input::Finished { work: id, result });
                }
                Output::Transmit { message: Message::Opened { .. }, .. } => opened = true,
                _ => {}
            }
        }
        assert!(opened);
    }
    let change = before.change();
    let held = (change.bytes_allocated as f64 + change.bytes_reallocated as f64)
        - change.bytes_deallocated as f64;
    let each = held / f64::from(SESSIONS);
    let in_a_gibibyte = f64::from(1 << 30) / each;
    println!("{each:.0} bytes for each idle session: {in_a_gibibyte:.0} in 1 GiB");
    // The README says 2 kB and half a million.
    assert!((600.0..6_000.0).contains(&each), "{each} bytes");
}
