//! What goes on beside the books: purchases, deliveries, accounts that change; and the end of it all.

use std::sync::Arc;

use cardwright::domain::{
    account::Status,
    books::{BooksCommand, State, Step, StepOn},
    command::{Authorize, ChangeAccount, Command, StepRequest},
    hold::TransactionType,
    ids::{AccountNo, ActorId},
    merchant::{Merchant, TransactionMedium},
    money::LocalAmount,
};

use super::{
    ops::Op,
    play::{ACCOUNTS, CARD, Play, amount, bare},
};
use crate::books::currency;

impl Play {
    /// What is no command of the books.
    pub(crate) fn beside(&mut self, op: &Op) {
        if let Op::Wait { seconds } = op {
            self.shell.now = self.shell.now.plus_seconds(i64::from(*seconds));
        } else if let Op::Deliver { which } = op {
            self.deliver(*which);
        } else if let Op::Purchase { amount } = op {
            self.purchase(*amount);
        } else if let Op::EndPurchase { which, captured } = op {
            self.end_purchase(*which, *captured);
        } else if let Op::Freeze { account } = op {
            self.change(*account, false);
        } else if let Op::Delete { account } = op {
            self.change(*account, true);
        }
    }

    pub(crate) fn deliver(&mut self, which: usize) {
        if self.outgoing.is_empty() {
            return;
        }
        let transfer = self.outgoing.remove(which % self.outgoing.len());
        let (id, source) = (transfer.id, transfer.source_actor);
        let minor = transfer.amount.minor();
        let arrives = self
            .model
            .arrives(transfer.destination.0, transfer.asset, minor);
        let home = ActorId(self.model.accounts[&transfer.destination.0].actor);
        let received = self
            .shell
            .run(home, &Command::ReceiveTransfer(Box::new(transfer)));
        // A destination that counts another thing says so; whoever asks sees to it before.
        assert_eq!(received.is_ok(), arrives, "{received:?}");
        let end = if received.is_ok() {
            Command::SettleTransfer(id)
        } else {
            Command::ReturnTransfer(id)
        };
        self.shell.run(source, &end).unwrap();
        self.compare();
    }

    pub(crate) fn purchase(&mut self, minor: i128) {
        let request = Authorize {
            account: AccountNo(CARD),
            transaction_id: format!("ctx-{}", self.shell.lsn),
            kind: TransactionType::Purchase,
            local: LocalAmount {
                minor: amount(minor),
                currency: currency("USD"),
            },
            usd_amount: None,
            merchant: Merchant::default(),
            medium: TransactionMedium::default(),
            allow_partial: false,
            capture: false,
        };
        let approved = self.model.purchase(CARD, bare("USD"), minor);
        let events = self
            .shell
            .run(ActorId(1), &Command::Authorize(Arc::new(request)))
            .unwrap();
        let known = events[0]
            .approved()
            .map(|approved| approved.authorization.id);
        assert_eq!(known.is_some(), approved, "{events:?}");
        self.said
            .insert(if approved { "approved" } else { "declined" }.into());
        self.purchases.extend(known.map(|id| (id, minor)));
        self.compare();
    }

    pub(crate) fn end_purchase(&mut self, which: usize, captured: bool) {
        if self.purchases.is_empty() {
            return;
        }
        let (authorization, minor) = self.purchases.remove(which % self.purchases.len());
        let transaction_id = format!("step-{}", self.shell.lsn);
        let (local, is_final) = (None, None);
        let step = StepRequest {
            authorization,
            transaction_id,
            local,
            is_final,
        };
        let command = if captured {
            Command::Capture(step)
        } else {
            Command::Reverse(step)
        };
        self.shell.run(ActorId(1), &command).unwrap();
        self.model.end_purchase(1, bare("USD"), minor, captured);
        self.compare();
    }

    pub(crate) fn change(&mut self, place: usize, deletes: bool) {
        let (no, actor, ..) = ACCOUNTS[place];
        let account = self.model.accounts.get_mut(&no).unwrap();
        // The balances stay, so that there is always something to play with.
        if account.is_deleted || (deletes && !matches!(no, 3 | 11)) {
            return;
        }
        account.is_deleted = deletes;
        account.is_frozen = !deletes && !account.is_frozen;
        let status = match (deletes, account.is_frozen) {
            (true, _) => Status::Deleted,
            (false, true) => Status::Frozen,
            (false, false) => Status::Active,
        };
        let change = ChangeAccount {
            account: AccountNo(no),
            status: Some(status),
            status_reason: None,
            metadata: None,
            webhook_url: None,
            card: None,
        };
        let command = Command::ChangeAccount(Box::new(change));
        self.shell.run(ActorId(actor), &command).unwrap();
    }

    /// Brings everything to its end: nothing is held and nothing is on its way.
    pub(crate) fn finish(&mut self) {
        for head in self.heads.clone() {
            if self.model.transactions[&head].state == State::Reserved {
                self.decide(head, false);
            }
        }
        for (head, is_done) in self.decided.clone() {
            for actor in [1, 10, 20] {
                let _ = self.ask(actor, BooksCommand::Follow { head, is_done });
            }
        }
        // What was reserved by its time may have a head that was not.
        for id in self.ids.clone() {
            let tx = &self.model.transactions[&id];
            if let (State::Reserved, Some(head)) = (tx.state, tx.head) {
                let is_done = false;
                self.ask(id.actor.0, BooksCommand::Follow { head, is_done })
                    .unwrap();
            }
        }
        for id in self.ids.clone() {
            if self.model.transactions[&id].state == State::Inflight {
                let (step, merge, recalled) = (Step::Void, None, None);
                let on = Box::new(StepOn {
                    id,
                    step,
                    merge,
                    recalled,
                });
                self.ask(id.actor.0, BooksCommand::Step(on)).unwrap();
            }
        }
        while !self.purchases.is_empty() {
            self.end_purchase(0, false);
        }
        while !self.outgoing.is_empty() {
            self.deliver(0);
        }
        for money in self.model.money.values() {
            assert_eq!(money.1, 0, "nothing is held");
        }
        for group in self.shell.groups.values() {
            assert!(group.outgoing.is_empty() && group.received.is_empty());
        }
    }
}
