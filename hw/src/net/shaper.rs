//! One direction of an emulated link, sans-IO: a bottleneck with a bounded queue, and the way behind
//! it on which packets may be late and may be lost.
//!
//! The conditions are those of the simulator's packet link: the rate counts headers; jitter is
//! exponential and independent between packets, which may thus overtake each other; a packet is lost
//! after it has left the bottleneck. Retransmission is not the link's: that is QUIC's own.

use std::collections::VecDeque;

use pipesd_core::rate::Rate;
use pipesd_core::seed::{Seed, Stream};
use pipesd_core::time::{Duration, Instant, nanos};
use serde::{Deserialize, Serialize};

/// What happens to a packet for which the queue has no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overflow {
    /// It stays with the sender until there is room, as at a host's own interface and in the
    /// simulator. Such a link loses nothing to congestion.
    Hold,
    /// It is dropped, as in a router.
    Drop,
}

/// Conditions of one direction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShaperConfig {
    /// Rate of the bottleneck, headers included.
    pub rate: Rate,
    /// Least time from the bottleneck to the receiver.
    pub propagation: Duration,
    /// Mean of what each packet takes beyond that: exponential, independent between packets.
    pub jitter: Duration,
    /// Probability that a packet is lost after the bottleneck, 0 to 0.5.
    pub loss: f64,
    /// Bytes, headers included, that the queue holds with the packet being serialised. An empty
    /// queue takes any one packet.
    pub queue_bytes: u64,
    /// Bytes charged for each packet beyond its UDP payload. Negative: so many bytes of each packet
    /// are free, see [`super::QUIC_OVERHEAD`].
    pub header: i64,
    /// What happens when the queue is full. Only outgoing packets can be held.
    pub overflow: Overflow,
}

/// IPv4 (20) and UDP (8).
const UDP_HEADER: i64 = 28;

impl ShaperConfig {
    /// A link of a rate and a one-way delay, without chance: UDP and IP headers are charged, and the
    /// queue holds 64 kB of a sender that waits.
    #[must_use]
    pub const fn plain(rate: Rate, propagation: Duration) -> Self {
        Self {
            rate,
            propagation,
            jitter: Duration::ZERO,
            loss: 0.0,
            queue_bytes: 64_000,
            header: UDP_HEADER,
            overflow: Overflow::Hold,
        }
    }

    /// Whether the values are in range.
    ///
    /// # Errors
    /// What is wrong, by field.
    pub fn check(&self) -> Result<(), String> {
        let longest = Duration::from_secs(60);
        let rates = self.rate.rates();
        let stands_still = matches!(&self.rate, Rate::Trace { step, .. } if step.is_zero());
        if stands_still || rates.is_empty() {
            return Err("`rate`: a sequence has steps and at least one rate".into());
        }
        if rates.contains(&0) {
            return Err("`rate`: at least 1 bit/s".into());
        }
        if !(0.0..=0.5).contains(&self.loss) {
            return Err(format!("`loss`: {} is out of range: it must be 0 to 0.5", self.loss));
        }
        if self.propagation > longest || self.jitter > longest {
            return Err("`propagation` and `jitter` are at most 60 s".into());
        }
        if !(1..=1 << 30).contains(&self.queue_bytes) {
            return Err("`queue_bytes` must be 1 to 2^30".into());
        }
        if !(-1200..=1500).contains(&self.header) {
            return Err("`header` must be -1200 to 1500".into());
        }
        Ok(())
    }
}

/// Which way a shaper's packets go: its chances are its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Edge to cloud.
    Up,
    /// Cloud to edge.
    Down,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It arrives.
    Carried {
        /// When its last byte leaves the bottleneck.
        departure: Instant,
        /// When it reaches the receiver.
        release: Instant,
    },
    /// It leaves the bottleneck and is lost behind it.
    Lost {
        /// When its last byte leaves the bottleneck.
        departure: Instant,
    },
    /// The queue is full: it never was on the link.
    Overflowed,
}

/// One direction at work.
#[derive(Clone, Debug)]
pub struct Shaper {
    config: ShaperConfig,
    /// That of the request under way, if each has its own.
    rate: Rate,
    chance: Chance,
    /// When the packets in the queue will have left, and what they are charged; their sum.
    queue: VecDeque<(Instant, u64)>,
    queued: u64,
    /// When the last packet in the queue will have left.
    free: Instant,
    /// Start and bytes of what is sent back to back: rounding must not add up over packets.
    run: (Instant, u64),
    /// Packets offered so far.
    offered: u64,
}

/// The integral over a rate trace is taken from the start of a run: runs are kept this short.
const RUN_BYTES: u64 = 1 << 20;

impl Shaper {
    /// An idle link. The fate of its k-th packet depends on `seed`, `direction`, `edge` and k, and on
    /// the packets that are in the queue with it.
    ///
    /// # Errors
    /// What is wrong with `config`.
    pub fn new(
        config: &ShaperConfig,
        seed: Seed,
        direction: Direction,
        edge: u32,
    ) -> Result<Self, String> {
        config.check()?;
        // The names of the simulator's streams: the bandwidth trace of a run begins at the same place.
        let phase = seed.stream("bandwidth phase", 0).at(0).uniform();
        let name = match direction {
            Direction::Up => "uplink",
            Direction::Down => "downlink",
        };
        let rate = config.rate.at_phase(phase);
        Ok(Self {
            config: ShaperConfig { rate: rate.clone(), ..config.clone() },
            rate,
            chance: Chance::new(seed.stream(name, u64::from(edge))),
            queue: VecDeque::new(),
            queued: 0,
            free: Instant::ZERO,
            run: (Instant::ZERO, 0),
            offered: 0,
        })
    }

    /// Its conditions.
    #[must_use]
    pub const fn config(&self) -> &ShaperConfig {
        &self.config
    }

    /// The edge begins to decode its request numbered `request`: if each request has a rate of its own,
    /// what is offered from now on has that one. What is in the queue keeps its times.
    pub fn begin_request(&mut self, now: Instant, request: u32) {
        if let Some(rate) = self.config.rate.for_request(request) {
            self.rate = rate;
            self.run = (now.max(self.free), 0);
        }
    }

    /// What a packet of so many bytes of UDP payload is charged.
    const fn charge(&self, bytes: u64) -> u64 {
        bytes.saturating_add_signed(self.config.header)
    }

    /// Whether the queue has room for a packet of `bytes` at `now`; if not, from when on.
    ///
    /// # Errors
    /// The time from which on there is room if nothing else is offered.
    pub fn room(&mut self, now: Instant, bytes: u64) -> Result<(), Instant> {
        self.drain(now);
        let mut queued = self.queued + self.charge(bytes);
        let mut room = None;
        for &(end, size) in &self.queue {
            if queued <= self.config.queue_bytes {
                break;
            }
            queued -= size;
            room = Some(end);
        }
        room.map_or(Ok(()), Err)
    }

    /// A packet of `bytes` of UDP payload comes to the link. `now` never runs backwards.
    pub fn offer(&mut self, now: Instant, bytes: u64) -> Fate {
        let number = self.offered;
        self.offered += 1;
        if self.room(now, bytes).is_err() {
            return Fate::Overflowed;
        }
        if now > self.free || self.run.1 > RUN_BYTES {
            self.run = (now.max(self.free), 0);
        }
        let size = self.charge(bytes);
        self.run.1 += size;
        self.free = self.rate.transmission_end(self.run.0, self.run.1);
        self.queue.push_back((self.free, size));
        self.queued += size;
        let departure = self.free;
        let (loss, delay) = self.chance.at(number);
        if loss < self.config.loss {
            return Fate::Lost { departure };
        }
        let mut release = departure + self.config.propagation;
        if !self.config.jitter.is_zero() {
            let jitter = -libm::log(delay) * nanos(self.config.jitter) as f64;
            release += Duration::from_nanos(jitter as u64);
        }
        Fate::Carried { departure, release }
    }

    /// Takes out of the queue what has left by `now`.
    fn drain(&mut self, now: Instant) {
        while let Some(&(end, size)) = self.queue.front()
            && end <= now
        {
            self.queue.pop_front();
            self.queued -= size;
        }
    }
}

/// The chances of packets, by number alone.
#[derive(Clone, Debug)]
struct Chance {
    stream: Stream,
    /// The key asked for last and its numbers. A key serves four packets.
    block: (u64, [f64; 8]),
}

impl Chance {
    const fn new(stream: Stream) -> Self {
        // No packet has that key.
        Self { stream, block: (u64::MAX, [0.0; 8]) }
    }

    /// Two uniform numbers: for loss and for delay.
    fn at(&mut self, number: u64) -> (f64, f64) {
        let key = number / 4;
        let place = 2 * (number % 4) as usize;
        if self.block.0 != key {
            let mut draws = self.stream.at(key);
            self.block = (key, std::array::from_fn(|_| draws.uniform()));
        }
        (self.block.1[place], self.block.1[place + 1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn at(ms: u64) -> Instant {
        Instant::ZERO + self::ms(ms)
    }

    /// 1 byte in 1 µs, nothing else.
    fn plain() -> ShaperConfig {
        let plain = ShaperConfig::plain(Rate::Constant(8_000_000), Duration::ZERO);
        ShaperConfig { header: 0, queue_bytes: 1 << 30, ..plain }
    }

    fn shaper(config: &ShaperConfig) -> Shaper {
        Shaper::new(config, Seed(7), Direction::Up, 0).expect("good conditions")
    }

    fn departure(fate: Fate) -> Instant {
        match fate {
            Fate::Carried { departure, .. } | Fate::Lost { departure } => departure,
            Fate::Overflowed => panic!("there is room"),
        }
    }

    fn release(fate: Fate) -> Option<Instant> {
        match fate {
            Fate::Carried { release, .. } => Some(release),
            _ => None,
        }
    }

    #[test]
    fn the_rate_is_in_force_and_packets_queue_behind_each_other() {
        let mut link = shaper(&plain());
        assert_eq!(departure(link.offer(Instant::ZERO, 1000)), at(1));
        assert_eq!(departure(link.offer(Instant::ZERO, 1000)), at(2));
        assert_eq!(departure(link.offer(at(10), 1000)), at(11));
        let slow = ShaperConfig { rate: Rate::Constant(4_000_000), ..plain() };
        assert_eq!(departure(shaper(&slow).offer(Instant::ZERO, 1000)), at(2));
    }

    #[test]
    fn headers_are_charged_or_given_free() {
        let departs = |header| {
            let config = ShaperConfig { header, ..plain() };
            departure(shaper(&config).offer(Instant::ZERO, 1000))
        };
        assert_eq!(departs(500), Instant::ZERO + Duration::from_micros(1500));
        assert_eq!(departs(-500), Instant::ZERO + Duration::from_micros(500));
        assert_eq!(departs(-1200), Instant::ZERO);
    }

    #[test]
    fn rounding_does_not_add_up_over_packets() {
        let config = ShaperConfig { rate: Rate::Constant(7_654_321), ..plain() };
        let mut link = shaper(&config);
        let last = (0..10_000).map(|_| departure(link.offer(Instant::ZERO, 1237))).last();
        let whole = config.rate.transmission_end(Instant::ZERO, 12_370_000);
        let late = last.expect("packets").saturating_since(whole);
        assert!(late < Duration::from_nanos(20), "{late:?} late after 10 000 packets");
    }

    #[test]
    fn a_rate_trace_is_in_force_from_step_to_step() {
        let rates = vec![8_000_000, 4_000_000];
        let rate = Rate::Trace { step: ms(4), rates, offset: Duration::ZERO, random_offset: false };
        let mut link = shaper(&ShaperConfig { rate, ..plain() });
        let departures: Vec<Instant> =
            (0..7).map(|_| departure(link.offer(Instant::ZERO, 1000))).collect();
        assert_eq!(departures, [1, 2, 3, 4, 6, 8, 9].map(at));
    }

    #[test]
    fn a_request_s_rate_is_in_force_from_its_start_and_the_queue_keeps_its_times() {
        let rates = vec![8_000_000, 4_000_000];
        let rate = Rate::PerRequest { rates, first: 0, random_first: false };
        let mut link = shaper(&ShaperConfig { rate, ..plain() });
        let departures = |now, link: &mut Shaper| departure(link.offer(at(now), 1000));
        assert_eq!([departures(0, &mut link), departures(0, &mut link)], [1, 2].map(at));
        link.begin_request(at(1), 1);
        assert_eq!([departures(1, &mut link), departures(1, &mut link)], [4, 6].map(at));
        assert_eq!(departures(10, &mut link), at(12), "after a rest");
        link.begin_request(at(20), 2);
        assert_eq!(departures(20, &mut link), at(21), "in turn");
        let mut plain = shaper(&plain());
        plain.begin_request(at(0), 1);
        assert_eq!(departures(0, &mut plain), at(1), "one rate for all");
    }

    #[test]
    fn propagation_is_in_force_and_delays_release_alone() {
        let config = ShaperConfig { propagation: ms(5), ..plain() };
        let fate = shaper(&config).offer(Instant::ZERO, 1000);
        assert_eq!(fate, Fate::Carried { departure: at(1), release: at(6) });
    }

    #[test]
    fn jitter_is_in_force_by_its_mean_and_lets_packets_overtake() {
        // Four standard errors; an exponential delay deviates by as much as its mean.
        let config = ShaperConfig { jitter: ms(3), propagation: ms(5), ..plain() };
        let mut link = shaper(&config);
        let count = 4000;
        let (mut sum, mut overtaken, mut last) = (0.0, 0, Instant::ZERO);
        for _ in 0..count {
            let fate = link.offer(Instant::ZERO, 1000);
            let release = release(fate).expect("nothing is lost");
            let beyond = release - (departure(fate) + ms(5));
            sum += nanos(beyond) as f64 / 1e6;
            overtaken += u32::from(release < last);
            last = release;
        }
        let mean = sum / f64::from(count);
        assert!((mean - 3.0).abs() < 4.0 * 3.0 / f64::from(count).sqrt(), "{mean}");
        assert!(overtaken > 100, "{overtaken}");
    }

    #[test]
    fn loss_is_in_force_by_its_share_and_comes_after_the_bottleneck() {
        let config = ShaperConfig { loss: 0.02, ..plain() };
        let mut link = shaper(&config);
        let count = 20_000_u32;
        let mut lost = 0;
        for number in 1..=u64::from(count) {
            let fate = link.offer(Instant::ZERO, 1000);
            assert_eq!(departure(fate), at(number), "a lost packet takes its time, too");
            lost += u32::from(matches!(fate, Fate::Lost { .. }));
        }
        let share = f64::from(lost) / f64::from(count);
        let error = (0.02 * 0.98 / f64::from(count)).sqrt();
        assert!((share - 0.02).abs() < 4.0 * error, "{share}");
    }

    #[test]
    fn the_queue_is_bounded_and_an_empty_one_takes_any_one_packet() {
        let mut link = shaper(&ShaperConfig { queue_bytes: 2500, ..plain() });
        assert_eq!(departure(link.offer(Instant::ZERO, 1000)), at(1));
        assert_eq!(departure(link.offer(Instant::ZERO, 1000)), at(2));
        assert_eq!(link.room(Instant::ZERO, 1000), Err(at(1)));
        assert_eq!(link.offer(Instant::ZERO, 1000), Fate::Overflowed);
        assert_eq!(link.room(at(1), 1000), Ok(()));
        assert_eq!(departure(link.offer(at(1), 1000)), at(3));
        assert_eq!(link.room(at(3), 9000), Ok(()));
        assert_eq!(departure(link.offer(at(3), 9000)), at(12));
    }

    #[test]
    fn the_fate_of_a_packet_depends_on_seed_direction_and_its_number_alone() {
        let config = ShaperConfig { loss: 0.3, jitter: ms(1), ..plain() };
        let beyond = |seed, direction, edge, size: u64, gap: u64| -> Vec<Option<Duration>> {
            let mut link = Shaper::new(&config, Seed(seed), direction, edge).expect("good");
            let fates = (0..200).map(|k| link.offer(Instant::from_nanos(k * gap), size));
            fates.map(|fate| release(fate).map(|release| release - departure(fate))).collect()
        };
        let first = beyond(1, Direction::Up, 0, 1000, 0);
        assert_eq!(first, beyond(1, Direction::Up, 0, 100, 5_000_000));
        for other in [(2, Direction::Up, 0), (1, Direction::Down, 0), (1, Direction::Up, 1)] {
            assert_ne!(first, beyond(other.0, other.1, other.2, 1000, 0), "{other:?}");
        }
    }

    #[test]
    fn conditions_out_of_range_are_refused_by_name() {
        let problem = |config: ShaperConfig| config.check().expect_err("out of range");
        assert!(problem(ShaperConfig { loss: 0.6, ..plain() }).contains("`loss`"));
        assert!(problem(ShaperConfig { loss: f64::NAN, ..plain() }).contains("`loss`"));
        assert!(problem(ShaperConfig { rate: Rate::Constant(0), ..plain() }).contains("`rate`"));
        assert!(problem(ShaperConfig { queue_bytes: 0, ..plain() }).contains("`queue_bytes`"));
        assert!(problem(ShaperConfig { header: -9999, ..plain() }).contains("`header`"));
    }
}
