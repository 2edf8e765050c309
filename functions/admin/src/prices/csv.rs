//! The price book as CSV (RFC 4180): one line a price, all of them, built-in ones too. What is written can be read.

use std::borrow::Cow;
use std::collections::HashMap;

use csv::{ByteRecord, Position, ReaderBuilder, Writer};
use gateway::error::{BadLine, Error, Kind};
use gateway::price::{BandRates, Entry, LongContext, PriceBook, PricedModel, Rates, ServiceTier, Source, TokenRate};
use gateway::store::MAX_PRICE_ENTRIES;
use gateway::usage::Tokens;
use jiff::Timestamp;

use super::shown::checked_above;

/// So many bad lines are told.
const MAX_FAULTS: usize = 50;

const COLUMNS: [&str; 16] = [
    "model",
    "tier",
    "effective_from",
    "source",
    "priced",
    "input",
    "output",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "long_above_tokens",
    "long_input",
    "long_output",
    "long_cache_read",
    "long_cache_write_5m",
    "long_cache_write_1h",
];

type Reason = Cow<'static, str>;

/// What a file says.
#[derive(Debug)]
pub(super) struct Read {
    /// The administrators' entries, in the file's order.
    pub(super) entries: Vec<Entry>,
    /// Lines that say what is built in.
    pub(super) seed_lines: usize,
}

/// Writes all lines of the book.
pub(super) fn write(book: &PriceBook) -> Result<Vec<u8>, Error> {
    let mut writer = Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS).map_err(Error::internal)?;
    for line in book.listed(None) {
        let rates = book.rates_of(&line).map_err(Error::internal)?;
        let mut fields = vec![
            line.model.to_owned(),
            line.tier.name().to_owned(),
            line.effective_from.to_string(),
            line.source().name().to_owned(),
            if rates.is_some() { "yes" } else { "no" }.to_owned(),
        ];
        fields.extend(five(rates.map(|rates| rates.base)));
        let long = rates.and_then(|rates| rates.long_context);
        fields.push(long.map(|long| long.above_tokens.to_string()).unwrap_or_default());
        fields.extend(five(long.map(|long| long.rates)));
        writer.write_record(fields).map_err(Error::internal)?;
    }
    writer.into_inner().map_err(|error| Error::internal(error.to_string()))
}

fn five(rates: Option<BandRates>) -> [String; 5] {
    rates.map_or_else(Default::default, |rates| {
        rates.to_array().map(|rate| rate.as_u64().to_string())
    })
}

/// Reads a whole file. Lines that say what is built in must say it exactly; the others are the administrators' entries.
///
/// # Errors
/// [`Kind::InvalidRequest`] with the bad lines; [`Kind::TooLarge`] for more lines than a book can have.
pub(super) fn read(book: &PriceBook, text: &[u8]) -> Result<Read, Error> {
    let mut reading = Reading::new(book);
    if text.starts_with(b"\xef\xbb\xbf") {
        reading.fault(1, "the file begins with a byte order mark; save it without one".into());
        return reading.end();
    }
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text);
    let most = MAX_PRICE_ENTRIES + book.seed().keys().len();
    let mut record = ByteRecord::new();
    for number in 0.. {
        // Reading from memory fails never, and a record may have any number of fields.
        if !reader.read_byte_record(&mut record).map_err(Error::internal)? {
            if number == 0 {
                reading.fault(1, "the file is empty".into());
            }
            break;
        }
        if number > most {
            return Err(too_many());
        }
        let line = record.position().map_or(0, |position| line_at(text, position));
        if number > 0 {
            reading.line(line, &record);
        } else if record != COLUMNS[..] {
            reading.fault(line, format!("the columns must be {}", COLUMNS.join(",")).into());
            return reading.end();
        }
    }
    reading.end()
}

/// The line that a record begins on. The reader's position is before the empty lines that it skipped, and before the line
/// feed of a `CR LF`.
fn line_at(text: &[u8], position: &Position) -> u64 {
    let start = usize::try_from(position.byte()).unwrap_or(usize::MAX);
    let skipped = text.iter().skip(start).take_while(|byte| matches!(byte, b'\r' | b'\n'));
    position.line() + skipped.map(|byte| u64::from(*byte == b'\n')).sum::<u64>()
}

fn too_many() -> Error {
    Error::new(
        Kind::TooLarge,
        format!("The price book holds {MAX_PRICE_ENTRIES} entries at the most. Nothing was changed."),
    )
}

struct Reading<'a> {
    book: &'a PriceBook,
    read: Read,
    /// On which line a model, tier and time was said.
    seen: HashMap<(PricedModel, ServiceTier, Timestamp), u64>,
    faults: Vec<BadLine>,
    bad_lines: usize,
}

impl<'a> Reading<'a> {
    fn new(book: &'a PriceBook) -> Self {
        Self {
            book,
            read: Read {
                entries: Vec::new(),
                seed_lines: 0,
            },
            seen: HashMap::new(),
            faults: Vec::new(),
            bad_lines: 0,
        }
    }

    fn fault(&mut self, line: u64, reason: Reason) {
        self.bad_lines += 1;
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(BadLine { line, reason });
        }
    }

    fn line(&mut self, line: u64, record: &ByteRecord) {
        let said = fields(record).and_then(|fields| entry(&fields));
        if let Err(reason) = said.and_then(|(entry, source)| self.take(line, entry, source)) {
            self.fault(line, reason);
        }
    }

    fn take(&mut self, line: u64, entry: Entry, source: Source) -> Result<(), Reason> {
        let key = (entry.model.clone(), entry.tier, entry.effective_from);
        if let Some(first) = self.seen.insert(key, line) {
            return Err(format!("model, tier and effective_from are those of line {first}").into());
        }
        match source {
            Source::Book => self.read.entries.push(entry),
            Source::Seed if self.is_built_in(&entry) => self.read.seed_lines += 1,
            Source::Seed => return Err("it is not what is built in; a price of your own has the source `book`".into()),
        }
        Ok(())
    }

    fn is_built_in(&self, entry: &Entry) -> bool {
        let built_in = self.book.seed().tier_rates(entry.model.as_str(), entry.tier).ok();
        entry.effective_from == Timestamp::UNIX_EPOCH && built_in.is_some() && entry.rates == built_in
    }

    fn end(self) -> Result<Read, Error> {
        if self.bad_lines > 0 {
            let lines = if self.bad_lines == 1 { "line is" } else { "lines are" };
            let mut error = Error::invalid(format!("{} {lines} wrong. Nothing was changed.", self.bad_lines));
            error.lines = self.faults;
            return Err(error);
        }
        if self.read.entries.len() > MAX_PRICE_ENTRIES {
            return Err(too_many());
        }
        Ok(self.read)
    }
}

fn fields(record: &ByteRecord) -> Result<[&str; COLUMNS.len()], Reason> {
    let wrong_number = || Reason::from(format!("it has {} fields, not {}", record.len(), COLUMNS.len()));
    if record.len() != COLUMNS.len() {
        return Err(wrong_number());
    }
    let mut fields = [""; COLUMNS.len()];
    for (place, field) in fields.iter_mut().zip(record) {
        *place = std::str::from_utf8(field).map_err(|_| Reason::from("it is not UTF-8"))?;
    }
    Ok(fields)
}

fn entry(fields: &[&str; COLUMNS.len()]) -> Result<(Entry, Source), Reason> {
    let [model, tier, from, source, priced, rates @ ..] = fields;
    let entry = Entry {
        model: model.parse().map_err(|error| Reason::from(format!("model: {error}")))?,
        tier: tier.parse().map_err(|error| Reason::from(format!("tier: {error}")))?,
        effective_from: time(from)?,
        rates: match *priced {
            "yes" => Some(all_rates(rates)?),
            "no" if rates.iter().all(|field| field.is_empty()) => None,
            "no" => return Err("priced: with `no` there are no rates".into()),
            _ => return Err("priced: it must be `yes` or `no`".into()),
        },
        revision: 0,
    };
    let source = [Source::Seed, Source::Book]
        .into_iter()
        .find(|known| known.name() == *source);
    Ok((entry, source.ok_or("source: it must be `seed` or `book`")?))
}

fn time(text: &str) -> Result<Timestamp, Reason> {
    let time = text
        .parse()
        .ok()
        .filter(|time: &Timestamp| *time >= Timestamp::UNIX_EPOCH);
    time.ok_or_else(|| "effective_from: it must be a time since 1970, as 2026-11-25T00:00:00Z".into())
}

fn all_rates(fields: &[&str; 11]) -> Result<Rates, Reason> {
    let [base @ .., _, _, _, _, _, _] = fields;
    let [_, _, _, _, _, above, long @ ..] = fields;
    let base = band(base, "")?;
    let has_none = above.is_empty() && long.iter().all(|field| field.is_empty());
    let long_context = if has_none {
        None
    } else {
        let above_tokens = digits(above).map(Tokens::new).and_then(checked_above);
        Some(LongContext {
            above_tokens: above_tokens.ok_or("long_above_tokens: it must be a number of tokens")?,
            rates: band(long, "long_")?,
        })
    };
    Ok(Rates { base, long_context })
}

fn band(fields: &[&str; 5], prefix: &str) -> Result<BandRates, Reason> {
    let mut rates = [TokenRate::MAX; 5];
    for ((rate, field), name) in rates.iter_mut().zip(fields).zip(BandRates::NAMES) {
        let number = digits(field).and_then(|number| TokenRate::try_from(number).ok());
        *rate = number.ok_or_else(|| {
            let most = TokenRate::MAX.as_u64();
            Reason::from(format!(
                "{prefix}{name}: it must be a whole number of picodollars from 1 to {most}"
            ))
        })?;
    }
    Ok(BandRates::from(rates))
}

/// A number in digits alone: no sign, no point, no exponent, no group, no zero in front.
fn digits(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    if plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests;
