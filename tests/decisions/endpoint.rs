//! A programme's endpoint on a free port: what it is asked is kept, what it answers is set by the test.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

/// How a question is answered.
#[derive(Clone, Debug)]
pub(crate) enum Says {
    /// That status and body, after so long.
    This(u16, String, Duration),
    /// A redirect.
    Elsewhere(String),
    /// Nothing, until [`Endpoint::say`] says something else; then that.
    Waits,
}

/// A question as it came.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) text: String,
    pub(crate) json: Value,
}

struct State {
    says: Mutex<Says>,
    changed: Condvar,
    questions: Mutex<Vec<Question>>,
}

pub(crate) struct Endpoint {
    address: String,
    state: Arc<State>,
}

pub(crate) fn yes() -> Says {
    Says::This(200, r#"{"approved":true}"#.into(), Duration::ZERO)
}

pub(crate) fn no(reason: &str) -> Says {
    let body = format!(r#"{{"approved":false,"reason":"{reason}"}}"#);
    Says::This(200, body, Duration::ZERO)
}

impl Endpoint {
    pub(crate) fn start(says: Says) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::new(State {
            says: Mutex::new(says),
            changed: Condvar::new(),
            questions: Mutex::default(),
        });
        let shared = state.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = shared.clone();
                thread::spawn(move || serve(stream, &shared));
            }
        });
        Self { address, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/decide", self.address)
    }

    pub(crate) fn say(&self, says: Says) {
        *self.state.says.lock().unwrap() = says;
        self.state.changed.notify_all();
    }

    pub(crate) fn questions(&self) -> Vec<Question> {
        self.state.questions.lock().unwrap().clone()
    }

    /// Waits until it was asked so many times.
    #[track_caller]
    pub(crate) fn wait_for(&self, count: usize) {
        crate::server::wait_until("questions", || self.questions().len() >= count);
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Question> {
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length")?.parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let text = String::from_utf8(body).ok()?;
    let json = serde_json::from_str(&text).ok()?;
    Some(Question {
        headers,
        text,
        json,
    })
}

fn serve(stream: TcpStream, state: &State) {
    let mut reader = BufReader::new(stream);
    while let Some(question) = read(&mut reader) {
        state.questions.lock().unwrap().push(question);
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut says = state.says.lock().unwrap();
        while matches!(*says, Says::Waits) && Instant::now() < deadline {
            says = state
                .changed
                .wait_timeout(says, Duration::from_millis(50))
                .unwrap()
                .0;
        }
        let said = says.clone();
        drop(says);
        let answer = match said {
            Says::This(status, body, after) => {
                thread::sleep(after);
                format!(
                    "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                )
            }
            Says::Elsewhere(to) => {
                format!("HTTP/1.1 307 x\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n")
            }
            Says::Waits => return,
        };
        if reader.get_mut().write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}
