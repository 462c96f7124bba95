//! The model: steps on what is inflight, what comes by the time, refunds.

use cardwright::domain::{
    books::{DueKind, Kind, State, Step},
    ids::TransactionId,
    money::Amount,
    time::Timestamp,
};

use super::model::{At, Model, Said, Tx};

impl Model {
    pub(super) fn step(&mut self, actor: u64, id: TransactionId, step: Step) -> Said {
        let Some(tx) = self.transactions.get(&id).cloned() else {
            return Err("no transaction".into());
        };
        if tx.state != State::Inflight {
            return Err(format!("is {}", tx.state.word()));
        }
        match step {
            Step::Commit(amount) => {
                let amount = amount.map_or(tx.left(), Amount::minor);
                self.commit(actor, id, amount)
            }
            Step::Void => Ok(self.let_go(actor, id, ("Voided", State::Voided))),
        }
    }

    fn commit(&mut self, actor: u64, id: TransactionId, amount: i128) -> Said {
        let tx = self.transactions[&id].clone();
        if !tx.is_head() && (amount == 0 || amount > tx.left()) {
            return Err("more than inflight".into());
        }
        let amount = amount.min(tx.left());
        let mut lines = Vec::new();
        let mut child = String::new();
        if !tx.is_head() {
            let ledger = self.accounts[&tx.source].ledger;
            lines = self.pay(actor, &tx, At::Held(ledger), amount);
            child = self.child(actor, &tx, (Kind::Commit, State::Applied), amount);
        }
        let tx = self.transactions.get_mut(&id).unwrap();
        tx.committed += amount;
        if tx.left() == 0 {
            tx.state = State::Committed;
        }
        lines.insert(0, format!("Committed {id} {}{child}", tx.state.word()));
        Ok(lines)
    }

    fn let_go(
        &mut self,
        actor: u64,
        id: TransactionId,
        (word, state): (&str, State),
    ) -> Vec<String> {
        let tx = self.transactions[&id].clone();
        let left = tx.left();
        let mut child = String::new();
        if !tx.is_head() {
            let ledger = self.accounts[&tx.source].ledger;
            self.move_money(At::Held(ledger), At::Spendable(ledger), tx.asset, left);
            child = self.child(actor, &tx, (Kind::Void, state), left);
        }
        let tx = self.transactions.get_mut(&id).unwrap();
        tx.released += left;
        tx.state = state;
        vec![format!("{word} {id} {}{child}", state.word())]
    }

    fn child(&mut self, actor: u64, tx: &Tx, (kind, state): (Kind, State), amount: i128) -> String {
        let id = self.next_id(actor);
        let child = Tx {
            kind,
            state,
            amount,
            committed: 0,
            released: 0,
            refunded: 0,
            head: None,
            ..tx.clone()
        };
        self.transactions.insert(id, child);
        format!(" by {id} {} of {amount}", state.word())
    }

    pub(super) fn due(
        &mut self,
        actor: u64,
        id: TransactionId,
        kind: DueKind,
        now: Timestamp,
    ) -> Said {
        let nothing = || Err("nothing due".to_owned());
        let Some(tx) = self.transactions.get(&id).cloned() else {
            return nothing();
        };
        let (at, state) = match kind {
            DueKind::Scheduled | DueKind::Reserve => (tx.scheduled, State::Scheduled),
            DueKind::Expiry => (tx.expires, State::Inflight),
            DueKind::Commit => (tx.commits, State::Inflight),
        };
        if tx.state != state || at.is_none_or(|at| at > now) {
            return nothing();
        }
        match kind {
            DueKind::Expiry => Ok(self.let_go(actor, id, ("Expired", State::Expired))),
            DueKind::Commit => self.commit(actor, id, tx.left()),
            DueKind::Scheduled => Ok(self.fall(actor, id, tx.wanted())),
            DueKind::Reserve if tx.is_head() => Ok(self.fall(actor, id, State::Reserved)),
            DueKind::Reserve if tx.kind == Kind::Part && tx.parent.is_some() => {
                self.transactions.get_mut(&id).unwrap().head = tx.parent;
                Ok(self.fall(actor, id, State::Reserved))
            }
            DueKind::Reserve => nothing(),
        }
    }

    fn fall(&mut self, actor: u64, id: TransactionId, state: State) -> Vec<String> {
        self.transactions.get_mut(&id).unwrap().state = state;
        match self.begin(actor, id, 0) {
            Ok(sent) => {
                let line = format!("Fell {id} {}", state.word());
                std::iter::once(line).chain(sent).collect()
            }
            Err(why) => {
                self.transactions.get_mut(&id).unwrap().state = State::Rejected;
                vec![format!("Fell {id} REJECTED {why}")]
            }
        }
    }

    pub(super) fn refund(&mut self, id: TransactionId, amount: i128, is_taken: bool) -> Said {
        let tx = self.transactions.get_mut(&id).ok_or("no transaction")?;
        let goes_back = matches!(
            tx.kind,
            Kind::Single | Kind::Part | Kind::Commit | Kind::Refund
        );
        if tx.state != State::Applied || !goes_back {
            return Err(format!("is {}", tx.state.word()));
        }
        let room = if is_taken {
            tx.amount - tx.refunded
        } else {
            tx.refunded
        };
        if amount == 0 || amount > room {
            return Err("more than applied".into());
        }
        tx.refunded += if is_taken { amount } else { -amount };
        Ok(vec![format!("Refunded {id} APPLIED")])
    }
}
