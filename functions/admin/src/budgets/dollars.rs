//! Money as decimal text, exact to the picodollar.

use gateway::money::Picodollars;

/// The decimals of a dollar that a picodollar is.
const DECIMALS: usize = 12;

/// Reads dollars: digits, and up to twelve more behind a point. No sign, no exponent, no separators, nothing rounded.
pub(super) fn parse(text: &str) -> Option<Picodollars> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) || fraction.len() > DECIMALS {
        return None;
    }
    format!("{whole}{fraction:0<DECIMALS$}").parse().ok()
}

/// Dollars of a number of picodollars that may be negative, with all twelve decimals.
pub(super) fn signed(picodollars: i128) -> String {
    let sign = if picodollars < 0 { "-" } else { "" };
    let money = Picodollars::try_from(picodollars.unsigned_abs()).unwrap_or(Picodollars::MAX);
    format!("{sign}{money}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_read_exactly_or_not_at_all() {
        for (text, picodollars) in [
            ("0", 0),
            ("50", 50_000_000_000_000),
            ("50.00", 50_000_000_000_000),
            ("0.000000000001", 1),
            ("007.10", 7_100_000_000_000),
        ] {
            assert_eq!(parse(text), Some(Picodollars::new(picodollars)), "{text}");
        }
        let most = format!("{}.{}", "9".repeat(26), "9".repeat(12));
        assert_eq!(parse(&most), Some(Picodollars::MAX));
        for bad in [
            "",
            ".",
            "1.",
            ".5",
            "-1",
            "+1",
            "1e3",
            "1,000",
            " 1",
            "1 ",
            "0x1",
            "1.2.3",
            "0.0000000000001",
            "NaN",
            "∞",
            "１",
            "100000000000000000000000000.00",
        ] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn what_is_read_is_written_the_same() {
        assert_eq!(signed(-1), "-0.000000000001");
        assert_eq!(signed(50_000_000_000_000), "50.000000000000");
    }
}
