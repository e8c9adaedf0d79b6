//! pkt-lines, the framing of Git's protocols (<https://git-scm.com/docs/protocol-common>).

use std::io::{self, Read};

/// The longest line that the protocol allows, its length included.
const MAX: usize = 65_520;

/// One frame.
#[derive(Debug, PartialEq, Eq)]
pub enum Pkt {
    /// `0000`
    Flush,
    /// A line, its end included.
    Line(Vec<u8>),
}

/// Appends a line.
pub fn write(out: &mut Vec<u8>, line: &[u8]) {
    out.extend_from_slice(format!("{:04x}", line.len() + 4).as_bytes());
    out.extend_from_slice(line);
}

/// Appends a flush.
pub fn flush(out: &mut Vec<u8>) {
    out.extend_from_slice(b"0000");
}

/// Reads a frame; `None` at the end of the stream.
///
/// # Errors
/// If the stream breaks off or is no pkt-line.
pub fn read(from: &mut impl Read) -> io::Result<Option<Pkt>> {
    let mut head = [0; 4];
    let mut got = 0;
    while got < 4 {
        match from.read(&mut head[got..])? {
            0 if got == 0 => return Ok(None),
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => got += n,
        }
    }
    let bad = || io::Error::new(io::ErrorKind::InvalidData, "not a Git protocol line");
    let text = std::str::from_utf8(&head).map_err(|_| bad())?;
    if !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(bad());
    }
    match usize::from_str_radix(text, 16).map_err(|_| bad())? {
        0 => Ok(Some(Pkt::Flush)),
        n if (5..=MAX).contains(&n) || n == 4 => {
            let mut line = vec![0; n - 4];
            from.read_exact(&mut line)?;
            Ok(Some(Pkt::Line(line)))
        }
        _ => Err(bad()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_flushes_survive_the_wire() {
        let mut bytes = Vec::new();
        write(&mut bytes, b"want x\n");
        flush(&mut bytes);
        assert_eq!(bytes, b"000bwant x\n0000");
        let mut from = &bytes[..];
        assert_eq!(read(&mut from).unwrap(), Some(Pkt::Line(b"want x\n".to_vec())));
        assert_eq!(read(&mut from).unwrap(), Some(Pkt::Flush));
        assert_eq!(read(&mut from).unwrap(), None);
    }

    #[test]
    fn what_is_no_pkt_line_is_an_error_not_a_huge_allocation() {
        for bytes in [&b"zzzz"[..], b"ffff", b"0003", b"00", b"0010abc", b"<htm"] {
            assert!(read(&mut &bytes[..]).is_err(), "{bytes:?}");
        }
    }
}
