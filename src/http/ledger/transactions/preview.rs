//! `dry_run`: what would come of a request, worked out from balances as they stand. Nothing is recorded, no
//! reference is used up, no balance is made.

use std::collections::BTreeMap;

use crate::{
    books::{Ask, BalanceView, BooksError, Origin, Share, view},
    domain::{
        books::{Overdraft, Reason, State, Step, Transaction},
        ids::{AccountNo, TransactionId},
        money::{Amount, Asset},
        outcome::Rejection,
        uuids::BalanceId,
    },
    http::{
        App,
        ledger::fault::Fault,
        write::{Object, key},
    },
};

/// The sums of a balance, in smallest units.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    credit: i128,
    debit: i128,
    inflight_credit: i128,
    inflight_debit: i128,
    /// Reserved for what is being decided.
    queued_debit: i128,
}

impl Sums {
    fn of(known: &BalanceView) -> Self {
        let queued = known.reserved.minor();
        Self {
            credit: known.balance.incoming,
            debit: known.balance.outgoing,
            inflight_credit: known.expected.minor(),
            inflight_debit: known.balance.pending.saturating_sub(queued),
            queued_debit: queued,
        }
    }

    const fn balance(self) -> i128 {
        self.credit.saturating_sub(self.debit)
    }

    const fn available(self) -> i128 {
        let held = self.inflight_debit.saturating_add(self.queued_debit);
        self.balance().saturating_sub(held)
    }
}

/// A balance as it would be.
#[derive(Clone, Debug)]
struct Projected {
    id: String,
    asset: Asset,
    /// Whether it would only be made.
    is_virtual: bool,
    sums: Sums,
}

/// What one transaction would do to one balance.
#[derive(Debug)]
struct Touched {
    role: &'static str,
    before: Projected,
    after: Sums,
}

/// What would come of one transaction.
#[derive(Debug)]
pub(super) struct Preview {
    rejection: Option<(&'static str, String)>,
    operation: Option<&'static str>,
    status: &'static str,
    reference: String,
    asset: Asset,
    amount: String,
    precise: Amount,
    precision: u64,
    touched: Vec<Touched>,
    legs: Vec<(String, &'static str, Amount)>,
}

impl Preview {
    /// Whether it would be done.
    pub(super) const fn would_apply(&self) -> bool {
        self.rejection.is_none()
    }
}

/// How much of what goes which way.
#[derive(Clone, Copy)]
enum Way {
    /// At once.
    Applied,
    /// It is held.
    Held,
    /// What is held is taken.
    Taken,
    /// What is held is let go.
    LetGo,
}

/// Works it out; what an earlier request of the same run would do counts for the next.
pub(super) struct Projector<'a> {
    app: &'a App,
    origin: &'a Origin,
    known: BTreeMap<String, Projected>,
}

impl<'a> Projector<'a> {
    pub(super) const fn new(app: &'a App, origin: &'a Origin) -> Self {
        Self {
            app,
            origin,
            known: BTreeMap::new(),
        }
    }

    /// What would come of an ask.
    ///
    /// # Errors
    ///
    /// What cannot be asked at all is refused as without `dry_run`.
    pub(super) async fn ask(&mut self, ask: &Ask) -> Result<Preview, Fault> {
        let mut moves = Vec::new();
        let mut legs = Vec::new();
        for (shares, role) in [(&ask.sources, "source"), (&ask.destinations, "destination")] {
            for share in shares {
                let id = self.find(&share.name, ask.asset).await?;
                moves.push((id, role, share.amount));
            }
            if shares.len() > 1 {
                legs.extend(
                    shares
                        .iter()
                        .map(|share: &Share| (share.name.to_string(), role, share.amount)),
                );
            }
        }
        let now = self.app.engine.shared.clock.now();
        let is_later = ask.scheduled_for.is_some_and(|at| at > now);
        let mut preview = Preview {
            rejection: None,
            operation: None,
            status: match (is_later, ask.marks.inflight) {
                (true, _) => "SCHEDULED",
                (false, true) => "INFLIGHT",
                (false, false) => "APPLIED",
            },
            reference: ask.reference.clone(),
            asset: ask.asset,
            amount: ask.precision.amount.clone(),
            precise: ask.amount,
            precision: ask.precision.factor,
            touched: Vec::new(),
            legs,
        };
        let used = self
            .app
            .books
            .by_reference(self.origin, &ask.reference)
            .await;
        if used.is_ok() {
            let reference = ask.reference.clone();
            let text = BooksError::Duplicate { reference }.to_string();
            preview.refuse("TXN_DUPLICATE_REFERENCE", text);
            return Ok(preview);
        }
        if is_later {
            return Ok(preview);
        }
        let way = if ask.marks.inflight {
            Way::Held
        } else {
            Way::Applied
        };
        self.project(&mut preview, &moves, (way, ask.overdraft));
        Ok(preview)
    }

    /// What would come of a step on what is inflight.
    ///
    /// # Errors
    ///
    /// 404.
    pub(super) async fn step(&mut self, id: TransactionId, step: Step) -> Result<Preview, Fault> {
        let known = self.app.books.get(self.origin, id).await?;
        let mut preview = of(&known, known.amount);
        let (operation, status, way) = match step {
            Step::Commit(_) => ("commit", "APPLIED", Way::Taken),
            Step::Void => ("void", "VOID", Way::LetGo),
        };
        preview.operation = Some(operation);
        preview.status = status;
        if known.state != State::Inflight {
            let state = known.state;
            return Ok(preview.refused(Rejection::TransactionForbids { state }));
        }
        let left = known.left();
        let asked = match step {
            Step::Commit(Some(asked)) => asked,
            Step::Commit(None) | Step::Void => left,
        };
        if asked > left {
            return Ok(preview.refused(Rejection::MoreThanInflight { left, asked }));
        }
        preview.precise = asked;
        preview.amount = view::units_of(asked, preview.precision);
        let mut moves = Vec::new();
        for part in self.leaves(&known).await? {
            let amount = if known.is_head() { part.left() } else { asked };
            moves.extend(self.sides(&part, amount, ("source", "destination")).await?);
        }
        self.project(&mut preview, &moves, (way, Overdraft::Unlimited));
        Ok(preview)
    }

    /// What would come of a refund.
    ///
    /// # Errors
    ///
    /// 404.
    pub(super) async fn refund(&mut self, id: TransactionId) -> Result<Preview, Fault> {
        let known = self.app.books.get(self.origin, id).await?;
        let left = known.amount.minus_or_zero(known.refunded);
        let mut preview = of(&known, left);
        if !matches!(known.state, State::Applied | State::Committed) {
            let state = known.state;
            return Ok(preview.refused(Rejection::TransactionForbids { state }));
        }
        if left.is_zero() {
            let asked = known.amount;
            return Ok(preview.refused(Rejection::MoreThanApplied { left, asked }));
        }
        let mut moves = Vec::new();
        for part in self.leaves(&known).await? {
            let amount = part.amount.minus_or_zero(part.refunded);
            moves.extend(self.sides(&part, amount, ("destination", "source")).await?);
        }
        self.project(&mut preview, &moves, (Way::Applied, Overdraft::No));
        Ok(preview)
    }

    /// Those that move the money: of a head its parts.
    async fn leaves(&self, known: &Transaction) -> Result<Vec<Transaction>, Fault> {
        let mut leaves = Vec::new();
        let mut waiting = vec![known.clone()];
        while let Some(one) = waiting.pop() {
            if !one.is_head() {
                leaves.push(one);
                continue;
            }
            for part in one.parts.iter().rev() {
                let part = self.app.books.get(self.origin, *part).await?;
                waiting.push((*part).clone());
            }
        }
        Ok(leaves)
    }

    async fn sides(
        &mut self,
        part: &Transaction,
        amount: Amount,
        (of_source, of_destination): (&'static str, &'static str),
    ) -> Result<[(String, &'static str, Amount); 2], Fault> {
        let source = BalanceId::new(part.source.ledger, part.asset).to_string();
        let destination = BalanceId::new(part.destination.ledger, part.asset).to_string();
        let source = self.find(&source, part.asset).await?;
        let destination = self.find(&destination, part.asset).await?;
        Ok([
            (source, of_source, amount),
            (destination, of_destination, amount),
        ])
    }

    /// Finds a balance by what callers call it; one of an indicator need not be there yet.
    async fn find(&mut self, name: &str, asset: Asset) -> Result<String, Fault> {
        let books = &self.app.books;
        let found = if name.starts_with('@') {
            books.known_indicator(self.origin, name, asset).await
        } else if let Ok(id) = name.parse::<BalanceId>() {
            books.balance(self.origin, id).await
        } else {
            let missing = BooksError::NotFound("balance");
            match name.parse::<AccountNo>() {
                Ok(account) => {
                    let all = books.balances_of(self.origin, account).await?;
                    let fits = |view: &BalanceView| view.asset == asset;
                    all.into_iter().find(fits).ok_or(missing)
                }
                Err(_) => Err(missing),
            }
        };
        let projected = match found {
            Ok(known) if known.asset != asset => {
                let message = format!("the balance is in {}", known.asset);
                return Err(Fault::invalid("TXN_VALIDATION_ERROR", "currency", message));
            }
            Ok(known) => Projected {
                id: known.id.to_string(),
                asset,
                is_virtual: false,
                sums: Sums::of(&known),
            },
            Err(BooksError::NotFound(_)) if name.starts_with('@') => Projected {
                id: name.to_owned(),
                asset,
                is_virtual: true,
                sums: Sums::default(),
            },
            Err(error) => return Err(error.into()),
        };
        let key = format!("{} {asset}", projected.id);
        self.known.entry(key.clone()).or_insert(projected);
        Ok(key)
    }

    /// Moves the money on paper; all of it or nothing.
    fn project(
        &mut self,
        preview: &mut Preview,
        moves: &[(String, &'static str, Amount)],
        (way, overdraft): (Way, Overdraft),
    ) {
        let mut after = self.known.clone();
        for (key, role, amount) in moves {
            let Some(one) = after.get_mut(key) else {
                continue;
            };
            if *role == "source"
                && let Err(reason) = check(one.sums, *amount, (way, overdraft))
            {
                preview.refuse("TXN_INSUFFICIENT_FUNDS", view::sentence(&reason));
                break;
            }
            one.sums = moved(one.sums, *role == "source", *amount, way);
        }
        let is_done = preview.would_apply();
        let mut seen: Vec<(&str, &str)> = Vec::new();
        for (key, role, _) in moves {
            if seen.contains(&(key.as_str(), *role)) {
                continue;
            }
            seen.push((key, role));
            let (Some(before), Some(one)) = (self.known.get(key), after.get(key)) else {
                continue;
            };
            preview.touched.push(Touched {
                role,
                before: before.clone(),
                after: if is_done { one.sums } else { before.sums },
            });
        }
        if is_done {
            self.known = after;
        }
    }
}

fn moved(sums: Sums, is_source: bool, amount: Amount, way: Way) -> Sums {
    let minor = amount.minor();
    let mut sums = sums;
    let (sum, inflight) = if is_source {
        (&mut sums.debit, &mut sums.inflight_debit)
    } else {
        (&mut sums.credit, &mut sums.inflight_credit)
    };
    match way {
        Way::Applied => *sum = sum.saturating_add(minor),
        Way::Held => *inflight = inflight.saturating_add(minor),
        Way::Taken => {
            *sum = sum.saturating_add(minor);
            *inflight = inflight.saturating_sub(minor);
        }
        Way::LetGo => *inflight = inflight.saturating_sub(minor),
    }
    sums
}

fn check(sums: Sums, amount: Amount, (way, overdraft): (Way, Overdraft)) -> Result<(), Reason> {
    if matches!(way, Way::Taken | Way::LetGo) {
        return Ok(());
    }
    let available = |limit: Amount| {
        let sum = sums.available().saturating_add(limit.minor());
        Amount::from_minor(sum.max(0)).unwrap_or(Amount::ZERO)
    };
    let required = amount;
    match overdraft {
        Overdraft::Unlimited => Ok(()),
        Overdraft::No if available(Amount::ZERO) >= amount => Ok(()),
        Overdraft::No => Err(Reason::InsufficientFunds {
            available: available(Amount::ZERO),
            required,
        }),
        Overdraft::UpTo(limit) if available(limit) >= amount => Ok(()),
        Overdraft::UpTo(limit) => Err(Reason::OverdraftLimit {
            available: available(limit),
            required,
        }),
    }
}

fn of(known: &Transaction, amount: Amount) -> Preview {
    Preview {
        rejection: None,
        operation: None,
        status: "APPLIED",
        reference: known.terms.reference.clone(),
        asset: known.asset,
        amount: view::units_of(amount, known.precision.factor),
        precise: amount,
        precision: known.precision.factor,
        touched: Vec::new(),
        legs: Vec::new(),
    }
}

impl Preview {
    fn refuse(&mut self, code: &'static str, message: String) {
        self.status = "REJECTED";
        self.rejection = Some((code, message));
    }

    fn refused(mut self, rejection: Rejection) -> Self {
        let fault = Fault::from(rejection);
        self.refuse(fault.code, fault.message);
        self
    }

    /// Writes it at the end of `out`.
    pub(super) fn write_into(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        self.members(&mut object);
        object.end();
    }

    fn members(&self, object: &mut Object<'_>) {
        object.boolean(key!("dry_run"), true);
        object.boolean(key!("would_apply"), self.would_apply());
        if let Some((code, message)) = &self.rejection {
            object.object(key!("rejection"), |inner| {
                inner.plain(key!("code"), code);
                inner.text(key!("reason"), message);
                inner.text(key!("message"), message);
            });
        }
        if let Some(operation) = self.operation {
            object.plain(key!("operation"), operation);
        }
        object.plain(key!("status"), self.status);
        object.text(key!("reference"), &self.reference);
        object.plain(key!("currency"), &self.asset.to_string());
        object.json(key!("amount"), &self.amount);
        object.int(key!("precise_amount"), self.precise.minor());
        object.number(key!("precision"), i128::from(self.precision));
        object.objects(key!("balances"), self.touched.iter(), |inner, touched| {
            let before = &touched.before;
            inner.text(key!("balance_id"), &before.id);
            inner.plain(key!("role"), touched.role);
            inner.plain(key!("currency"), &before.asset.to_string());
            inner.boolean(key!("virtual"), before.is_virtual);
            let (now, then) = (before.sums, touched.after);
            inner.int(key!("current_balance"), now.balance());
            inner.int(key!("current_available"), now.available());
            inner.int(key!("current_credit_balance"), now.credit);
            inner.int(key!("current_debit_balance"), now.debit);
            inner.int(key!("current_inflight_debit_balance"), now.inflight_debit);
            inner.int(key!("current_inflight_credit_balance"), now.inflight_credit);
            inner.int(key!("resulting_balance"), then.balance());
            inner.int(key!("resulting_available"), then.available());
            inner.int(key!("resulting_credit_balance"), then.credit);
            inner.int(key!("resulting_debit_balance"), then.debit);
            inner.int(
                key!("resulting_inflight_debit_balance"),
                then.inflight_debit,
            );
            inner.int(
                key!("resulting_inflight_credit_balance"),
                then.inflight_credit,
            );
        });
        if !self.legs.is_empty() {
            object.objects(
                key!("legs"),
                self.legs.iter(),
                |inner, (name, role, amount)| {
                    inner.text(key!("identifier"), name);
                    inner.plain(key!("role"), role);
                    inner.int(key!("precise_amount"), amount.minor());
                    inner.json(key!("amount"), &view::units_of(*amount, self.precision));
                },
            );
        }
    }
}

/// Writes what would come of many, one after the other.
pub(super) fn write_many(all: &[Preview], is_atomic: bool, out: &mut Vec<u8>) {
    let mut object = Object::begin(out);
    object.boolean(key!("dry_run"), true);
    object.boolean(key!("would_apply"), all.iter().all(Preview::would_apply));
    object.boolean(key!("cumulative"), true);
    object.boolean(key!("atomic"), is_atomic);
    object.objects(key!("results"), all.iter(), |inner, one| one.members(inner));
    object.end();
}
