//! Bytes written as hex digits, with spaces where they help.

/// The bytes of `digits`. They are never freed, so that what is decoded from them may outlive the caller.
pub(crate) fn hex(digits: &str) -> &'static [u8] {
    let digits: Vec<u32> = digits
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(16).expect("a hex digit"))
        .collect();
    assert!(digits.len().is_multiple_of(2), "hex digits come in pairs");
    digits
        .chunks(2)
        .map(|pair| u8::try_from(pair[0] << 4 | pair[1]).expect("two hex digits are a byte"))
        .collect::<Vec<u8>>()
        .leak()
}
