//! Reads somebody else's records: CSV with a header, a JSON array, or a JSON object on each line.

use std::{fs::File, io::BufReader, path::Path};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::record::External;

/// The most records of a file.
pub const RECORDS_MAX: usize = 1_000_000;
/// The longest id, reference, currency or source.
const NAME_BYTES_MAX: usize = 256;
/// The longest description.
const DESCRIPTION_BYTES_MAX: usize = 4_096;
/// The fields, in the order of [`Cells`].
const FIELDS: [&str; 7] = [
    "id",
    "amount",
    "reference",
    "currency",
    "description",
    "date",
    "source",
];

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum BadFile {
    /// A field of a record.
    #[error("line {line}, column {column}: {message}")]
    Cell {
        /// The line it begins on, or the place in the array, from 1.
        line: u32,
        /// Which field.
        column: String,
        /// Why.
        message: String,
    },
    /// The whole.
    #[error("{0}")]
    Whole(String),
    /// The file cannot be read.
    #[error("the file cannot be read: {0}")]
    Io(#[from] std::io::Error),
}

fn cell(line: u32, column: &str, message: impl Into<String>) -> BadFile {
    BadFile::Cell {
        line,
        column: column.to_owned(),
        message: message.into(),
    }
}

/// The texts of a record, as they came.
type Cells<'a> = [&'a str; FIELDS.len()];

/// Makes a record of its texts; what has no source has the file's.
fn record(line: u32, cells: Cells<'_>, source: &str) -> Result<External, BadFile> {
    for (name, text) in FIELDS.iter().zip(cells) {
        let most = match *name {
            "description" => DESCRIPTION_BYTES_MAX,
            _ => NAME_BYTES_MAX,
        };
        if text.len() > most {
            return Err(cell(line, name, format!("has more than {most} bytes")));
        }
    }
    let [
        id,
        amount,
        reference,
        currency,
        description,
        date,
        own_source,
    ] = cells.map(str::trim);
    if currency.is_empty() {
        return Err(cell(line, "currency", "is missing"));
    }
    let amount = amount.parse();
    let date = date.parse();
    let id = if id.is_empty() { reference } else { id };
    Ok(External {
        row: line,
        id: if id.is_empty() {
            format!("row-{line}")
        } else {
            id.to_owned()
        },
        amount: amount.map_err(|error| cell(line, "amount", format!("{error}")))?,
        currency: currency.to_owned(),
        reference: reference.to_owned(),
        description: description.to_owned(),
        date: date.map_err(|error| cell(line, "date", format!("{error}")))?,
        source: if own_source.is_empty() {
            source.to_owned()
        } else {
            own_source.to_owned()
        },
    })
}

/// Reads a file.
///
/// # Errors
///
/// [`BadFile`] with the line and the column.
pub fn read(path: &Path, source: &str) -> Result<Vec<External>, BadFile> {
    use std::io::BufRead;
    let mut reader = BufReader::with_capacity(1 << 16, File::open(path)?);
    let start = reader.fill_buf()?;
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    match start.iter().find(|byte| !byte.is_ascii_whitespace()) {
        None => Err(BadFile::Whole("the file is empty".to_owned())),
        Some(b'[' | b'{') => {
            let text = std::fs::read_to_string(path)
                .map_err(|error| BadFile::Whole(format!("the file is no UTF-8 text: {error}")))?;
            read_json(text.trim_start_matches('\u{feff}'), source)
        }
        Some(_) => read_csv(reader, source),
    }
}

fn enough(records: &[External]) -> Result<(), BadFile> {
    if records.len() < RECORDS_MAX {
        return Ok(());
    }
    let message = format!("the file has more than {RECORDS_MAX} records: send it in parts");
    Err(BadFile::Whole(message))
}

fn read_csv(reader: impl std::io::Read, source: &str) -> Result<Vec<External>, BadFile> {
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(reader);
    let header = reader.headers().map_err(|error| in_csv(&error))?;
    let places = columns(header)?;
    let mut records = Vec::new();
    let mut row = csv::StringRecord::new();
    while reader
        .read_record(&mut row)
        .map_err(|error| in_csv(&error))?
    {
        let line = row.position().map_or(0, csv::Position::line);
        let line = u32::try_from(line).unwrap_or(u32::MAX);
        if row.iter().all(str::is_empty) {
            continue;
        }
        enough(&records)?;
        let text = |place: Option<usize>| place.and_then(|place| row.get(place)).unwrap_or("");
        records.push(record(line, places.map(text), source)?);
    }
    Ok(records)
}

/// Which column each field is in, whatever its case and wherever it stands.
fn columns(header: &csv::StringRecord) -> Result<[Option<usize>; FIELDS.len()], BadFile> {
    let mut places = [None; FIELDS.len()];
    for (place, name) in header.iter().enumerate() {
        let name = name.trim_start_matches('\u{feff}').trim().to_lowercase();
        for (field, known) in places.iter_mut().zip(FIELDS) {
            if name != known {
                continue;
            }
            if field.is_some() {
                return Err(cell(1, known, "is there twice"));
            }
            *field = Some(place);
        }
    }
    for (place, name) in places.iter().zip(FIELDS) {
        if place.is_none() && ["amount", "currency", "date"].contains(&name) {
            let message = "is missing: the first line names the columns, such as \
                           id,amount,reference,currency,description,date,source";
            return Err(cell(1, name, message));
        }
    }
    Ok(places)
}

fn in_csv(error: &csv::Error) -> BadFile {
    let line = error.position().map_or(0, csv::Position::line);
    let line = u32::try_from(line).unwrap_or(u32::MAX);
    if let csv::ErrorKind::Utf8 { err, .. } = error.kind() {
        let column = (err.field() + 1).to_string();
        return cell(line, &column, "is no UTF-8 text");
    }
    BadFile::Whole(format!("the file is no CSV: {error}"))
}

/// A record in JSON; other members are passed over.
#[derive(Deserialize)]
struct Row<'a> {
    id: Option<String>,
    #[serde(borrow)]
    amount: Option<&'a RawValue>,
    reference: Option<String>,
    currency: Option<String>,
    description: Option<String>,
    date: Option<String>,
    source: Option<String>,
}

/// Reads a JSON array, or one JSON object after another.
///
/// # Errors
///
/// [`BadFile`] with the place in the array, or the line, and the field.
pub fn read_json(text: &str, source: &str) -> Result<Vec<External>, BadFile> {
    if text.trim_start().starts_with('[') {
        let rows: Vec<&RawValue> = serde_json::from_str(text)
            .map_err(|error| BadFile::Whole(format!("the file is no JSON array: {error}")))?;
        return rows_of(rows.into_iter().map(RawValue::get).zip(1..), source);
    }
    let lines = text.lines().zip(1..);
    rows_of(lines.filter(|(line, _)| !line.trim().is_empty()), source)
}

fn rows_of<'a>(
    rows: impl Iterator<Item = (&'a str, u32)>,
    source: &str,
) -> Result<Vec<External>, BadFile> {
    let mut records = Vec::new();
    for (text, line) in rows {
        enough(&records)?;
        let mut reader = serde_json::Deserializer::from_str(text);
        let row: Row<'_> = serde_path_to_error::deserialize(&mut reader)
            .map_err(|error| cell(line, &error.path().to_string(), error.inner().to_string()))?;
        let amount = row.amount.map_or("", RawValue::get);
        let amount = amount.strip_prefix('"').unwrap_or(amount);
        let amount = amount.strip_suffix('"').unwrap_or(amount);
        let texts = [
            &row.id,
            &None,
            &row.reference,
            &row.currency,
            &row.description,
            &row.date,
            &row.source,
        ];
        let mut cells = texts.map(|text| text.as_deref().unwrap_or_default());
        cells[1] = amount;
        records.push(record(line, cells, source)?);
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn csv(text: &str) -> Result<Vec<External>, String> {
        read_csv(text.as_bytes(), "bank").map_err(|error| error.to_string())
    }

    #[test]
    fn a_table_is_read_whatever_its_columns() {
        let text = "\u{feff}Date, AMOUNT ,extra,Currency,id,Reference\n\
                    2026-01-31,12.50,x,USD,a-1,ref-1\n\n\
                    2026-02-01T10:00:00Z,\"-3\",,eur,,ref-2\n\
                    2026-02-01,7,,EUR\n";
        let records = csv(text).unwrap();
        let ids: Vec<_> = records.iter().map(|record| &*record.id).collect();
        assert_eq!(ids, ["a-1", "ref-2", "row-5"]);
        assert_eq!(records[0].amount.to_string(), "12.5");
        assert_eq!(records[1].amount.to_string(), "-3");
        assert_eq!(records[1].source, "bank");
    }

    #[test]
    fn what_is_wrong_is_named_by_line_and_column() {
        let header = "id,amount,currency,date\n";
        for (rows, expected) in [
            (
                "a,1,USD,2026-01-01\nb,x,USD,2026-01-01\n",
                "line 3, column amount",
            ),
            ("a,1,,2026-01-01\n", "line 2, column currency"),
            ("a,1,USD,31/12/2026\n", "line 2, column date"),
            ("a,1,USD\n", "line 2, column date"),
        ] {
            let error = csv(&format!("{header}{rows}")).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
        let missing = csv("id,amount,date\na,1,2026-01-01\n").unwrap_err();
        assert!(missing.starts_with("line 1, column currency"), "{missing}");
        let twice = csv("amount,Amount,currency,date\n").unwrap_err();
        assert!(twice.contains("twice"), "{twice}");
    }

    #[test]
    fn json_comes_as_an_array_or_in_lines() {
        let one =
            r#"{"id":"a","amount":0.1,"currency":"USD","date":"2026-01-01","more":{"x":[1]}}"#;
        let two = r#"{"id":"b","amount":"1e2","currency":"USD","date":"2026-01-01"}"#;
        for text in [format!("[{one},\n{two}]"), format!("{one}\n\n{two}\n")] {
            let records = read_json(&text, "s").unwrap();
            let amounts: Vec<_> = records
                .iter()
                .map(|record| record.amount.to_string())
                .collect();
            assert_eq!(amounts, ["0.1", "100"]);
        }
        let wrong = r#"[{"id":"a","amount":true,"currency":"USD","date":"2026-01-01"}]"#;
        let error = read_json(wrong, "s").unwrap_err().to_string();
        assert!(error.starts_with("line 1, column amount"), "{error}");
        let wrong = format!("{one}\n{{\"id\":7}}");
        let error = read_json(&wrong, "s").unwrap_err().to_string();
        assert!(error.starts_with("line 2, column id"), "{error}");
        assert!(read_json("[1", "s").is_err());
    }
}
