//! A small HTTP server on a free port, whose pages a test sets and whose visitors it counts.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

/// How a page is answered.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// How long each of the body's last bytes takes.
    pub(crate) drip: Option<Duration>,
}

impl Page {
    pub(crate) fn json(body: impl Into<String>) -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            body: body.into().into_bytes(),
            drip: None,
        }
    }

    pub(crate) fn status(status: u16) -> Self {
        Self {
            status,
            ..Self::json("")
        }
    }

    pub(crate) fn to(location: &str) -> Self {
        Self::status(302).with("location", location)
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

#[derive(Default)]
struct State {
    pages: BTreeMap<String, Page>,
    /// Each visit: the path, the `If-None-Match`, the status.
    visits: Vec<(String, String, u16)>,
    is_closed: bool,
}

pub(crate) struct Pages {
    address: String,
    state: Arc<Mutex<State>>,
}

impl Pages {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = state.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if shared.lock().unwrap().is_closed {
                    return;
                }
                let shared = shared.clone();
                thread::spawn(move || serve(stream, &shared));
            }
        });
        Self { address, state }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn set(&self, path: &str, page: Page) {
        let mut state = self.state.lock().unwrap();
        state.pages.insert(path.to_owned(), page);
    }

    /// The visits of a path: what each knew already, and how it was answered.
    pub(crate) fn visits(&self, path: &str) -> Vec<(String, u16)> {
        let state = self.state.lock().unwrap();
        let visits = state.visits.iter().filter(|(visited, ..)| visited == path);
        visits
            .map(|(_, etag, status)| (etag.clone(), *status))
            .collect()
    }

    /// Nobody answers any more.
    pub(crate) fn close(&self) {
        self.state.lock().unwrap().is_closed = true;
        let _ = TcpStream::connect(&self.address);
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.close();
    }
}

fn serve(stream: TcpStream, state: &Mutex<State>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut etag = String::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let (name, value) = header.split_once(':').unwrap_or((header.trim(), ""));
        if name.is_empty() {
            break;
        }
        if name.eq_ignore_ascii_case("if-none-match") {
            value.trim().clone_into(&mut etag);
        }
    }
    let page = {
        let mut state = state.lock().unwrap();
        let page = state.pages.get(&path).cloned();
        let mut page = page.unwrap_or_else(|| Page::status(404));
        let named = page
            .headers
            .iter()
            .any(|(name, value)| name == "etag" && *value == etag);
        if named {
            page.status = 304;
            page.body.clear();
        }
        state.visits.push((path, etag, page.status));
        page
    };
    answer(reader.get_mut(), &page).ok()
}

fn answer(stream: &mut TcpStream, page: &Page) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {} x\r\nconnection: close\r\n", page.status);
    for (name, value) in &page.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", page.body.len()));
    stream.write_all(head.as_bytes())?;
    match page.drip {
        None => stream.write_all(&page.body),
        Some(each) => page.body.iter().try_for_each(|byte| {
            thread::sleep(each);
            stream.write_all(&[*byte])
        }),
    }
}
