//! Every stored type: its fields in order, its kinds by permanent number.
//!
//! What a version has written is frozen. A later version adds fields behind those of the earlier one,
//! `since` itself, each with what stands for it in older bytes; and kinds and words with numbers of
//! their own. Nothing is moved, removed or given another meaning.

mod authorization;
mod books;
mod events;
mod outbox;
mod plain;
mod state;

/// The version of the bytes being read: the context of every decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::wire) struct Version(pub(in crate::wire) u8);

/// A struct: its fields in stored order; those of a later version with their value in older bytes.
macro_rules! stored {
    ($($type:path { $($field:ident),* $(,)? }
        $(+ since $version:literal { $($later:ident = $older:expr),* $(,)? })*
    )*) => {$(
        impl bincode::Encode for $type {
            fn encode<E: bincode::enc::Encoder>(
                &self,
                encoder: &mut E,
            ) -> Result<(), bincode::error::EncodeError> {
                $(self.$field.encode(encoder)?;)*
                $($(self.$later.encode(encoder)?;)*)*
                Ok(())
            }
        }
        impl bincode::Decode<$crate::wire::layout::Version> for $type {
            fn decode<D: bincode::de::Decoder<Context = $crate::wire::layout::Version>>(
                decoder: &mut D,
            ) -> Result<Self, bincode::error::DecodeError> {
                Ok(Self {
                    $($field: bincode::Decode::decode(decoder)?,)*
                    $($($later: if decoder.context().0 < $version {
                        $older
                    } else {
                        bincode::Decode::decode(decoder)?
                    },)*)*
                })
            }
        }
    )*};
}

/// An enum of plain words: each with its permanent number.
macro_rules! stored_words {
    ($($type:path { $($number:literal => $word:ident),* $(,)? })*) => {$(
        impl bincode::Encode for $type {
            fn encode<E: bincode::enc::Encoder>(
                &self,
                encoder: &mut E,
            ) -> Result<(), bincode::error::EncodeError> {
                let number: u8 = match self { $(Self::$word => $number),* };
                number.encode(encoder)
            }
        }
        impl bincode::Decode<$crate::wire::layout::Version> for $type {
            fn decode<D: bincode::de::Decoder<Context = $crate::wire::layout::Version>>(
                decoder: &mut D,
            ) -> Result<Self, bincode::error::DecodeError> {
                let number: u8 = bincode::Decode::decode(decoder)?;
                match number {
                    $($number => Ok(Self::$word),)*
                    other => Err($crate::wire::layout::unknown(stringify!($type), other)),
                }
            }
        }
    )*};
}

/// An enum with content: each kind with its permanent number and its fields in stored order (a
/// tuple's fields by their index).
macro_rules! stored_kinds {
    ($($type:path { $($number:literal => $kind:ident { $($field:tt : $part:ident),* }),* $(,)? })*)
    => {$(
        impl bincode::Encode for $type {
            fn encode<E: bincode::enc::Encoder>(
                &self,
                encoder: &mut E,
            ) -> Result<(), bincode::error::EncodeError> {
                match self {
                    $(Self::$kind { $($field: $part),* } => {
                        let number: u8 = $number;
                        number.encode(encoder)?;
                        $($part.encode(encoder)?;)*
                    })*
                }
                Ok(())
            }
        }
        impl bincode::Decode<$crate::wire::layout::Version> for $type {
            fn decode<D: bincode::de::Decoder<Context = $crate::wire::layout::Version>>(
                decoder: &mut D,
            ) -> Result<Self, bincode::error::DecodeError> {
                let number: u8 = bincode::Decode::decode(decoder)?;
                match number {
                    $($number => {
                        $(let $part = bincode::Decode::decode(decoder)?;)*
                        Ok(Self::$kind { $($field: $part),* })
                    })*
                    other => Err($crate::wire::layout::unknown(stringify!($type), other)),
                }
            }
        }
    )*};
}

/// A newtype by its number.
macro_rules! stored_number {
    ($($type:path as $number:ty { $to:expr, $from:expr })*) => {$(
        impl bincode::Encode for $type {
            fn encode<E: bincode::enc::Encoder>(
                &self,
                encoder: &mut E,
            ) -> Result<(), bincode::error::EncodeError> {
                let to: fn(&Self) -> $number = $to;
                to(self).encode(encoder)
            }
        }
        impl bincode::Decode<$crate::wire::layout::Version> for $type {
            fn decode<D: bincode::de::Decoder<Context = $crate::wire::layout::Version>>(
                decoder: &mut D,
            ) -> Result<Self, bincode::error::DecodeError> {
                let from: fn($number) -> Option<Self> = $from;
                let number: $number = bincode::Decode::decode(decoder)?;
                from(number).ok_or_else(|| $crate::wire::layout::wrong(stringify!($type)))
            }
        }
    )*};
}

pub(super) use {stored, stored_kinds, stored_number, stored_words};

pub(super) fn unknown(name: &'static str, number: u8) -> bincode::error::DecodeError {
    bincode::error::DecodeError::OtherString(format!("{name} has no kind {number}"))
}

pub(super) fn wrong(name: &'static str) -> bincode::error::DecodeError {
    bincode::error::DecodeError::OtherString(format!("{name} is out of range"))
}
