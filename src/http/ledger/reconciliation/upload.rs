//! `/reconciliation/upload`: a file of external records.

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
};

use actix_multipart::{Field, Multipart, MultipartError};
use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web, web::Data};
use futures_util::StreamExt;
use serde_json::json;

use super::{
    super::{
        access::{Action, Caller, Resource, require},
        fault::Fault,
    },
    DOCUMENTS_MAX, FILE_BYTES_MAX, Told, answer, blocking, broken, invalid, missing, room, set,
};
use crate::{
    domain::{documents::Shelf, registry::Registry, time::Timestamp},
    http::App,
    reconciliation::{
        intake::{self, BadFile},
        store::{Files, Upload, new_id, upload_name},
    },
};

/// The longest source.
const SOURCE_BYTES_MAX: usize = 256;
/// How many parts a form has at the most.
const PARTS_MAX: usize = 8;
/// How much of a file is gathered before it is written.
const PIECE_BYTES: usize = 1 << 20;

/// A file of external records, as a form.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "it describes the form")]
pub struct UploadForm {
    /// CSV with a header, a JSON array, or a JSON object on each line: id, amount, reference, currency,
    /// description, date, source. At most 64 MiB and a million records.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    /// Whose records they are.
    source: String,
}

/// Takes a file of external records. It is kept, and read again by each reconciliation.
#[utoipa::path(
    post, path = "/reconciliation/upload", tag = "ledger",
    request_body(content = UploadForm, content_type = "multipart/form-data"),
    responses(
        (status = 200, description = "taken: its id and how many records it has", body = serde_json::Value),
        (status = 400, description = "no file, or a record that cannot be read: its line and column are named"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key does not allow it"),
        (status = 409, description = "too many uploads"),
        (status = 413, description = "the file is too large"),
        (status = 415, description = "the body is no form"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn post(request: HttpRequest, payload: web::Payload, app: Data<App>) -> HttpResponse {
    let taken = async {
        let caller = require(&request, &app, Resource::Reconciliation, Action::Write)?;
        let is_form = request
            .headers()
            .get("content-type")
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| {
                value
                    .to_ascii_lowercase()
                    .starts_with("multipart/form-data")
            });
        if !is_form {
            return Err(crate::http::body::unsupported("multipart/form-data").into());
        }
        let id = new_id("upload_").map_err(|_| super::busy("no randomness: try again"))?;
        let path = app.reconciliation.files.upload(&id);
        let form = Multipart::new(request.headers(), payload);
        let unfinished = Unfinished(Files::unfinished(&path));
        let source = receive(form, &unfinished.0).await?;
        let count = count(&path, &source).await?;
        let upload = note(&app, &caller, (&id, &source, count)).await?;
        Ok(Told::ok(json!({
            "upload_id": upload.upload_id,
            "record_count": upload.record_count,
            "source": upload.source,
        })))
    };
    answer(&request, &app, taken).await
}

/// A file that is removed unless it got its name.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Writes the form's file to `path`; the form's source.
async fn receive(mut form: Multipart, path: &Path) -> Result<String, Fault> {
    let (mut source, mut has_file) = (String::new(), false);
    let mut parts = 0;
    while let Some(part) = form.next().await {
        let mut part = part.map_err(|error| unreadable(&error))?;
        parts += 1;
        if parts > PARTS_MAX {
            return Err(invalid(
                "body",
                format!("the form has more than {PARTS_MAX} parts"),
            ));
        }
        match part.name() {
            Some("file") if has_file => {
                return Err(invalid(
                    "file",
                    "there is more than one file: send each by itself",
                ));
            }
            Some("file") => {
                write(&mut part, path.to_owned()).await?;
                has_file = true;
            }
            Some("source") => {
                let bytes = small(&mut part, SOURCE_BYTES_MAX).await?;
                let text = String::from_utf8(bytes);
                source = text.map_err(|_| invalid("source", "source must be UTF-8 text"))?;
                if source.chars().any(char::is_control) {
                    let message = "source must not have control characters";
                    return Err(invalid("source", message));
                }
            }
            _ => {
                small(&mut part, PIECE_BYTES).await?;
            }
        }
    }
    if !has_file {
        return Err(missing("file"));
    }
    Ok(source)
}

fn unreadable(error: &MultipartError) -> Fault {
    let message = format!("the form could not be read: {error}");
    Fault::invalid("GEN_MALFORMED_REQUEST", "body", message)
}

fn too_large(most: usize) -> Fault {
    let message = format!("the part is too large: at most {most} bytes");
    let status = StatusCode::PAYLOAD_TOO_LARGE;
    Fault::new(status, "GEN_MALFORMED_REQUEST", message)
}

async fn small(part: &mut Field, most: usize) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    while let Some(piece) = part.next().await {
        bytes.extend_from_slice(&piece.map_err(|error| unreadable(&error))?);
        if bytes.len() > most {
            return Err(too_large(most));
        }
    }
    Ok(bytes)
}

/// Writes a part to a file, piece by piece and away from the threads that serve requests.
async fn write(part: &mut Field, path: PathBuf) -> Result<(), Fault> {
    let file = blocking(move || File::create(path)).await?;
    let mut file = file.map_err(|error| broken(&error))?;
    let (mut piece, mut written) = (Vec::with_capacity(PIECE_BYTES), 0_usize);
    loop {
        let next = part.next().await.transpose();
        let next = next.map_err(|error| unreadable(&error))?;
        if let Some(bytes) = &next {
            piece.extend_from_slice(bytes);
            if written.saturating_add(piece.len()) > FILE_BYTES_MAX {
                return Err(too_large(FILE_BYTES_MAX));
            }
        }
        if piece.len() >= PIECE_BYTES || next.is_none() {
            written = written.saturating_add(piece.len());
            let full = std::mem::take(&mut piece);
            let done = blocking(move || file.write_all(&full).map(|()| file)).await?;
            file = done.map_err(|error| broken(&error))?;
        }
        if next.is_none() {
            return Ok(());
        }
    }
}

/// Reads the whole file once, so that what is kept can be read; then it gets its name.
pub(super) async fn count(path: &Path, source: &str) -> Result<usize, Fault> {
    let (path, source) = (path.to_owned(), source.to_owned());
    let counted = blocking(move || {
        let records = intake::read(&Files::unfinished(&path), &source)?;
        Files::finish(&path)?;
        Ok(records.len())
    });
    counted.await?.map_err(|error| match error {
        BadFile::Io(error) => broken(&error),
        BadFile::Cell {
            line, ref column, ..
        } => {
            let mut fault = invalid(column, error.to_string());
            fault.details = Some(json!({ "field": column, "line": line }));
            fault
        }
        BadFile::Whole(_) => invalid("file", error.to_string()),
    })
}

/// Remembers an upload whose file is on disk.
pub(super) async fn note(
    app: &App,
    caller: &Caller,
    (id, source, record_count): (&str, &str, usize),
) -> Result<Upload, Fault> {
    let upload = Upload {
        upload_id: id.to_owned(),
        source: source.to_owned(),
        record_count,
        created_micros: app.engine.shared.clock.now().micros(),
    };
    let name = upload_name(&caller.origin, id);
    let change = |registry: &Registry, now: Timestamp| {
        room(
            &registry.documents,
            Shelf::Reconciliation,
            &caller.origin,
            DOCUMENTS_MAX,
        )?;
        Ok(vec![set(Shelf::Reconciliation, &name, Some(&upload), now)?])
    };
    let noted = app.engine.change_registry::<Fault>(None, change).await;
    if noted.is_err() {
        // Nobody will ever know its id.
        let path = app.reconciliation.files.upload(id);
        blocking(move || std::fs::remove_file(path)).await?.ok();
    }
    noted?;
    Ok(upload)
}
