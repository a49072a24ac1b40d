//! How a link is set up: limits, time-outs, congestion control.

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use pipesd_core::payload::{Payload, WireFormat};
use pipesd_core::recovery::{ACKNOWLEDGED_WITHIN, LossDetection};
use pipesd_core::time::Duration;
use pipesd_core::wire::{Limits, Vocabulary};
use quinn::congestion::{BbrConfig, Controller, ControllerFactory, CubicConfig};
use quinn::{AckFrequencyConfig, IdleTimeout, TransportConfig, VarInt};

use super::ClientName;
use crate::net::{Emulation, Overflow};
use crate::pair::TokenBytes;

/// Who decides how much may be on its way.
///
/// Measured, share of a 20 Mbit/s link that uploads of 290 kB get (tests/transport, ignored tests):
///
/// | link | Cubic | Bbr | Held |
/// |---|---|---|---|
/// | emulated, RTT 10 ms, loss 0, 1, 2 % | 98, 55, 43 % | 99, 95, 98 % | 100, 99, 97 % |
/// | emulated, RTT 50 ms, loss 0, 1, 2 % | 94, 15, 10 % | 99, 97, 95 % | 100, 98, 96 % |
/// | relay that drops, RTT 20 ms, loss 0, 1, 2 % | 92, 23, 14 % | 87, 71, 76 % | |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Congestion {
    /// RFC 9438. Takes each loss for congestion: a link that loses at random stays idle.
    Cubic,
    /// Google's first BBR, as quinn has it.
    Bbr,
    /// Nobody: for an emulated bottleneck that holds its sender back, as the simulator's does. Never
    /// for a link that others use.
    Held,
}

/// How a link is set up, at either end.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// How messages that are sent are encoded.
    pub format: WireFormat,
    /// Bounds on what is received.
    pub limits: Limits,
    /// The edge's number, as it introduces itself.
    pub edge: u32,
    /// What names the edge over all its links. Random by default: only who has it can take up sessions.
    pub client: ClientName,
    /// What this end's models speak of. An edge whose vocabulary is known to be another than the
    /// cloud's is refused.
    pub vocabulary: Option<Vocabulary>,
    /// What each id of it means, if known: ends whose vocabularies differ then find out where.
    pub token_bytes: Option<Arc<TokenBytes>>,
    /// A peer must have connected and introduced itself within this time.
    pub handshake: Duration,
    /// A connection on which nothing comes for so long is over. Edges send keep-alives at a third.
    pub idle: Duration,
    /// Messages received on streams of their own at the same time, at most.
    pub streams_max: u32,
    /// Flow control: bytes received and not yet read, at most, over all streams of a link. Beside them
    /// stand the messages that are being read or wait for the owner, see `Self::room`.
    pub unread_bytes_max: u32,
    /// Messages that wait to be sent, at most: a peer that takes none is cut off.
    pub waiting_max: usize,
    /// Links that a cloud serves at the same time, at most.
    pub links_max: usize,
    /// Connections that a cloud is getting to know at the same time, at most.
    pub handshakes_max: usize,
    /// None: [`Congestion::Held`] on an emulated link that holds its sender, else BBR.
    pub congestion: Option<Congestion>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            format: WireFormat { payload: Payload::Ids, vocabulary: 0 },
            limits: Limits::default(),
            edge: 0,
            client: ClientName::random(),
            vocabulary: None,
            token_bytes: None,
            handshake: Duration::from_secs(5),
            idle: Duration::from_secs(15),
            streams_max: 16,
            unread_bytes_max: 16 << 20,
            waiting_max: 4096,
            links_max: 64,
            handshakes_max: 64,
            congestion: None,
        }
    }
}

/// What a peer that has not introduced itself may send before it is read.
const STRANGER_BYTES: u32 = 16 << 10;
/// Bytes written and not yet acknowledged, at most: more than rate times round trip at 1 Gbit/s and
/// 100 ms. Cancelled messages leave at once, so that a deep buffer costs nothing but memory.
const SEND_WINDOW: u64 = 16 << 20;
/// UDP payload of a packet on an emulated link: 1200 bytes of stream, as in the simulator.
const EMULATED_MTU: u16 = 1236;
/// Before anything is known of a path. The default (333 ms) makes a lost first packet cost a second.
const INITIAL_RTT: Duration = Duration::from_millis(100);

impl Settings {
    /// quinn's settings for the edge's end.
    pub(super) fn edge(&self, emulation: Option<&Emulation>) -> Result<TransportConfig, String> {
        let mut config = self.common(self.congestion(emulation), emulation)?;
        config
            .keep_alive_interval(Some(self.idle / 3))
            .max_concurrent_bidi_streams(VarInt::from_u32(0))
            .max_concurrent_uni_streams(VarInt::from_u32(0))
            .receive_window(VarInt::from_u32(self.unread_bytes_max));
        Ok(config)
    }

    /// quinn's settings for the cloud's end, for peers that have not introduced themselves.
    pub(super) fn cloud(&self) -> Result<TransportConfig, String> {
        let mut config = self.common(self.congestion(None), None)?;
        config
            .max_concurrent_bidi_streams(VarInt::from_u32(1))
            .max_concurrent_uni_streams(VarInt::from_u32(0))
            .receive_window(VarInt::from_u32(STRANGER_BYTES));
        Ok(config)
    }

    /// Bytes of messages that a link is reading, or that wait for the owner, at most; then the peer
    /// waits. Whatever order they come in, there is room for the message that is under way and for
    /// those that flow control has let in before it, so that none waits for another for ever.
    pub(super) const fn room(&self) -> usize {
        self.limits.frame_bytes_max as usize + self.unread_bytes_max as usize
    }

    /// A peer has introduced itself.
    pub(super) fn welcome(&self, connection: &quinn::Connection) {
        connection.set_receive_window(VarInt::from_u32(self.unread_bytes_max));
        connection.set_max_concurrent_uni_streams(VarInt::from_u32(self.streams_max));
    }

    fn congestion(&self, emulation: Option<&Emulation>) -> Congestion {
        self.congestion.unwrap_or_else(|| match emulation {
            Some(emulation) if emulation.uplink.overflow == Overflow::Hold => Congestion::Held,
            _ => Congestion::Bbr,
        })
    }

    fn common(
        &self,
        congestion: Congestion,
        emulation: Option<&Emulation>,
    ) -> Result<TransportConfig, String> {
        let mut config = TransportConfig::default();
        let idle = IdleTimeout::try_from(self.idle).map_err(|_| "`idle` is too long")?;
        let controller: Arc<dyn ControllerFactory + Send + Sync> = match congestion {
            Congestion::Cubic => Arc::new(CubicConfig::default()),
            Congestion::Bbr => Arc::new(BbrConfig::default()),
            Congestion::Held => Arc::new(HeldConfig),
        };
        let mut acknowledgements = AckFrequencyConfig::default();
        acknowledgements.max_ack_delay(Some(ACKNOWLEDGED_WITHIN));
        if let Some(emulation) = emulation {
            config.initial_mtu(EMULATED_MTU).mtu_discovery_config(None);
            let rules = LossDetection::on_link(emulation.uplink.jitter);
            if rules != LossDetection::STANDARD {
                // quinn's default is the standard.
                let LossDetection { packet_threshold, time_threshold_eighths } = rules;
                let round_trips = time_threshold_eighths as f32 / 8.0;
                config.packet_threshold(packet_threshold).time_threshold(round_trips);
                acknowledgements.reordering_threshold(VarInt::from_u32(packet_threshold - 1));
            }
        }
        config
            .max_idle_timeout(Some(idle))
            .send_window(SEND_WINDOW)
            .stream_receive_window(VarInt::from_u32(self.unread_bytes_max))
            .initial_rtt(INITIAL_RTT)
            .ack_frequency_config(Some(acknowledgements))
            .datagram_receive_buffer_size(None)
            .congestion_controller_factory(controller);
        Ok(config)
    }
}

/// Makes [`Held`].
#[derive(Debug)]
struct HeldConfig;

impl ControllerFactory for HeldConfig {
    fn build(self: Arc<Self>, _now: Instant, _mtu: u16) -> Box<dyn Controller> {
        Box::new(Held)
    }
}

/// A window that is never full: the socket itself holds the sender back.
#[derive(Clone, Debug)]
struct Held;

/// quinn paces no window above 32 bits.
const HELD_WINDOW: u64 = 1 << 33;

impl Controller for Held {
    fn on_congestion_event(&mut self, _: Instant, _: Instant, _: bool, _: u64) {}

    fn on_mtu_update(&mut self, _: u16) {}

    fn window(&self) -> u64 {
        HELD_WINDOW
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn initial_window(&self) -> u64 {
        HELD_WINDOW
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
