//! One keep-alive connection in a closed loop: ask, wait, judge, ask again.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::error::excerpt;
use super::judge::{failure_kind, judge};
use super::response::{ResponseError, ResponseReader};
use super::scan::Scanner;
use super::stats::{Sample, Stats};
use super::traffic::{Operation, Traffic};

/// Connections lost in a row, without an answer on any, before giving up.
const LOST_IN_A_ROW_MAX: u32 = 5;

/// Why a connection ended before its time.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error("connection: {0}")]
    Io(#[from] io::Error),
    #[error("connection: {0}")]
    Response(#[from] ResponseError),
    #[error("connection: closed by the server before its answer")]
    Closed,
}

/// What the connections of a client thread share.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    pub(super) address: SocketAddr,
    pub(super) end: Instant,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) scanner: Rc<Scanner>,
    pub(super) stats: Rc<RefCell<Stats>>,
}

/// One connection and its state.
#[derive(Debug)]
pub(super) struct Connection {
    shared: Shared,
    traffic: Traffic,
    reader: ResponseReader,
    answers: u64,
}

impl Connection {
    pub(super) fn new(shared: Shared, traffic: Traffic) -> Self {
        Self {
            shared,
            traffic,
            reader: ResponseReader::new(),
            answers: 0,
        }
    }

    /// Drives the connection to the end of the phase, connecting again if it is lost.
    pub(super) async fn run(mut self) {
        let mut lost_in_a_row = 0;
        while lost_in_a_row < LOST_IN_A_ROW_MAX && !self.is_over(Instant::now()) {
            let answers_before = self.answers;
            self.shared.stats.borrow_mut().reconnects += u64::from(answers_before > 0);
            let Err(lost) = self.converse().await else {
                continue;
            };
            self.shared
                .stats
                .borrow_mut()
                .fail(lost.to_string(), 1, String::new);
            let progressed = self.answers > answers_before;
            lost_in_a_row = if progressed { 0 } else { lost_in_a_row + 1 };
        }
    }

    fn is_over(&self, now: Instant) -> bool {
        now >= self.shared.end || self.shared.stop.load(Ordering::Relaxed)
    }

    /// Asks and waits until the phase is over or the server closes.
    async fn converse(&mut self) -> Result<(), Lost> {
        let mut stream = TcpStream::connect(self.shared.address).await?;
        stream.set_nodelay(true)?;
        self.reader.reset();
        loop {
            let operation = self.traffic.prepare();
            let sent = Instant::now();
            stream.write_all(self.traffic.request()).await?;
            self.receive(&mut stream).await?;
            let done = Instant::now();
            self.settle(operation, sent, done);
            self.reader.next();
            if !self.reader.keep_alive() || self.is_over(done) {
                return Ok(());
            }
        }
    }

    async fn receive(&mut self, stream: &mut TcpStream) -> Result<(), Lost> {
        while !self.reader.poll()? {
            let count = stream.read(self.reader.space()).await?;
            if count == 0 {
                return Err(Lost::Closed);
            }
            self.reader.advance(count);
        }
        Ok(())
    }

    fn settle(&mut self, operation: Operation, sent: Instant, done: Instant) {
        self.answers += 1;
        let (status, body) = (self.reader.status(), self.reader.body());
        let items = self.traffic.items() as u64;
        let mut outcome = judge(&self.shared.scanner, operation, (status, body), items);
        let mut kind = None;
        if outcome.unexpected > 0 {
            kind = Some(failure_kind(operation, status, body));
        } else if outcome.good > 0 && self.traffic.wants_ids() {
            match operation {
                Operation::Authorize | Operation::Create => {
                    let scanner = &self.shared.scanner;
                    let id = if operation == Operation::Create {
                        scanner.transaction_id(body)
                    } else {
                        scanner.authorization_id(body)
                    };
                    let id = id.unwrap_or_default();
                    if id.is_empty() || !self.traffic.remember_hold(id) {
                        outcome.good = 0;
                        outcome.unexpected = items;
                        let name = operation.name();
                        kind = Some(format!("{name}: no usable id in the answer"));
                    }
                }
                Operation::Capture => self.traffic.remember_capture(),
                Operation::Reverse
                | Operation::Refund
                | Operation::Decline
                | Operation::Commit
                | Operation::Batch
                | Operation::Echo => {}
            }
        }
        let mut stats = self.shared.stats.borrow_mut();
        if let Some(kind) = kind {
            stats.fail(kind, outcome.unexpected, || excerpt(body));
        }
        stats.record(&Sample {
            operation,
            outcome,
            sent,
            done,
            body_bytes: body.len(),
        });
    }
}
