//! Money: whole picodollars, never a float.
//!
//! A Bedrock price has up to 12 decimals of a dollar a token, so a picodollar (10⁻¹² dollars) is the largest unit in which
//! every price is an integer and every sum exact.

use std::fmt;
use std::str::FromStr;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An amount of money in picodollars: 1 US dollar is 10¹² of them.
///
/// `u128` inside, bounded to the 38 digits that a DynamoDB number holds, so that no sum of bills comes near the end.
/// Serialised it is an integer; neither `serde_dynamo` nor flattened or tagged items take one of 128 bits, so it is one of 64
/// up to 18,446,744 dollars, and a store that adds up more than that writes and reads the number's digits
/// ([`as_u128`](Self::as_u128), [`FromStr`]). JavaScript reads integers exactly up to 2⁵³, which is 9,007 dollars: more than
/// any one call costs, but not more than a sum can, so sums for people are shown by [`Display`](fmt::Display) too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Picodollars(u128);

/// An amount outside of what a [`Picodollars`] holds, or text that is no amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a whole number of picodollars of at most 38 digits")]
pub struct AmountError;

impl Picodollars {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// One US dollar.
    pub const DOLLAR: Self = Self(PER_DOLLAR);
    /// The largest amount: 38 nines.
    pub const MAX: Self = Self(10_u128.pow(38) - 1);

    /// An amount of so many picodollars.
    pub const fn new(picodollars: u64) -> Self {
        Self(picodollars as u128)
    }

    /// The number of picodollars.
    pub const fn as_u128(self) -> u128 {
        self.0
    }

    /// The sum, or nothing past [`Self::MAX`].
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).and_then(|sum| Self::try_from(sum).ok())
    }

    /// The difference, or nothing if `other` is the larger one.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// So many times the amount, or nothing past [`Self::MAX`].
    pub fn checked_mul(self, times: u64) -> Option<Self> {
        self.0
            .checked_mul(u128::from(times))
            .and_then(|product| Self::try_from(product).ok())
    }

    /// The sum, held at [`Self::MAX`]: for amounts that are bounded far below it, where stopping there errs on the dear
    /// side.
    #[must_use]
    pub fn saturating_add(self, other: Self) -> Self {
        self.checked_add(other).unwrap_or(Self::MAX)
    }
}

const PER_DOLLAR: u128 = 10_u128.pow(12);

impl TryFrom<u128> for Picodollars {
    type Error = AmountError;

    fn try_from(picodollars: u128) -> Result<Self, AmountError> {
        if picodollars <= Self::MAX.0 {
            Ok(Self(picodollars))
        } else {
            Err(AmountError)
        }
    }
}

impl From<Picodollars> for u128 {
    fn from(amount: Picodollars) -> Self {
        amount.0
    }
}

impl FromStr for Picodollars {
    type Err = AmountError;

    /// Reads decimal digits only: a count of picodollars, no sign, no point, no exponent.
    fn from_str(text: &str) -> Result<Self, AmountError> {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(AmountError);
        }
        text.parse::<u128>().map_err(|_| AmountError).and_then(Self::try_from)
    }
}

impl fmt::Display for Picodollars {
    /// Dollars with all twelve decimals, exact: `0.000123000000`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:012}", self.0 / PER_DOLLAR, self.0 % PER_DOLLAR)
    }
}

impl Serialize for Picodollars {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match u64::try_from(self.0) {
            Ok(picodollars) => serializer.serialize_u64(picodollars),
            Err(_) => serializer.serialize_u128(self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Picodollars {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_u64(AmountVisitor)
    }
}

struct AmountVisitor;

impl Visitor<'_> for AmountVisitor {
    type Value = Picodollars;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number of picodollars")
    }

    fn visit_u64<E: serde::de::Error>(self, picodollars: u64) -> Result<Picodollars, E> {
        Ok(Picodollars::new(picodollars))
    }

    fn visit_i64<E: serde::de::Error>(self, picodollars: i64) -> Result<Picodollars, E> {
        u64::try_from(picodollars).map(Picodollars::new).map_err(E::custom)
    }
}

#[cfg(test)]
mod tests;
