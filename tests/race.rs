//! Two hundred clients race for one card's last money: it is never spent twice.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at a wrong index"
)]

#[path = "common/server.rs"]
mod server;

use std::{sync::Barrier, thread};

use server::{Balance, Client, Rng, Server};

const CLIENTS: usize = 200;
const REQUESTS: usize = 10_000;
/// Smallest units of the asset in a cent.
const CENT: i128 = 10_000;
/// About half of what is asked for, and no round sum.
const MONEY: i128 = 2_534_567 * CENT;

#[derive(Default)]
struct Sums {
    approved: i128,
    count: usize,
    declined: usize,
    /// The smallest that was declined for want of money.
    least_declined: Option<i128>,
}

fn race(client: &Client, card: &str, number: usize, seed: u64) -> Sums {
    let mut rng = Rng::new(
        seed ^ u64::try_from(number)
            .unwrap()
            .wrapping_mul(0x1234_5678_9abc),
    );
    let mut sums = Sums::default();
    for turn in 0..REQUESTS / CLIENTS {
        let cents = i128::try_from(rng.below(1_000)).unwrap() + 1;
        let dollars = format!("{}.{:02}", cents / 100, cents % 100);
        let reply = client.authorize(&format!("r-{number}-{turn}"), card, &dollars);
        let answer = reply.expect(200);
        assert!(Balance::of(&answer).current >= 0, "below zero: {answer}");
        if answer["status"] == "approved" {
            assert_eq!(answer["amount"], (cents * CENT).to_string());
            sums.approved += cents * CENT;
            sums.count += 1;
        } else {
            assert_eq!(answer["decline_reason"], "insufficient_funds");
            assert!(
                Balance::of(&answer).current < cents * CENT,
                "had enough: {answer}"
            );
            sums.declined += 1;
            let least = sums.least_declined.unwrap_or(cents);
            sums.least_declined = Some(least.min(cents));
        }
    }
    sums
}

#[test]
fn the_last_money_of_a_card_is_spent_once() {
    let seed = server::seed();
    println!("CARDWRIGHT_TEST_SEED={seed}");
    let mut server = Server::start();
    let client = server.client();
    let card = client.card(u64::try_from(MONEY).unwrap());
    let start = Barrier::new(CLIENTS);
    let racers: Vec<Sums> = thread::scope(|scope| {
        let run = |number| {
            let (client, card, start) = (server.client(), &card, &start);
            scope.spawn(move || {
                start.wait();
                race(&client, card, number, seed)
            })
        };
        let threads: Vec<_> = (0..CLIENTS).map(run).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let approved: i128 = racers.iter().map(|sums| sums.approved).sum();
    let declined: usize = racers.iter().map(|sums| sums.declined).sum();
    let count: usize = racers.iter().map(|sums| sums.count).sum();
    assert_eq!(count + declined, REQUESTS);
    assert!(approved <= MONEY, "{approved} of {MONEY} was approved");
    assert!(declined > 0, "nobody was declined: there was no race");
    let expected = Balance {
        current: MONEY - approved,
        pending: approved,
        incoming: MONEY,
        outgoing: 0,
    };
    assert_eq!(client.balance("end", &card), expected);
    // Nobody was declined while there was enough for them at the end.
    let least = racers
        .iter()
        .filter_map(|sums| sums.least_declined)
        .min()
        .unwrap();
    assert!(
        expected.current < least * CENT,
        "{least} cents were declined, {expected:?}"
    );
    let held = client.trial_balance()["assets"]["DUSD/6"]["held"].clone();
    assert_eq!(held, approved.to_string());
    server.restart();
    assert_eq!(server.client().balance("after", &card), expected);
}
