//! Faults of processes: killed, and stopped for longer than their lease.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::{kind::Fault, nemesis::Nemesis};
use crate::{dice::Dice, message::Wish, watch::Loss};

/// The lease of an engine is 10 s, and others look for dead workers every 2 s.
const PAUSE_MS: (u64, u64) = (12_500, 14_500);
/// From when commits are kept back until the process is stopped, so that one is.
const HOLD: Duration = Duration::from_millis(150);
const READY_LIMIT: Duration = Duration::from_mins(1);

impl Fault {
    /// How long it takes at most, until it is mended.
    pub(super) const fn lasts(self) -> Duration {
        match self {
            Self::Pause => Duration::from_millis(PAUSE_MS.1 + 500),
            Self::KillWorker | Self::KillAcceptor | Self::Stall | Self::Slow | Self::Pool => Duration::from_secs(4),
            Self::DiskFull | Self::Eio => Duration::from_secs(8),
            _ => Duration::ZERO,
        }
    }
}

impl Nemesis {
    /// Kills a process, measures how long it takes until others have what it owned, and starts it again.
    pub(super) fn kill_process(&self, fault: Fault, dice: &mut Dice) {
        let fleet = &self.world.fleet;
        let of = if fault == Fault::KillAcceptor { &fleet.acceptors } else { &fleet.workers };
        let Some(member) = Self::take(of, dice) else { return };
        let (nemesis, back_after) = (self.clone(), dice.ms(200, 3_000));
        self.lasting.spawn(async move {
            let world = &nemesis.world;
            let owners = world.watch.owners(member.process.name()).await;
            member.process.kill().await;
            nemesis.count(fault);
            world.watch.time_takeover(owners, Loss::of_killed(&member.proxy.switch));
            nemesis.wait(back_after).await;
            match world.fleet.begin(&member) {
                // Who is not ready by then says why in its log, and its end is a surprise.
                Ok(()) => drop(member.process.ready(READY_LIMIT).await),
                Err(error) => tracing::error!("a process does not come back: {error:#}"),
            }
            member.process.let_go();
        });
    }

    /// Stops a process for longer than its lease; commits that were under way go on when it does.
    pub(super) fn pause(&self, dice: &mut Dice) {
        let Some(member) = Self::take(&self.world.fleet.workers, dice) else { return };
        let (nemesis, time) = (self.clone(), dice.ms(PAUSE_MS.0, PAUSE_MS.1));
        self.lasting.spawn(async move {
            let process = &member.process;
            let owners = nemesis.world.watch.owners(process.name()).await;
            process.tell(Wish::Hold(true));
            tokio::time::sleep(HOLD).await;
            process.signal(Signal::SIGSTOP);
            nemesis.count(Fault::Pause);
            nemesis.world.watch.time_takeover(owners, Loss::Pause);
            // Not cut short when all is over: there is time for it, and half a pause would be none.
            tokio::time::sleep(time).await;
            process.signal(Signal::SIGCONT);
            process.tell(Wish::Hold(false));
            process.let_go();
        });
    }
}
