//! Reads HTTP/1.1 responses of one keep-alive connection out of a reused buffer.

use std::ops::Range;

const BUFFER_BYTES: usize = 16 * 1024;
const RESPONSE_BYTES_MAX: usize = 256 * 1024 * 1024;
const HEADERS_MAX: usize = 64;

/// What made a response unreadable; the connection is of no more use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ResponseError {
    #[error("malformed response head: {0}")]
    Head(String),
    #[error("malformed chunk")]
    Chunk,
    #[error("response with neither content-length nor chunks")]
    NoLength,
    #[error("response above {RESPONSE_BYTES_MAX} bytes")]
    TooLong,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Head,
    Sized {
        body_start: usize,
        body_len: usize,
    },
    Chunked {
        at: usize,
    },
    Whole {
        body_start: usize,
        body_len: usize,
        decoded: bool,
        end: usize,
    },
}

/// The buffer and the state of one connection's incoming side.
#[derive(Debug)]
pub(super) struct ResponseReader {
    buffer: Vec<u8>,
    filled: usize,
    decoded: Vec<u8>,
    state: State,
    status: u16,
    keep_alive: bool,
}

impl ResponseReader {
    pub(super) fn new() -> Self {
        Self {
            buffer: vec![0; BUFFER_BYTES],
            filled: 0,
            decoded: Vec::new(),
            state: State::Head,
            status: 0,
            keep_alive: true,
        }
    }

    /// Room for the next read; never empty.
    pub(super) fn space(&mut self) -> &mut [u8] {
        if self.filled == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        self.buffer.get_mut(self.filled..).unwrap_or_default()
    }

    /// Takes note of `count` bytes read into [`Self::space`].
    pub(super) fn advance(&mut self, count: usize) {
        self.filled = (self.filled + count).min(self.buffer.len());
    }

    /// Parses what is there; true once a whole response is.
    pub(super) fn poll(&mut self) -> Result<bool, ResponseError> {
        if let State::Head = self.state
            && !self.parse_head()?
        {
            return Ok(false);
        }
        if self.filled > RESPONSE_BYTES_MAX {
            return Err(ResponseError::TooLong);
        }
        match self.state {
            State::Head => Ok(false),
            State::Sized {
                body_start,
                body_len,
            } => {
                let end = body_start + body_len;
                if self.filled < end {
                    self.reserve(end);
                    return Ok(false);
                }
                self.state = State::Whole {
                    body_start,
                    body_len,
                    decoded: false,
                    end,
                };
                Ok(true)
            }
            State::Chunked { at } => self.parse_chunks(at),
            State::Whole { .. } => Ok(true),
        }
    }

    pub(super) fn status(&self) -> u16 {
        self.status
    }

    pub(super) fn keep_alive(&self) -> bool {
        self.keep_alive
    }

    /// The body of the whole response; empty before it is whole.
    pub(super) fn body(&self) -> &[u8] {
        match self.state {
            State::Whole { decoded: true, .. } => &self.decoded,
            State::Whole {
                body_start,
                body_len,
                ..
            } => self
                .buffer
                .get(body_start..body_start + body_len)
                .unwrap_or_default(),
            State::Head | State::Sized { .. } | State::Chunked { .. } => &[],
        }
    }

    /// Forgets the whole response; bytes after it are the beginning of the next.
    pub(super) fn next(&mut self) {
        let State::Whole { end, .. } = self.state else {
            return;
        };
        if end < self.filled {
            self.buffer.copy_within(end..self.filled, 0);
        }
        self.filled -= end;
        self.state = State::Head;
    }

    /// Forgets everything, for a new connection.
    pub(super) fn reset(&mut self) {
        self.filled = 0;
        self.state = State::Head;
        self.keep_alive = true;
    }

    fn reserve(&mut self, bytes: usize) {
        if bytes > self.buffer.len() && bytes <= RESPONSE_BYTES_MAX {
            self.buffer.resize(bytes, 0);
        }
    }

    fn parse_head(&mut self) -> Result<bool, ResponseError> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut head = httparse::Response::new(&mut headers);
        let filled = self.buffer.get(..self.filled).unwrap_or_default();
        let parsed = head
            .parse(filled)
            .map_err(|error| ResponseError::Head(error.to_string()))?;
        let httparse::Status::Complete(body_start) = parsed else {
            return Ok(false);
        };
        let framing = Framing::of(head.headers, head.version == Some(1))?;
        self.status = head.code.unwrap_or(0);
        self.keep_alive = framing.keep_alive;
        let bodiless = self.status == 204 || self.status == 304;
        self.state = match framing.length {
            _ if bodiless => State::Sized {
                body_start,
                body_len: 0,
            },
            Some(body_len) => State::Sized {
                body_start,
                body_len,
            },
            None if framing.chunked => {
                self.decoded.clear();
                State::Chunked { at: body_start }
            }
            None => return Err(ResponseError::NoLength),
        };
        Ok(true)
    }

    /// Decodes the chunks that are whole from `at` on; remembers where it got to.
    fn parse_chunks(&mut self, mut at: usize) -> Result<bool, ResponseError> {
        let filled = self.buffer.get(..self.filled).unwrap_or_default();
        loop {
            let rest = filled.get(at..).unwrap_or_default();
            let Some((data, next)) = chunk(rest)? else {
                self.state = State::Chunked { at };
                return Ok(false);
            };
            if data.is_empty() {
                let end = at + next;
                self.state = State::Whole {
                    body_start: 0,
                    body_len: 0,
                    decoded: true,
                    end,
                };
                return Ok(true);
            }
            self.decoded
                .extend_from_slice(rest.get(data).unwrap_or_default());
            at += next;
        }
    }
}

/// The range of the first chunk's data and where the next begins; `None` if it is not whole.
fn chunk(bytes: &[u8]) -> Result<Option<(Range<usize>, usize)>, ResponseError> {
    let (start, len) = match httparse::parse_chunk_size(bytes) {
        Ok(httparse::Status::Complete((start, len))) => (start, len),
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(ResponseError::Chunk),
    };
    let len = usize::try_from(len).map_err(|_| ResponseError::TooLong)?;
    if len > RESPONSE_BYTES_MAX {
        return Err(ResponseError::TooLong);
    }
    if len == 0 {
        return Ok(trailers_end(bytes.get(start..).unwrap_or_default())
            .map(|trailers| (start..start, start + trailers)));
    }
    match bytes.get(start + len..start + len + 2) {
        None => Ok(None),
        Some(b"\r\n") => Ok(Some((start..start + len, start + len + 2))),
        Some(_) => Err(ResponseError::Chunk),
    }
}

/// Length of the trailer section, its closing empty line included.
fn trailers_end(bytes: &[u8]) -> Option<usize> {
    if bytes.starts_with(b"\r\n") {
        return Some(2);
    }
    bytes
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .map(|at| at + 4)
}

struct Framing {
    length: Option<usize>,
    chunked: bool,
    keep_alive: bool,
}

impl Framing {
    fn of(headers: &[httparse::Header<'_>], http_1_1: bool) -> Result<Self, ResponseError> {
        let mut framing = Self {
            length: None,
            chunked: false,
            keep_alive: http_1_1,
        };
        for header in headers {
            if header.name.eq_ignore_ascii_case("content-length") {
                let text = std::str::from_utf8(header.value).unwrap_or_default();
                let length = text.trim().parse::<usize>();
                let length =
                    length.map_err(|_| ResponseError::Head(format!("content-length {text:?}")))?;
                if length > RESPONSE_BYTES_MAX {
                    return Err(ResponseError::TooLong);
                }
                framing.length = Some(length);
            } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                framing.chunked = header.value.eq_ignore_ascii_case(b"chunked");
            } else if header.name.eq_ignore_ascii_case("connection") {
                framing.keep_alive = !header.value.eq_ignore_ascii_case(b"close")
                    && (http_1_1 || header.value.eq_ignore_ascii_case(b"keep-alive"));
            }
        }
        if framing.chunked {
            framing.length = None;
        }
        Ok(framing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZED: &[u8] =
        b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\nX-Request-Id: r1\r\n\r\n{\"a\":\"b c d\"}";
    const CHUNKED: &[u8] = b"HTTP/1.1 409 Conflict\r\nTransfer-Encoding: chunked\r\n\r\n\
        5;x=y\r\n{\"a\":\r\n8\r\n\"b c d\"}\r\n0\r\n\r\n";
    const TRAILERS: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
        d\r\n{\"a\":\"b c d\"}\r\n0\r\nX-Sum: 1\r\n\r\n";

    fn feed(reader: &mut ResponseReader, bytes: &[u8]) -> Result<bool, ResponseError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let space = reader.space();
            let count = space.len().min(rest.len());
            space[..count].copy_from_slice(&rest[..count]);
            reader.advance(count);
            rest = &rest[count..];
        }
        reader.poll()
    }

    #[test]
    fn reads_every_split_of_every_framing() {
        for (bytes, status) in [(SIZED, 200), (CHUNKED, 409), (TRAILERS, 200)] {
            for cut in 0..bytes.len() {
                let mut reader = ResponseReader::new();
                assert_eq!(feed(&mut reader, &bytes[..cut]), Ok(false), "cut at {cut}");
                assert_eq!(reader.body(), b"", "cut at {cut}");
                assert_eq!(feed(&mut reader, &bytes[cut..]), Ok(true), "cut at {cut}");
                assert_eq!(reader.status(), status);
                assert_eq!(reader.body(), b"{\"a\":\"b c d\"}", "cut at {cut}");
                assert!(reader.keep_alive());
            }
        }
    }

    #[test]
    fn reads_byte_by_byte() {
        for bytes in [SIZED, CHUNKED, TRAILERS] {
            let mut reader = ResponseReader::new();
            for (at, byte) in bytes.iter().enumerate() {
                let whole = feed(&mut reader, &[*byte]).unwrap();
                assert_eq!(whole, at + 1 == bytes.len(), "at {at}");
            }
            assert_eq!(reader.body(), b"{\"a\":\"b c d\"}");
        }
    }

    #[test]
    fn keeps_the_beginning_of_the_next_response() {
        let mut reader = ResponseReader::new();
        let stream = [SIZED, CHUNKED, TRAILERS, SIZED].concat();
        assert_eq!(feed(&mut reader, &stream), Ok(true));
        let mut statuses = Vec::new();
        for _ in 0..4 {
            assert_eq!(reader.poll(), Ok(true));
            assert_eq!(reader.body(), b"{\"a\":\"b c d\"}");
            statuses.push(reader.status());
            reader.next();
        }
        assert_eq!(statuses, [200, 409, 200, 200]);
        assert_eq!(reader.poll(), Ok(false));
        assert_eq!(reader.filled, 0);
    }

    #[test]
    fn grows_for_a_body_larger_than_the_buffer() {
        let body = "x".repeat(5 * BUFFER_BYTES + 1);
        let sized = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let chunked = format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
            body.len()
        );
        for bytes in [sized, chunked] {
            let mut reader = ResponseReader::new();
            assert_eq!(feed(&mut reader, bytes.as_bytes()), Ok(true));
            assert_eq!(reader.body(), body.as_bytes());
        }
    }

    #[test]
    fn sees_close_and_bodiless_answers() {
        let mut reader = ResponseReader::new();
        let close = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(feed(&mut reader, close), Ok(true));
        assert!(!reader.keep_alive());
        reader.reset();
        assert_eq!(
            feed(&mut reader, b"HTTP/1.1 204 No Content\r\n\r\n"),
            Ok(true)
        );
        assert_eq!(
            (reader.status(), reader.body(), reader.keep_alive()),
            (204, &b""[..], true)
        );
    }

    #[test]
    fn refuses_what_it_cannot_frame() {
        let check = |bytes: &[u8], expected: &ResponseError| {
            let error = feed(&mut ResponseReader::new(), bytes).unwrap_err();
            assert_eq!(
                std::mem::discriminant(&error),
                std::mem::discriminant(expected)
            );
        };
        check(b"HTTP/1.1 200 OK\r\n\r\n", &ResponseError::NoLength);
        check(b"SMTP ready\r\n\r\n", &ResponseError::Head(String::new()));
        check(
            b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            &ResponseError::Head(String::new()),
        );
        check(
            b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
            &ResponseError::TooLong,
        );
        check(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            &ResponseError::Chunk,
        );
        check(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc",
            &ResponseError::Chunk,
        );
    }
}
