//! What texts from outside are asked, whatever they name, and how numbers become texts.

/// The last eight decimal digits of a number, zeros first.
///
/// Halves it into fours, twos and ones, which lie side by side in one register: a third of the work of
/// dividing digit by digit.
#[must_use]
pub fn eight_digits(number: u32) -> [u8; 8] {
    let (high, low) = (number / 10_000 % 10_000, number % 10_000);
    let fours = u64::from(high) | u64::from(low) << 32;
    // n * 5243 >> 19 is n / 100 for all n below 10,000, and n * 103 >> 10 is n / 10 for all below 100.
    let hundreds = (fours.wrapping_mul(5_243) >> 19) & 0x7f_0000_007f;
    let twos = hundreds | fours.wrapping_sub(hundreds.wrapping_mul(100)) << 16;
    let tens = (twos.wrapping_mul(103) >> 10) & 0x000f_000f_000f_000f;
    let ones = tens | twos.wrapping_sub(tens.wrapping_mul(10)) << 8;
    (ones | 0x3030_3030_3030_3030).to_le_bytes()
}

/// Whether there is a control character in it.
#[must_use]
pub fn has_control(text: &str) -> bool {
    // Plain ASCII is seen to be that in one go, without a question for each character.
    let is_odd = |byte: u8| !(0x20..0x7f).contains(&byte);
    let has_odd = text.bytes().fold(false, |odd, byte| odd | is_odd(byte));
    has_odd && text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn digits_are_those_of_the_number(number in prop_oneof![any::<u32>(), 0..10_000_u32]) {
            let whole = format!("{number:08}");
            let last = whole.len().saturating_sub(8);
            prop_assert_eq!(&eight_digits(number)[..], &whole.as_bytes()[last..]);
        }
    }
}
