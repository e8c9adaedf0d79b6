//! Go's `strconv` and the part of `unicode` that templates show: quoting, numbers as text and back.

pub mod chars;
pub mod float;
pub mod parse;
pub mod quote;

pub use chars::{decode_rune, is_print};
pub use float::format_float;
pub use parse::{NumberError, parse_float, parse_int, parse_uint};
pub use quote::{can_backquote, quote, quote_rune, quote_with, unquote};
