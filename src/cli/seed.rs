//! `cardwright seed`: cards with money and a few purchases, so that there is something to look at.

use std::{io::Write, process::ExitCode};

use clap::Args;
use serde_json::{Value, json};

use super::{
    live::{Answer, Server, ServerArgs},
    outcome::{CliError, Out, conclude, json_line},
    table::{Align, Table, terminal_width},
};
use crate::domain::money::{Amount, Asset};

/// Cards in one call. Source: the contract of `POST /v1/sandbox/seed`.
const CARDS_MAX: u64 = 10_000;

/// Arguments of `cardwright seed`.
#[derive(Args)]
pub struct SeedArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// How many cards to make
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    cards: u64,
    /// What is put on each card
    #[arg(long, value_name = "SYMBOL/DECIMALS", default_value = "DUSD/6")]
    asset: String,
    /// How much is put on each card, in the asset's smallest unit
    #[arg(long, value_name = "N", default_value = "1000000000")]
    amount: String,
    /// Whose cards
    #[arg(long, value_name = "URN", default_value = "did:bloque:sandbox:demo")]
    holder: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
#[must_use]
pub fn run(args: &SeedArgs) -> ExitCode {
    conclude("seed", |out| {
        let server = args.server.server()?;
        let asset: Asset =
            (args.asset.parse()).map_err(|error| CliError::Usage(format!("--asset: {error}")))?;
        let amount: Amount =
            (args.amount.parse()).map_err(|error| CliError::Usage(format!("--amount: {error}")))?;
        let cards = make_cards(&server, args, asset, amount)?;
        let Some(card) = cards.first() else {
            return Err(CliError::Fault("the server made no cards".to_owned()));
        };
        let steps = if amount.is_zero() {
            Vec::new()
        } else {
            purchases(&server, card)?
        };
        print(out, args, &cards, &steps)?;
        Ok(true)
    })
}

fn make_cards(
    server: &Server,
    args: &SeedArgs,
    asset: Asset,
    amount: Amount,
) -> Result<Vec<String>, CliError> {
    let mut cards: Vec<String> = Vec::new();
    let mut left = args.cards;
    while left > 0 {
        let body = json!({
            "holder_urn": args.holder, "cards": left.min(CARDS_MAX),
            "asset": asset.to_string(), "amount": amount.to_string(),
        });
        let answer = server.post("/v1/sandbox/seed", &body)?;
        let code = answer.body.pointer("/error/code").and_then(Value::as_str);
        if answer.status == 404 && code == Some("not_found") {
            let what =
                "the server makes no sandbox data: start it with `cardwright serve --sandbox`";
            return Err(CliError::Fault(what.to_owned()));
        }
        let answer = answer.successful()?;
        let made = answer.body.get("cards").and_then(Value::as_array);
        let made = made.ok_or_else(|| answer.lacks("/cards"))?;
        cards.extend(made.iter().filter_map(Value::as_str).map(str::to_owned));
        left = left.saturating_sub(CARDS_MAX);
    }
    Ok(cards)
}

/// One thing that was done, for the table.
struct Step {
    what: &'static str,
    answer: Answer,
}

const MERCHANTS: [(&str, &str, &str); 4] = [
    ("GREEN GROCER", "5411", "Seattle"),
    ("CORNER CAFE", "5814", "Portland"),
    ("CITY BOOKS", "5942", "Seattle"),
    ("GRAND JEWELLER", "5944", "New York"),
];

/// A few purchases and what becomes of them: held, captured, partly refunded, declined.
fn purchases(server: &Server, card: &str) -> Result<Vec<Step>, CliError> {
    let short = card.rsplit(':').next().unwrap_or_default();
    let purchase = |number: usize, amount: &str| {
        let (name, mcc, city) = (MERCHANTS.get(number)).copied().unwrap_or_default();
        let body = json!({
            "transaction_id": format!("seed-{short}-{number}"), "card": card,
            "transaction_type": "PURCHASE", "local_amount": amount, "local_currency": "USD",
            "merchant": {"id": format!("m-{number}"), "name": name, "mcc": mcc, "city": city,
                "country": "USA"},
        });
        server.post("/v1/authorizations", &body)?.successful()
    };
    let step = |answer: &Answer, name: &str, amount: Option<&str>| {
        let id = answer.text("/id")?;
        let mut body = json!({ "transaction_id": format!("seed-{id}-{name}") });
        if let (Some(amount), Some(object)) = (amount, body.as_object_mut()) {
            object.insert("local_amount".to_owned(), json!(amount));
        }
        let path = format!("/v1/authorizations/{id}/{name}");
        server.post(&path, &body)?.successful()
    };
    let mut steps = Vec::new();
    let mut done = |what, answer| steps.push(Step { what, answer });
    done("authorize", purchase(0, "12.34")?);
    let cafe = purchase(1, "4.50")?;
    let is_approved = cafe.body.get("status").and_then(Value::as_str) == Some("approved");
    let captured = if is_approved {
        Some(step(&cafe, "capture", None)?)
    } else {
        None
    };
    done("authorize", cafe);
    if let Some(captured) = captured {
        done("capture", captured);
    }
    let books = purchase(2, "30.00")?;
    if books.body.get("status").and_then(Value::as_str) == Some("approved") {
        let captured = step(&books, "capture", None)?;
        let refunded = step(&books, "refund", Some("10.00"))?;
        done("authorize", books);
        done("capture", captured);
        done("refund", refunded);
    } else {
        done("authorize", books);
    }
    done("authorize", purchase(3, "999999999.99")?);
    Ok(steps)
}

fn print(out: &mut Out, args: &SeedArgs, cards: &[String], steps: &[Step]) -> Result<(), CliError> {
    if args.json {
        let steps: Vec<_> = (steps.iter())
            .map(|step| json!({ "step": step.what, "answer": step.answer.body }))
            .collect();
        return json_line(out, &json!({ "cards": cards, "steps": steps }));
    }
    let card = cards.first().map_or("", String::as_str);
    writeln!(
        out,
        "{} cards of {}, each with {} {}. The first:\n  {card}\n",
        cards.len(),
        args.holder,
        args.amount,
        args.asset
    )?;
    let mut table = Table::new(&[
        ("step", Align::Left),
        ("merchant", Align::Left),
        ("USD", Align::Right),
        ("status", Align::Left),
        ("state", Align::Left),
        ("held", Align::Right),
        ("captured", Align::Right),
        ("refunded", Align::Right),
        ("id", Align::Left),
    ]);
    let mut merchants = MERCHANTS.iter().map(|(name, ..)| *name);
    for step in steps {
        let text = |name: &str| {
            let value = step.answer.body.get(name).and_then(Value::as_str);
            value.unwrap_or_default().to_owned()
        };
        let is_new = step.what == "authorize";
        let merchant = is_new.then(|| merchants.next()).flatten();
        table.row([
            step.what.to_owned(),
            merchant.unwrap_or_default().to_owned(),
            text("local_amount"),
            text("status"),
            if text("decline_reason").is_empty() {
                text("state")
            } else {
                text("decline_reason")
            },
            text("held_amount"),
            text("captured_amount"),
            text("refunded_amount"),
            text("id"),
        ]);
    }
    let id = steps.first().and_then(|step| step.answer.text("/id").ok());
    write!(out, "{}", table.render(terminal_width()))?;
    writeln!(
        out,
        "\nTry next (DIR is the server's data directory, $KEY your key):\n  \
         cardwright inspect card {card} --data-dir DIR\n  \
         cardwright inspect log --tail 20 --data-dir DIR\n  \
         curl -H \"Authorization: Bearer $KEY\" $URL/v1/authorizations/{}\n  \
         curl -H \"Authorization: Bearer $KEY\" $URL/v1/trial-balance\n  \
         cardwright balances list --url $URL --key $KEY\n  \
         cardwright verify --data-dir DIR",
        id.unwrap_or("ID")
    )?;
    Ok(())
}
