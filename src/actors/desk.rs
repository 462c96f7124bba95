//! Where card actors sit: one desk on each thread, with one inbox for all its cards.
//!
//! A message wakes its card's thread once, however many lie in the inbox. What the desk takes from there
//! it gives to the cards one by one, in the order of arrival: many in a row, also of its own thread, since
//! deciding one request after the other is quicker than reading one, deciding it, reading the next.

use std::{
    cell::RefCell,
    collections::VecDeque,
    hint::black_box,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::{Rc, Weak},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use actix::Handler;
use parking_lot::Mutex;
use tokio::{sync::Notify, task::yield_now};

use super::{
    card_actor::{Absorb, Answered, CardActor, Execute, Join, Look, Retire, Seat},
    durability::Durability,
    hosted::Request,
    moment::Moment,
    ticket::{Errand, Fresh, Ticket},
};
use crate::domain::{ids::ActorId, policy::Terms};

/// How many letters are handled before the thread's other tasks have their turn.
const LETTERS_PER_TURN: usize = 256;
/// How many cards' memory is fetched at once, how many requests are decided at the same moment, and how many
/// answers are told in a row.
const IN_A_ROW: usize = 16;
/// How many cards may go to rest before other letters have their turn: nobody waits for that.
const RETIRED_PER_TURN: usize = 16;
/// How many items of an errand are decided before other letters have their turn.
const ITEMS_PER_TURN: usize = 128;

/// A live card, as the directory sees it from outside.
#[derive(Debug)]
pub(super) struct Live {
    /// Where it sits.
    pub(super) desk: Arc<Desk>,
    /// At which place there.
    pub(super) place: Place,
    /// Messages on their way to it.
    pub(super) queued: AtomicU32,
    /// Whether its group is on its way into another: nothing is decided meanwhile.
    pub(super) is_joining: AtomicBool,
    /// When it last did something, in the directory's ticks.
    pub(super) last_used: AtomicU32,
}

/// A place at a desk: free again once its card has left, with all its messages handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(u32);

impl Place {
    fn index(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// What comes into an inbox.
pub(super) enum Letter {
    /// A card takes its place.
    Start(Place, Box<CardActor>),
    /// A request of one card.
    Execute(Place, Box<Ticket>),
    /// Requests of many.
    Errand(Box<Errand>),
    /// Somebody looks at a card.
    Look(Place, ActorId, Look),
    /// A card may go to rest.
    Retire(Place, ActorId, Retire),
    /// A card's group comes into another.
    Join(Place, ActorId, Join),
    /// A card takes another's group in.
    Absorb(Place, ActorId, Absorb),
    /// What the other said of that.
    Answered(Place, ActorId, Answered),
}

impl Letter {
    /// A request, and the place of the card that it is for.
    fn asked(&self) -> Option<(Place, &Request)> {
        if let Self::Execute(place, ticket) = self {
            return Some((*place, &ticket.request));
        }
        None
    }

    /// Whether nobody waits for it: such come many at a time, behind all others.
    const fn may_wait(&self) -> bool {
        matches!(self, Self::Retire(_, _, retire) if !retire.is_given_up)
    }
}

/// The inbox of a thread, and the way to call it.
pub(super) struct Desk {
    /// The house's terms, of this thread alone.
    terms: Terms,
    inbox: Mutex<Vec<Letter>>,
    /// Whether the thread was called and has not come yet.
    is_called: AtomicBool,
    /// Whether the thread has ended: nothing is taken any more.
    is_closed: AtomicBool,
    call: Notify,
    places: Mutex<Places>,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Desk")
    }
}

#[derive(Default)]
struct Places {
    free: Vec<Place>,
    made: u32,
}

/// A desk, and whether its arbiter still lives.
type Here = (Arc<Desk>, Weak<()>);

thread_local! {
    /// The desks of this thread: of one engine, but for tests.
    static HERE: RefCell<Vec<Here>> = const { RefCell::new(Vec::new()) };
}

impl Desk {
    /// A desk without cards, not yet served.
    pub(super) fn new(terms: &Terms) -> Arc<Self> {
        Arc::new(Self {
            terms: terms.apart(),
            inbox: Mutex::default(),
            is_called: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
            call: Notify::new(),
            places: Mutex::default(),
        })
    }

    /// The house's terms.
    pub(super) const fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Serves the desk on the current thread, as long as the thread's arbiter lives.
    pub(super) fn open(self: &Arc<Self>, durability: Arc<Durability>) {
        let life = Rc::new(());
        let cards = Cards {
            desk: self.clone(),
            durability,
            seats: Vec::new(),
            letters: VecDeque::new(),
            leaving: VecDeque::new(),
            begun: Vec::new(),
            row: Row::new(),
            _life: life.clone(),
        };
        HERE.with_borrow_mut(|here| {
            here.retain(|(_, life)| life.strong_count() > 0);
            here.push((self.clone(), Rc::downgrade(&life)));
        });
        actix_rt::spawn(serve(self.clone(), cards));
    }

    /// A place for a new card.
    pub(super) fn take_place(&self) -> Place {
        let mut places = self.places.lock();
        places.free.pop().unwrap_or_else(|| {
            let place = Place(places.made);
            places.made = places.made.saturating_add(1);
            place
        })
    }

    /// Puts a letter into the inbox. [`Desk::wake`] is to follow, once no lock is held.
    pub(super) fn put(&self, letter: Letter) {
        if !self.is_closed.load(Ordering::SeqCst) {
            self.inbox.lock().push(letter);
        }
    }

    /// Whether it is the current thread's.
    pub(super) fn is_here(self: &Arc<Self>) -> bool {
        let is_own = |(desk, life): &Here| Arc::ptr_eq(desk, self) && life.strong_count() > 0;
        HERE.with_borrow(|here| here.iter().any(is_own))
    }

    /// Calls the thread, whichever it is.
    pub(super) fn wake(&self) {
        if !self.is_called.swap(true, Ordering::SeqCst) {
            self.call.notify_one();
        }
    }
}

/// Runs on a thread as long as it lives.
async fn serve(desk: Arc<Desk>, mut cards: Cards) {
    loop {
        desk.call.notified().await;
        // Before the inbox is looked at: whoever comes later calls again.
        desk.is_called.store(false, Ordering::SeqCst);
        while cards.take_turn() {
            // Not by a call: that would be answered before the thread's other tasks.
            yield_now().await;
        }
    }
}

/// The cards of one thread.
struct Cards {
    desk: Arc<Desk>,
    durability: Arc<Durability>,
    seats: Vec<Option<Box<(CardActor, Seat)>>>,
    /// Letters that were taken from the inbox and wait for their turn.
    letters: VecDeque<Letter>,
    /// Cards that may go to rest, many at a time: behind whatever somebody waits for.
    leaving: VecDeque<Letter>,
    /// Errands of which a part was run in this turn.
    begun: Vec<Letter>,
    /// Tickets that were decided in a row, and are to be told next.
    row: Row<Box<Ticket>>,
    _life: Rc<()>,
}

/// What is decided in a row, at the same moment. The answers are told after it: deciding one request after
/// the other, then telling one answer after the other, each finds its code still at hand.
struct Row<T> {
    /// When it began, and what was known then; nothing before the first of it is decided.
    moment: Option<Moment>,
    /// Whose answers are to be told, what must be on disk first, and what came of it.
    fresh: Vec<(T, u64, Fresh)>,
}

impl<T> Row<T> {
    fn new() -> Self {
        Self {
            moment: None,
            fresh: Vec::with_capacity(IN_A_ROW),
        }
    }
}

impl Drop for Cards {
    /// Whoever still waits for an answer learns that there will be none.
    fn drop(&mut self) {
        self.desk.is_closed.store(true, Ordering::SeqCst);
        let letters = mem::take(&mut *self.desk.inbox.lock());
        drop(letters);
    }
}

impl Cards {
    /// Handles what lies in the inbox now, or so much of it that others have their turn soon; whether
    /// some of it is left.
    fn take_turn(&mut self) -> bool {
        for letter in self.desk.inbox.lock().drain(..) {
            let queue = if letter.may_wait() {
                &mut self.leaving
            } else {
                &mut self.letters
            };
            queue.push_back(letter);
        }
        for _ in 0..LETTERS_PER_TURN / IN_A_ROW {
            self.take_row();
        }
        for _ in 0..RETIRED_PER_TURN {
            let Some(letter) = self.leaving.pop_front() else {
                break;
            };
            self.open_letter(letter);
        }
        self.letters.extend(self.begun.drain(..));
        if !self.desk.inbox.lock().is_empty() {
            self.desk.wake();
        }
        !self.letters.is_empty() || !self.leaving.is_empty()
    }

    fn take_row(&mut self) {
        let next = self.letters.iter().take(IN_A_ROW);
        self.warm(next.filter_map(Letter::asked));
        for _ in 0..IN_A_ROW {
            let Some(letter) = self.letters.pop_front() else {
                break;
            };
            self.open_letter(letter);
        }
        self.tell();
    }

    /// Has the memory of the next requests and their cards fetched at once, side by side: one after the
    /// other, each decision would begin with two dozen waits for it.
    fn warm<'a>(&self, next: impl Iterator<Item = (Place, &'a Request)>) {
        let both = next.map(|(place, request)| {
            let seat = self.seats.get(place.index()).and_then(Option::as_deref);
            seat.map_or(0, |(card, _)| card.warm()) ^ request.warm()
        });
        black_box(both.fold(0, |all, one| all ^ one));
    }

    fn open_letter(&mut self, letter: Letter) {
        match letter {
            Letter::Start(place, card) => self.seat(place, *card),
            Letter::Execute(place, mut ticket) => {
                let mut moment = self.row.moment.take();
                let actor = ticket.actor;
                let execute = Execute {
                    request: &mut ticket.request,
                    is_last: true,
                    moment: &mut moment,
                };
                let executed = self.with(place, actor, |card, seat| card.handle(execute, seat).0);
                self.row.moment = moment;
                if let Some((lsn, fresh)) = executed {
                    self.row.fresh.push((ticket, lsn, fresh));
                }
            }
            Letter::Errand(errand) => {
                // Nobody's answer waits for a whole errand.
                self.tell();
                self.run(errand);
            }
            Letter::Look(place, actor, look) => {
                self.with(place, actor, |card, seat| card.handle(look, seat));
            }
            Letter::Retire(place, actor, retire) => {
                self.with(place, actor, |card, seat| card.handle(retire, seat));
            }
            Letter::Join(place, actor, join) => {
                self.with(place, actor, |card, seat| card.handle(join, seat));
            }
            Letter::Absorb(place, actor, absorb) => {
                self.with(place, actor, |card, seat| card.handle(absorb, seat));
            }
            Letter::Answered(place, actor, answered) => {
                self.with(place, actor, |card, seat| card.handle(answered, seat));
            }
        }
    }

    /// Tells what was decided in a row and ends the row.
    fn tell(&mut self) {
        self.row.moment = None;
        for (mut ticket, lsn, fresh) in self.row.fresh.drain(..) {
            // Who asked may have gone away; what was decided stands all the same.
            ticket.seal(fresh);
            let lane = ticket.lane.clone();
            self.durability.deliver(&lane, lsn, ticket);
        }
    }

    /// Runs a part of an errand, or the rest of it and sends it home.
    fn run(&mut self, mut errand: Box<Errand>) {
        errand.make_room();
        for _ in 0..ITEMS_PER_TURN / IN_A_ROW {
            self.run_row(&mut errand);
        }
        if errand.done < errand.items.len() {
            return self.begun.push(Letter::Errand(errand));
        }
        errand.end();
        let (lane, lsn) = (errand.lane.clone(), errand.lsn);
        self.durability.deliver(&lane, lsn, errand);
    }

    fn run_row(&mut self, errand: &mut Errand) {
        let next = errand.items.iter().skip(errand.done).take(IN_A_ROW);
        self.warm(next.map(|item| (item.place, &item.request)));
        let mut row = Row::new();
        for index in errand.done..errand.done.saturating_add(IN_A_ROW) {
            let Some(item) = errand.items.get_mut(index) else {
                break;
            };
            let execute = Execute {
                request: &mut item.request,
                is_last: item.is_last,
                moment: &mut row.moment,
            };
            let execute = |card: &mut CardActor, seat: &mut Seat| card.handle(execute, seat).0;
            if let Some((lsn, fresh)) = self.with(item.place, item.actor, execute) {
                row.fresh.push((index, lsn, fresh));
            }
            errand.done = index.saturating_add(1);
        }
        for (index, lsn, fresh) in row.fresh {
            errand.lsn = errand.lsn.max(lsn);
            errand.seal(index, fresh);
        }
    }

    fn seat(&mut self, place: Place, card: CardActor) {
        let index = place.index();
        if self.seats.len() <= index {
            self.seats
                .resize_with(index.saturating_add(1), Option::default);
        }
        if let Some(seat) = self.seats.get_mut(index) {
            *seat = Some(Box::new((card, Seat::default())));
        }
    }

    /// Lets a card handle one message. Nothing comes of it if the card is not there, or panics: then
    /// it is gone, and only it.
    fn with<T>(
        &mut self,
        place: Place,
        actor: ActorId,
        handle: impl FnOnce(&mut CardActor, &mut Seat) -> T,
    ) -> Option<T> {
        let seat = self.seats.get_mut(place.index())?;
        let (card, context) = seat.as_deref_mut().filter(|(card, _)| card.id() == actor)?;
        let handled = catch_unwind(AssertUnwindSafe(|| handle(card, context)));
        match handled {
            Ok(value) => {
                if context.is_leaving() {
                    *seat = None;
                    self.desk.places.lock().free.push(place);
                }
                Some(value)
            }
            Err(_) => {
                tracing::error!(actor = actor.0, "a card panicked: it answers no more");
                *seat = None;
                None
            }
        }
    }
}
