//! What is tried, at random.

use proptest::prelude::*;

use super::play::ACCOUNTS;

/// A part of what is taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draw {
    pub(crate) source: usize,
    pub(crate) destination: usize,
    pub(crate) amount: i128,
    pub(crate) overdraft: u8,
    pub(crate) awaited: u8,
    pub(crate) is_euro: bool,
}

/// One thing that is tried; numbers choose among what there is.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Take {
        draw: Draw,
        inflight: bool,
        later: u8,
        ends: u8,
        refuses: bool,
        is_refund: bool,
    },
    Split {
        draws: Vec<Draw>,
        actor: u8,
        inflight: bool,
        later: u8,
        refuses: bool,
    },
    Head {
        draws: Vec<Draw>,
        actor: u8,
        inflight: bool,
    },
    More {
        head: usize,
        draws: Vec<Draw>,
        actor: u8,
        inflight: bool,
    },
    Decide {
        head: usize,
        is_done: bool,
    },
    Follow {
        head: usize,
        actor: u8,
    },
    Step {
        id: usize,
        share: Option<u8>,
        is_void: bool,
    },
    Due {
        id: usize,
        kind: u8,
    },
    Refund {
        id: usize,
        share: u8,
        is_taken: bool,
    },
    Note {
        id: usize,
    },
    Wait {
        seconds: u8,
    },
    Deliver {
        which: usize,
    },
    Purchase {
        amount: i128,
    },
    EndPurchase {
        which: usize,
        captured: bool,
    },
    Freeze {
        account: usize,
    },
    Delete {
        account: usize,
    },
}

fn draw() -> impl Strategy<Value = Draw> {
    let sides = (0..ACCOUNTS.len(), 0..ACCOUNTS.len());
    let amount = prop_oneof![20 => 1_i128..3_000, 1 => Just(0)];
    let euro = prop::bool::weighted(0.1);
    (sides, amount, 0_u8..5, 0_u8..8, euro).prop_map(
        |((source, destination), amount, overdraft, awaited, is_euro)| Draw {
            source,
            destination,
            amount,
            overdraft,
            awaited,
            is_euro,
        },
    )
}

pub(crate) fn op() -> impl Strategy<Value = Op> {
    let draws = || prop::collection::vec(draw(), 1..4);
    let which = any::<usize>;
    let flags = (
        any::<bool>(),
        0_u8..3,
        0_u8..4,
        any::<bool>(),
        any::<bool>(),
    );
    prop_oneof![
        6 => (draw(), flags).prop_map(|(draw, (inflight, later, ends, refuses, is_refund))| {
            Op::Take { draw, inflight, later, ends, refuses, is_refund }
        }),
        2 => (draws(), 0_u8..3, any::<bool>(), 0_u8..3, any::<bool>()).prop_map(
            |(draws, actor, inflight, later, refuses)| Op::Split {
                draws, actor, inflight, later, refuses,
            }
        ),
        2 => (draws(), 0_u8..3, any::<bool>())
            .prop_map(|(draws, actor, inflight)| Op::Head { draws, actor, inflight }),
        2 => (which(), draws(), 0_u8..3, any::<bool>()).prop_map(
            |(head, draws, actor, inflight)| Op::More { head, draws, actor, inflight }
        ),
        2 => (which(), any::<bool>()).prop_map(|(head, is_done)| Op::Decide { head, is_done }),
        2 => (which(), 0_u8..3).prop_map(|(head, actor)| Op::Follow { head, actor }),
        5 => (which(), prop::option::of(0_u8..14), prop::bool::weighted(0.3))
            .prop_map(|(id, share, is_void)| Op::Step { id, share, is_void }),
        4 => (which(), 0_u8..4).prop_map(|(id, kind)| Op::Due { id, kind }),
        2 => (which(), 0_u8..14, prop::bool::weighted(0.7))
            .prop_map(|(id, share, is_taken)| Op::Refund { id, share, is_taken }),
        1 => which().prop_map(|id| Op::Note { id }),
        2 => (1_u8..60).prop_map(|seconds| Op::Wait { seconds }),
        4 => which().prop_map(|which| Op::Deliver { which }),
        2 => (1_i128..2_000).prop_map(|amount| Op::Purchase { amount }),
        2 => (which(), any::<bool>())
            .prop_map(|(which, captured)| Op::EndPurchase { which, captured }),
        1 => (1..ACCOUNTS.len()).prop_map(|account| Op::Freeze { account }),
        1 => (1..ACCOUNTS.len()).prop_map(|account| Op::Delete { account }),
    ]
}
