//! How events look: a line each, with colour where somebody looks.

use std::io::{IsTerminal, Write};

use serde_json::Value;

use super::super::outcome::{CliError, Out, json_line};

/// Prints events, as many as are wanted.
pub(super) struct Show {
    is_json: bool,
    has_colour: bool,
    left: Option<u64>,
}

impl Show {
    pub(super) fn new(is_json: bool, count: Option<u64>) -> Self {
        Self {
            is_json,
            has_colour: std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
            left: count,
        }
    }

    /// A word to whoever started it, apart from the events.
    pub(super) fn note(&self, text: &str) {
        eprintln!("{text}");
    }

    /// Shows one event; `true` if it was the last wanted.
    pub(super) fn event(&mut self, payload: &Value, out: &mut Out) -> Result<bool, CliError> {
        if self.is_json {
            json_line(out, payload)?;
        } else {
            let line = self.line(payload);
            writeln!(out, "{line}")?;
        }
        out.flush()?;
        self.left = self.left.map(|left| left.saturating_sub(1));
        Ok(self.left == Some(0))
    }

    fn line(&self, payload: &Value) -> String {
        let text = |name: &str| {
            let value = payload.get(name).filter(|value| !value.is_null())?;
            // A control character in a merchant's name is not to reach the terminal.
            let plain = |letter: &char| !letter.is_control();
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            Some(text.chars().filter(plain).take(120).collect::<String>())
        };
        let event = text("event").unwrap_or_else(|| "(no event)".to_owned());
        let mut parts = vec![self.coloured(&format!("{event:<26}"), colour_of(&event))];
        if let (Some(amount), Some(currency)) = (text("local_amount"), text("local_currency")) {
            parts.push(format!("{amount} {currency}"));
        }
        if let (Some(amount), Some(asset)) = (text("amount"), text("asset")) {
            parts.push(format!("({amount} {asset})"));
        }
        let merchant = payload.pointer("/merchant/name").and_then(Value::as_str);
        let merchant = merchant.map(|name| name.chars().filter(|letter| !letter.is_control()));
        parts.extend(merchant.map(|name| format!("at {}", name.take(60).collect::<String>())));
        for name in [
            "reason",
            "lifecycle_status",
            "transaction_id",
            "account_urn",
            "holder_urn",
        ] {
            parts.extend(text(name));
        }
        parts.join("  ")
    }

    fn coloured(&self, text: &str, colour: u8) -> String {
        if self.has_colour {
            format!("\u{1b}[{colour}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

/// Red for what was refused, green for what came, yellow for what went, blue for the rest.
fn colour_of(event: &str) -> u8 {
    if event.starts_with("rejected_") {
        return 31;
    }
    match event {
        "credit_adjustment" | "deposit" | "transfer.received" | "transfer.returned"
        | "fee.received" => 32,
        "purchase" | "debit_adjustment" | "withdrawal" | "transfer.sent" | "fee.returned" => 33,
        _ => 34,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_the_main_things_and_no_control_characters() {
        let show = Show::new(false, None);
        let line = show.line(&serde_json::json!({
            "event": "purchase", "local_amount": 50.0, "local_currency": "USD",
            "amount": "50000000", "asset": "DUSD/6", "transaction_id": "ctx-1",
            "merchant": { "name": "EVIL\u{1b}[2JSHOP" },
        }));
        assert!(line.starts_with("purchase  "), "{line}");
        for part in ["50.0 USD", "(50000000 DUSD/6)", "ctx-1", "at EVIL[2JSHOP"] {
            assert!(line.contains(part), "{line}");
        }
        assert!(!line.contains('\u{1b}'), "{line}");
    }
}
