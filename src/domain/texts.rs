//! What texts from outside are asked, whatever they name.

/// Whether there is a control character in it.
#[must_use]
pub fn has_control(text: &str) -> bool {
    // Plain ASCII is seen to be that in one go, without a question for each character.
    let is_odd = |byte: u8| !(0x20..0x7f).contains(&byte);
    let has_odd = text.bytes().fold(false, |odd, byte| odd | is_odd(byte));
    has_odd && text.chars().any(char::is_control)
}
