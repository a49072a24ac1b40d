//! Links that break and come back, a cloud that is killed and started anew, a target that stalls: what a
//! plan of faults does to the world.
//!
//! Under QUIC most of what happens to packets is repaired, and shows as time; what shows as more is the end
//! of a link, and with it the loss of all that was on it. So here: what a plan delays, reorders, corrupts or
//! holds back is late; what it duplicates arrives twice (which QUIC would hide: a machine must not mind);
//! and a silence that lasts ends the link, as QUIC's idle time-out does.

use pipesd_core::cloud::Cloud;
use pipesd_core::contract::Input;
use pipesd_core::event::{Event, Suspension};
use pipesd_core::fault::{Way, Weather};
use pipesd_core::ids::MessageId;
use pipesd_core::message::Message;
use pipesd_core::time::{Duration, Instant};
use serde::{Deserialize, Serialize};

use super::World;
use super::stage::{At, Direction, Node, Occurrence, Stage};
use crate::link::Link;

/// Both ends give up a link on which nothing is heard for so long.
pub const SILENCE: Duration = Duration::from_millis(1500);
/// A try to reach the cloud is given up after so long.
const TRY: Duration = Duration::from_millis(600);
/// What was lost is sent again about so long after the way is open again.
const RETRANSMISSION: Duration = Duration::from_millis(50);

/// How often the edges of a run had to do without the cloud.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outages {
    /// Links lost.
    pub links_lost: u64,
    /// Sessions that were denied or evicted, each time.
    pub denied: u64,
    /// Sessions that were taken up again behind their text.
    pub resumed: u64,
    /// Sessions that went on without a link.
    pub alone: u64,
}

impl Outages {
    pub(super) const fn record(&mut self, event: &Event) {
        match event {
            Event::LinkLost => self.links_lost += 1,
            Event::SessionSuspended { cause: Suspension::Denied(_), .. } => self.denied += 1,
            Event::SessionResumed { .. } => self.resumed += 1,
            Event::WentAlone { .. } => self.alone += 1,
            _ => {}
        }
    }
}

/// An edge's connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Connection {
    up: bool,
    /// The cloud that it was to is no more.
    dead: bool,
    /// Of this edge's connections, which.
    pub(super) epoch: u32,
}

impl Connection {
    /// The one that an edge begins with.
    pub(super) const FIRST: Self = Self { up: true, dead: false, epoch: 0 };
}

/// What a plan has happen at its times.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outage {
    /// An edge and the cloud cannot hear each other from now on, for longer than they wait.
    Silence(u32),
    /// The link of this epoch is over, if it still is the edge's.
    Break(u32, u32),
    /// An edge gets another address.
    Move(u32),
    /// The cloud is killed.
    Kill,
    /// It is back.
    Restart,
    /// What comes of a try to connect.
    Tried(u32, bool),
}

impl Stage<'_> {
    /// Schedules what the plan has in store.
    pub(super) fn schedule_outages(&mut self) {
        let plan = self.faults.clone();
        for edge in 0..self.nodes.len() as u32 {
            for (begin, end) in plan.silences(edge) {
                if end - begin >= SILENCE {
                    self.queue.push(begin, Occurrence::Outage(Outage::Silence(edge)));
                }
            }
            for at in plan.moves(edge) {
                self.queue.push(at, Occurrence::Outage(Outage::Move(edge)));
            }
        }
        for (begin, end) in plan.restarts() {
            self.queue.push(begin, Occurrence::Outage(Outage::Kill));
            self.queue.push(end, Occurrence::Outage(Outage::Restart));
        }
    }

    pub(super) fn is_linked(&self, edge: u32) -> bool {
        self.nodes[edge as usize].connection.up
    }

    /// Whether what arrives is heard by nobody.
    pub(super) fn is_dead(&self, edge: u32) -> bool {
        let connection = &self.nodes[edge as usize].connection;
        connection.dead || !connection.up
    }

    fn weather(&self, edge: u32, direction: Direction, now: Instant) -> Weather {
        let way = match direction {
            Direction::Up => Way::Up,
            Direction::Down => Way::Down,
        };
        self.faults.weather(edge, way, now)
    }

    /// Whether a message that has come to the end of its link is late; then it comes again.
    pub(super) fn is_late(
        &mut self,
        now: Instant,
        edge: u32,
        direction: Direction,
        (id, transfer): (MessageId, Duration),
    ) -> bool {
        if self.faults.is_empty() {
            return false;
        }
        let weather = self.weather(edge, direction, now);
        let key = self.fault_draws;
        self.fault_draws += 1;
        let mut draws = self.fault_stream.at(key);
        let (spread, corrupt) = (draws.uniform(), draws.uniform());
        let duplicate = draws.uniform() < weather.duplicate;
        let mut due = weather.closed_until.map_or(now, |open| open.max(now) + RETRANSMISSION);
        due += weather.delay + weather.spread.mul_f64(spread);
        if corrupt < weather.corrupt {
            due += RETRANSMISSION;
        }
        let wire = self.wire(edge, direction);
        let Some(carried) = wire.carried.iter_mut().find(|carried| carried.id == id) else {
            return false;
        };
        carried.transfer = transfer;
        // The control stream is in order: no other message begins or ends a session.
        if matches!(carried.message, Message::Open { .. } | Message::Close { .. }) {
            due = due.max(wire.in_order);
            wire.in_order = due;
        } else {
            carried.twice = duplicate;
        }
        let epoch = self.nodes[edge as usize].connection.epoch;
        if due > now {
            self.queue.push(due, Occurrence::Late(edge, direction, id, epoch));
        }
        due > now
    }

    /// A message that was late arrives, if its link is still there.
    pub(super) fn deliver_late(
        &mut self,
        now: Instant,
        (edge, epoch): (u32, u32),
        direction: Direction,
        id: MessageId,
    ) -> Option<Input> {
        if self.is_dead(edge) || self.nodes[edge as usize].connection.epoch != epoch {
            return None;
        }
        let carried = self.wire(edge, direction).carried.iter().find(|carried| carried.id == id);
        let transfer = carried.map(|carried| carried.transfer)?;
        self.deliver(now, edge, direction, id, transfer)
    }

    /// An edge tries to reach the cloud: a handshake takes two round trips.
    pub(super) fn connect(&mut self, now: Instant, edge: u32) {
        let node = &self.nodes[edge as usize];
        let way = node.uplink.config.least_time(0) + node.downlink.config.least_time(0);
        let done = now + 2 * way;
        let open = |at| {
            let ways = [Direction::Up, Direction::Down];
            ways.iter().all(|way| self.weather(edge, *way, at).closed_until.is_none())
        };
        let reached = self.cloud_is_up && open(now) && open(done);
        let when = if reached { done } else { now + TRY };
        self.queue.push(when, Occurrence::Outage(Outage::Tried(edge, reached)));
    }

    /// Ends an edge's link; in its place is the next one, which nothing goes over before it is made. Returns
    /// the messages that have not left yet: each has its `Sent` all the same.
    fn break_link(&mut self, edge: u32) -> [Vec<MessageId>; 2] {
        let seed = self.seed;
        let node = &mut self.nodes[edge as usize];
        let epoch = node.connection.epoch + 1;
        node.connection = Connection { up: false, dead: false, epoch };
        let wires = [("uplink", &mut node.uplink), ("downlink", &mut node.downlink)];
        let unsent = wires.map(|(name, wire)| {
            let stream = seed.stream(name, u64::from(epoch) << 32 | u64::from(edge));
            let link = core::mem::replace(&mut wire.link, Link::new(&wire.config, stream));
            wire.past = wire.past + *link.account();
            wire.lost_by_link += link.bytes_in_flight();
            wire.lost += wire.carried.drain(..).map(|carried| carried.bytes).sum::<u64>();
            (wire.scheduled, wire.in_order) = (None, Instant::ZERO);
            core::mem::take(&mut wire.unsent)
        });
        node.tell_links_of_request();
        unsent
    }

    fn make_link(&mut self, edge: u32) {
        self.nodes[edge as usize].connection.up = true;
    }
}

impl Node {
    /// Links whose rate goes by requests have that of the request that was taken last.
    pub(super) fn tell_links_of_request(&mut self) {
        let Some(index) = self.requests.checked_sub(1) else { return };
        for wire in [&mut self.uplink, &mut self.downlink] {
            wire.link.begin_request(wire.config.rate(), index as u32);
        }
    }
}

impl World<'_> {
    pub(super) fn outage(&mut self, now: Instant, outage: Outage) {
        match outage {
            Outage::Silence(edge) => self.break_later(now, edge),
            Outage::Break(edge, epoch) => {
                let connection = self.stage.nodes[edge as usize].connection;
                if connection.up && connection.epoch == epoch {
                    self.break_now(now, edge);
                }
            }
            Outage::Move(edge) => {
                if self.stage.is_linked(edge) {
                    self.break_now(now, edge);
                }
            }
            Outage::Kill => self.kill_cloud(now),
            Outage::Restart => self.stage.cloud_is_up = true,
            Outage::Tried(edge, reached) => {
                // Killed meanwhile: the handshake is not answered.
                let reached = reached && self.stage.cloud_is_up;
                if reached {
                    self.stage.make_link(edge);
                }
                let input = if reached { Input::Linked } else { Input::Unlinked };
                self.feed(now, At::Edge(edge), input);
            }
        }
    }

    fn break_later(&mut self, now: Instant, edge: u32) {
        let epoch = self.stage.nodes[edge as usize].connection.epoch;
        let ended = Occurrence::Outage(Outage::Break(edge, epoch));
        self.stage.queue.push(now + SILENCE, ended);
    }

    fn break_now(&mut self, now: Instant, edge: u32) {
        let [up, down] = self.stage.break_link(edge);
        // The cloud's side: nobody is told, what it said is lost.
        for id in down {
            self.feed(now, At::Cloud, Input::Sent(id));
        }
        self.stage.unheard.extend(up);
        // What it says upon that is lost as well, before it learns that the link is over.
        while let Some(id) = self.stage.unheard.pop_front() {
            self.feed(now, At::Edge(edge), Input::Sent(id));
        }
        self.feed(now, At::Edge(edge), Input::Unlinked);
    }

    /// The cloud forgets everything; that it is gone is noticed by its silence.
    fn kill_cloud(&mut self, now: Instant) {
        self.cloud = Cloud::new(self.setup.cloud);
        let stage = &mut self.stage;
        (stage.cloud_is_up, stage.cloud_model) = (false, None);
        stage.cloud_life += 1;
        stage.cloud_ledger.restart(now);
        for edge in 0..stage.nodes.len() as u32 {
            let connection = &mut self.stage.nodes[edge as usize].connection;
            if connection.up && !core::mem::replace(&mut connection.dead, true) {
                self.break_later(now, edge);
            }
        }
    }
}
