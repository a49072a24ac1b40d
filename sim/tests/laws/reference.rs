//! The reference lines against closed forms.

use pipesd_core::cloud::CloudConfig;
use pipesd_core::device::Device;
use pipesd_core::seed::Seed;
use pipesd_core::time::Duration;
use pipesd_sim::distribution::Latency;
use pipesd_sim::link::{LinkConfig, PacketConfig, Rate};
use pipesd_sim::profile::{Profile, ProfileSpec};
use pipesd_sim::reference::{SERIAL_LENGTHS, cloud_only, edge_only, serial};
use pipesd_sim::world::{Setup, run};

use crate::support;

/// A text of `len` tokens whose draft is always right, or never.
fn setup(len: u32, right: bool) -> Setup {
    let wrong = if right { 0 } else { 50 };
    let positions: Vec<(u32, u32, f64)> = (1..=len).map(|id| (id + wrong, id, 0.9)).collect();
    let profile = support::profile(support::text(&positions));
    support::setup(support::method(support::VANILLA), profile, u64::from(len))
}

fn close(got: f64, expected: f64) {
    assert!((got - expected).abs() < 1e-4, "{got} ms, expected {expected} ms");
}

#[test]
fn cloud_only_takes_a_pass_for_each_token_and_a_reply_for_the_last() {
    // A pass takes 30 ms, a reply 1 + 2 ms; the prompt 3.5 ms, 187 bytes and 2 ms, its prefill 1 ms.
    let setup = setup(20, true);
    let line = cloud_only(&setup, Seed(1));
    close(line.tpt_ms, (20.0 * 30.0 + 3.0) / 20.0);
    let opened = 3.5 + 187.0 / support::BYTES_PER_MS as f64 + 2.0 + 1.0;
    close(line.ttft_ms.expect("measured"), opened + 30.0 + 3.0);
    // A server's overhead delays the first token alone, and each request has its own.
    let slow = Profile { overhead: Latency::Constant { mean: 7.0 }, ..(*setup.profile).clone() };
    let slow = Setup { profile: slow.into(), tokens: 60, ..setup };
    let line = cloud_only(&slow, Seed(1));
    close(line.tpt_ms, (20.0 * 30.0 + 3.0) / 20.0);
    close(line.ttft_ms.expect("measured"), opened + 7.0 + 30.0 + 3.0);
}

#[test]
fn users_of_one_cloud_take_turns() {
    let setup = setup(20, true);
    let mut profile = (*setup.profile).clone();
    let per_token_ms = 2.0;
    profile.verification.per_token_ms = per_token_ms;
    let setup = Setup { profile: profile.into(), ..setup };
    let with = |edges, verify_batch_max| {
        let cloud = CloudConfig::batching(verify_batch_max);
        cloud_only(&Setup { edges, cloud, ..setup.clone() }, Seed(1)).tpt_ms
    };
    let tail = 3.0 / 20.0;
    close(with(5, 1), 5.0 * 30.0 + tail);
    // Two, two, and one: three passes for a token of each.
    close(with(5, 2), 3.0 * 30.0 + 2.0 * per_token_ms + tail);
    close(with(5, 8), 30.0 + 4.0 * per_token_ms + tail);
}

#[test]
fn a_slow_downlink_paces_the_stream() {
    // A reply takes 40 ms: the link is the bottleneck, after the first pass.
    let setup = setup(20, true);
    let narrow =
        support::affine(Rate::Constant(8_000 * 6), Duration::ZERO, Duration::from_millis(2));
    let affine = Setup { downlink: LinkConfig::Affine(narrow.clone()), ..setup.clone() };
    close(cloud_only(&affine, Seed(1)).tpt_ms, (30.0 + 20.0 * 40.0 + 2.0) / 20.0);
    // On packets, headers come on top.
    let packets = LinkConfig::Packet(PacketConfig {
        rate: narrow.rate,
        startup: narrow.startup,
        propagation: narrow.propagation,
        jitter: Duration::ZERO,
        loss: 0.0,
        queue_bytes: 64_000,
        abortable: false,
        mtu: PacketConfig::MTU,
        header: PacketConfig::HEADER,
    });
    let bytes = (240 + PacketConfig::HEADER) as f64;
    let packets = Setup { downlink: packets, ..setup };
    let got = cloud_only(&packets, Seed(1)).tpt_ms;
    close(got, (30.0 + 20.0 * bytes / 6.0 + 2.0) / 20.0);
}

#[test]
fn edge_only_is_as_measured_and_scales_with_the_device() {
    let spec = |file| -> ProfileSpec { toml::from_str(file).expect("a shipped profile") };
    let humaneval = spec(include_str!("../../../traces/profiles/humaneval.toml"));
    let of = |spec: &ProfileSpec, device| {
        let profile = spec.resolve(device, None).expect("valid");
        let setup = support::setup(support::method(support::VANILLA), profile, 130);
        edge_only(&setup)
    };
    let ms = Duration::from_secs_f64;
    close(of(&humaneval, Device::REFERENCE).expect("measured").tpt_ms, 167.9);
    close(of(&humaneval, Device::Added(ms(0.0443))).expect("measured").tpt_ms, 2.0 * 167.9);
    // A device that is slow at every step. No step of the profile's is as long as that: all are alike.
    close(of(&humaneval, Device::Slowed(ms(0.443))).expect("measured").tpt_ms, 10.0 * 167.9);
    // A padded one stands for it, and would not be faster alone because the emulation is at guesses.
    let [padded, slowed] = [Device::Padded, Device::Slowed].map(|rule| rule(ms(0.05)));
    let [padded, slowed] = [padded, slowed].map(|device| of(&humaneval, device));
    assert_eq!(padded, slowed);
    let slowed = slowed.expect("measured").tpt_ms;
    assert!(slowed > 167.9 * 50.0 / 44.3, "some steps take longer than the floor: {slowed}");
    let unmeasured = ProfileSpec { edge_only_ms: None, ..humaneval };
    assert_eq!(of(&unmeasured, Device::REFERENCE), None);
}

#[test]
fn serial_is_the_best_of_its_lengths() {
    // Never right: each draft beyond the first is lost time.
    let never = serial(&setup(20, false), &[Seed(1)]).expect("sound runs");
    assert_eq!(never.draft_length, 1);
    close(never.mean.tpt_ms, 10.0 + 15.0 + 2.0 + 30.0 + 3.0);
    // Always right, 51 tokens: rounds of N take 40 + 20 N ms and yield N + 1; the best is 16 long,
    // where three rounds make the text.
    let always = serial(&setup(51, true), &[Seed(1), Seed(2)]).expect("sound runs");
    assert_eq!(always.draft_length, 16);
    close(always.mean.tpt_ms, 3.0 * (40.0 + 16.0 * 20.0) / 51.0);
    assert_eq!(always.runs.len(), 2);
    let lengths: Vec<u32> = always.tpt_ms_by_length.iter().map(|&(length, _)| length).collect();
    assert_eq!(lengths, SERIAL_LENGTHS.collect::<Vec<u32>>());
    // It is what the preset does at that length.
    let entry = support::VANILLA.replace("draft_length = 6", "draft_length = 16");
    let preset = support::setup(support::method(&entry), (*setup(51, true).profile).clone(), 51);
    let preset = run(&preset, Seed(2)).expect("a sound run").summary;
    assert_eq!(preset, always.runs[1]);
    assert_eq!(serial(&setup(51, true), &[Seed(1), Seed(2)]), Ok(always), "the same again");
}
