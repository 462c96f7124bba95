//! Lines to commands.

use std::sync::Arc;

use cardwright::domain::{
    account::{Medium, Status, StatusReason},
    command::{
        Authorize, ChangeAccount, Command, MoveMoney, OpenAccount, Purpose, SendTransfer,
        StepAmount, StepRequest, Transfer,
    },
    hold::TransactionType,
    ids::{AccountNo, ActorId, AuthorizationId, LedgerNo, TransferId},
    merchant::{Merchant, TransactionMedium},
    money::{Amount, Asset, LocalAmount},
    policy::Policy,
    time::{Month, Timestamp},
};

use super::{Line, World};
use crate::books::{asset, currency};

impl World {
    /// Does what the line asks and says what came of it.
    pub(crate) fn ask(&mut self, line: &Line<'_>) -> String {
        match line.verb {
            "open" => self.open(line),
            "status" => self.status(line),
            "fund" | "withdraw" => self.move_money(line),
            "transfer" => self.transfer(line),
            "receive" | "settle" | "return" => self.transit(line),
            "authorize" | "force" => self.authorize(line),
            "increment" | "capture" | "reverse" | "refund" | "expire" => self.step(line),
            "unrefund" => self.unrefund(line),
            "wait" => self.wait(line),
            "balance" | "show" | "house" | "postings" => self.look(line),
            other => panic!("no verb {other:?}"),
        }
    }

    fn open(&mut self, line: &Line<'_>) -> String {
        let actor = ActorId(line.option("group").map_or(1, |text| text.parse().unwrap()));
        let no = AccountNo(10 + self.accounts.len() as u64);
        let ledger = line.option("shares").map_or(LedgerNo(no.0), |name| {
            let (actor, shared) = self.account(name);
            let account = self.shell.groups[&actor].account(shared);
            account.map_or(LedgerNo(8_888), |account| account.ledger)
        });
        let expiry = line
            .option("expiry")
            .unwrap_or("2030-12")
            .split_once('-')
            .unwrap();
        let card = Medium::Card {
            programme: "card".into(),
            last_four: *b"4242",
            expiry: Month {
                year: expiry.0.parse().unwrap(),
                month: expiry.1.parse().unwrap(),
            },
        };
        let map = line.option("map").map(|text| {
            let (code, assets) = text.split_once(':').unwrap();
            (currency(code), assets.split(',').map(asset).collect())
        });
        let command = Command::OpenAccount(Box::new(OpenAccount {
            card: None,
            no,
            medium: if line.flag("pocket") {
                Medium::Virtual
            } else {
                card
            },
            holder_urn: "did:bloque:sandbox:demo".into(),
            ledger,
            webhook_url: None,
            metadata: "{}".into(),
            policy: Policy {
                default_asset: line.option("default").map(asset),
                fallback_asset: line.option("fallback").map(asset),
                currency_assets: map.into_iter().collect(),
                rules: None,
            },
        }));
        self.accounts.insert(line.words[0].to_owned(), (actor, no));
        self.run(actor, &command)
    }

    /// Opens an account with the number of one that exists.
    pub(crate) fn open_again(&mut self, name: &str) -> String {
        let (actor, no) = self.account(name);
        let command = Command::OpenAccount(Box::new(OpenAccount {
            card: None,
            no,
            medium: Medium::Virtual,
            holder_urn: "did:bloque:sandbox:other".into(),
            ledger: LedgerNo(no.0),
            webhook_url: None,
            metadata: "{}".into(),
            policy: Policy::default(),
        }));
        self.run(actor, &command)
    }

    fn status(&mut self, line: &Line<'_>) -> String {
        let (actor, account) = self.account(line.words[0]);
        let by_word = |word: &&str| {
            Status::ALL
                .into_iter()
                .find(|status| status.word() == *word)
        };
        let reason = |word: &str| {
            StatusReason::ALL
                .into_iter()
                .find(|known| known.word() == word)
        };
        let command = Command::ChangeAccount(Box::new(ChangeAccount {
            card: None,
            account,
            status: line.words.get(1).and_then(by_word),
            status_reason: line.option("reason").map(|word| reason(word).unwrap()),
            metadata: None,
            webhook_url: None,
        }));
        self.run(actor, &command)
    }

    fn move_money(&mut self, line: &Line<'_>) -> String {
        let (actor, account) = self.account(line.option("account").unwrap_or("C"));
        let movement = MoveMoney {
            account,
            asset: line.asset(),
            amount: amount(line.words[0], line.asset()),
            reference: "ref".into(),
            metadata: "{}".into(),
        };
        let command = match line.verb {
            "fund" => Command::Deposit(movement),
            _ => Command::Withdraw(movement),
        };
        self.run(actor, &command)
    }

    fn transfer(&mut self, line: &Line<'_>) -> String {
        let (source_actor, source) = self.account(line.option("from").unwrap_or("C"));
        let (destination_actor, destination) = self.account(line.option("to").unwrap());
        let name = line.option("as").unwrap_or("T");
        let number = self.transfers.len() as u64 + 1;
        let known = self.transfers.get(name);
        let transfer = Transfer {
            id: known.map_or(TransferId(number), |known| known.id),
            source,
            source_urn: "did:source".into(),
            source_actor,
            destination,
            destination_urn: "did:destination".into(),
            destination_actor,
            asset: line.asset(),
            amount: amount(line.words[0], line.asset()),
            reference: String::new(),
            metadata: "{}".into(),
            purpose: Purpose::Transfer,
        };
        self.transfers.insert(name.to_owned(), transfer.clone());
        let is_within = source_actor == destination_actor;
        let send = SendTransfer {
            transfer,
            is_within,
        };
        self.run(source_actor, &Command::SendTransfer(Box::new(send)))
    }

    fn transit(&mut self, line: &Line<'_>) -> String {
        let transfer = self.transfers[line.words[0]].clone();
        let (actor, command) = match line.verb {
            "receive" => (
                transfer.destination_actor,
                Command::ReceiveTransfer(Box::new(transfer)),
            ),
            "settle" => (transfer.source_actor, Command::SettleTransfer(transfer.id)),
            _ => (transfer.source_actor, Command::ReturnTransfer(transfer.id)),
        };
        self.run(actor, &command)
    }

    fn authorize(&mut self, line: &Line<'_>) -> String {
        let (actor, account) = self.account(line.option("account").unwrap_or("C"));
        let word = line.option("type").unwrap_or("PURCHASE");
        let kind = TransactionType::ALL
            .into_iter()
            .find(|kind| kind.word() == word);
        let request = Arc::new(Authorize {
            account,
            transaction_id: line.words[0].to_owned(),
            kind: kind.unwrap(),
            local: LocalAmount::parse(line.words[1], currency(line.words[2])).unwrap(),
            usd_amount: None,
            merchant: Merchant {
                mcc: line.option("mcc").map(|text| text.parse().unwrap()),
                ..Merchant::default()
            },
            medium: TransactionMedium::default(),
            allow_partial: line.flag("partial"),
            capture: line.flag("capture"),
        });
        let command = match line.verb {
            "force" => Command::ForcePost(request),
            _ => Command::Authorize(request),
        };
        let said = self.run(actor, &command);
        let number = self.shell.groups[&actor].authorizations;
        let id = AuthorizationId { actor, number };
        self.authorizations.insert(line.words[0].to_owned(), id);
        said
    }

    fn request(&self, line: &Line<'_>) -> StepRequest {
        let unknown = AuthorizationId {
            actor: ActorId(1),
            number: 777,
        };
        let known = self.authorizations.get(line.words[0]);
        StepRequest {
            authorization: known.copied().unwrap_or(unknown),
            transaction_id: "step".into(),
            local: line.words.get(1).map(|text| StepAmount {
                value: text.parse().unwrap(),
                currency: line.words.get(2).map(|code| currency(code)),
            }),
            is_final: line.option("final").map(|text| text == "true"),
        }
    }

    fn step(&mut self, line: &Line<'_>) -> String {
        let step = self.request(line);
        let id = step.authorization;
        let command = match line.verb {
            "increment" => Command::Increment(step),
            "capture" => Command::Capture(step),
            "reverse" => Command::Reverse(step),
            "expire" => Command::Expire(id),
            _ => Command::Refund(step),
        };
        let said = self.run(id.actor, &command);
        if let Some(name) = line.option("as") {
            self.refunds.insert(name.to_owned(), (id, self.shell.lsn));
        }
        said
    }

    fn unrefund(&mut self, line: &Line<'_>) -> String {
        let known = self.refunds.get(line.words[0]);
        let (authorization, refund) = known.copied().expect("a refund with that name");
        let step = StepRequest {
            authorization,
            ..self.request(line)
        };
        self.run(
            authorization.actor,
            &Command::ReverseRefund { step, refund },
        )
    }

    /// `wait early A1` and `wait due A1`: the next command comes a microsecond before the hold ends,
    /// or at its end; `wait 2026-02-01T00:00:00Z`: at that moment.
    fn wait(&mut self, line: &Line<'_>) -> String {
        let ends = |name: &str| self.shell.recalled[&self.authorizations[name]].expires_at;
        let target = match line.words[0] {
            "early" => Timestamp::from_micros(ends(line.words[1]).micros() - 1),
            "due" => ends(line.words[1]),
            text => text.parse().unwrap(),
        };
        self.shell.now = target.plus_seconds(-1);
        "waited".into()
    }
}

fn amount(text: &str, asset: Asset) -> Amount {
    let (whole, places) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!(
        "{whole}{places:0<width$}",
        width = usize::from(asset.decimals())
    );
    digits.parse().unwrap()
}
