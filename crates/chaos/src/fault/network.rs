//! Faults between a process and the database: the proxies do them.

use std::sync::Arc;

use super::{kind::Fault, nemesis::Nemesis};
use crate::{
    dice::Dice,
    fleet::Member,
    proxy::{Mode, Target, Trap},
};

/// How many commits of a process are lost in a row at most, with their connections.
const TRAPS_MAX: u64 = 12;

impl Nemesis {
    /// Sets some traps for the next commits of a process; most of them for what matters most.
    pub(super) fn set_traps(&self, fault: Fault, dice: &mut Dice) {
        let trap = match fault {
            Fault::ReplyLost => Trap::ReplyLost,
            Fault::CommitLost => Trap::CommitLost,
            _ => Trap::Torn,
        };
        let Some(member) = self.anybody(dice) else { return };
        for _ in 0..=dice.below(TRAPS_MAX) {
            let target = match dice.below(10) {
                0..=4 => Some(Target::Journal),
                5 | 6 => Some(Target::Birth),
                7 => Some(Target::Event),
                8 => Some(Target::Claim),
                _ => None,
            };
            member.proxy.switch.arm(trap, target);
        }
    }

    /// Holds everything up that a process says and hears, or makes it slow.
    pub(super) fn hold_up(&self, fault: Fault, dice: &mut Dice) {
        let Some(member) = self.anybody(dice) else { return };
        let mode = if fault == Fault::Stall { Mode::Stall } else { Mode::Slow(dice.ms(5, 60)) };
        let (nemesis, time) = (self.clone(), dice.ms(300, 3_500));
        member.proxy.switch.set(mode);
        self.count(fault);
        self.lasting.spawn(async move {
            nemesis.wait(time).await;
            member.proxy.switch.set(Mode::Pass);
        });
    }

    /// Ends all connections of a process, and refuses new ones for a moment.
    pub(super) fn reset(&self, dice: &mut Dice) {
        let Some(member) = self.anybody(dice) else { return };
        let (nemesis, time) = (self.clone(), dice.ms(0, 1_500));
        member.proxy.switch.set(Mode::Refuse);
        member.proxy.switch.reset();
        self.count(Fault::Reset);
        self.lasting.spawn(async move {
            nemesis.wait(time).await;
            member.proxy.switch.set(Mode::Pass);
        });
    }

    fn anybody(&self, dice: &mut Dice) -> Option<Arc<Member>> {
        let all: Vec<_> = self.world.fleet.members().collect();
        dice.pick(&all).map(|member| Arc::clone(member))
    }
}
