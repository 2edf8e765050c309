//! The price book's revisions. A revision is written once and never changed, so what a row says it was priced by can be
//! looked up for ever; a head says which one counts.
//!
//! A change writes the next revision, moves the head and puts the audit entry, all or nothing, on the condition that the
//! head is still where it was when the change was made up.

use std::io::{Read as _, Write as _};

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{AuditEntry, Item, Store, condition_failed, item, key, unavailable, was_conflict};
use crate::error::{Error, Kind};
use crate::lookups;
use crate::price::{BandRates, Entry, LongContext, PricedModel, Rates, ServiceTier, TokenRate};
use crate::usage::Tokens;

const VERSION: u32 = 1;

/// The most entries that a revision holds.
pub const MAX_PRICE_ENTRIES: usize = 5_000;

/// The most bytes that they may have compressed: an item has 400 KB at the most, its names included (DynamoDB, "Service,
/// account, and table quotas").
const MAX_COMPRESSED: usize = 390_000;

/// The most bytes that are taken out of a revision: several times what [`MAX_PRICE_ENTRIES`] of the longest entries have.
const MAX_JSON: u64 = 16 * 1024 * 1024;

/// What became of a change of the price book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PriceWrite {
    /// It is the revision that counts now.
    Written,
    /// Somebody else changed the book in between. Nothing was written.
    Overtaken,
}

#[derive(Serialize, Deserialize)]
struct Head {
    revision: u64,
}

#[derive(Deserialize)]
struct Revision {
    #[serde(with = "serde_bytes")]
    entries: Vec<u8>,
}

/// An entry without names, which would be most of its length: model, tier, from when, revision, the five rates, and the
/// length and the five rates of a long prompt.
#[derive(Serialize, Deserialize)]
struct Compact(
    PricedModel,
    ServiceTier,
    Timestamp,
    u64,
    Option<[TokenRate; 5]>,
    Option<(Tokens, [TokenRate; 5])>,
);

impl Compact {
    fn of(entry: &Entry) -> Self {
        let long = entry.rates.and_then(|rates| rates.long_context);
        Self(
            entry.model.clone(),
            entry.tier,
            entry.effective_from,
            entry.revision,
            entry.rates.map(|rates| rates.base.to_array()),
            long.map(|long| (long.above_tokens, long.rates.to_array())),
        )
    }

    fn into_entry(self) -> Entry {
        let Self(model, tier, effective_from, revision, base, long) = self;
        let long_context = long.map(|(above_tokens, rates)| LongContext {
            above_tokens,
            rates: BandRates::from(rates),
        });
        let rates = base.map(|base| Rates {
            base: BandRates::from(base),
            long_context,
        });
        Entry {
            model,
            tier,
            effective_from,
            rates,
            revision,
        }
    }
}

impl Store {
    /// The revision of the price book that counts; 0 before anybody has written into it.
    ///
    /// # Errors
    /// [`Kind::Unavailable`]
    pub async fn price_revision(&self) -> Result<u64, Error> {
        let head: Option<Head> = self.read(key::price_head()).await?;
        Ok(head.map_or(0, |head| head.revision))
    }

    /// The entries of a revision that was written.
    ///
    /// # Errors
    /// [`Kind::Unavailable`]; [`Kind::Internal`] if the revision is missing or cannot be read.
    pub async fn price_entries(&self, revision: u64) -> Result<Vec<Entry>, Error> {
        if revision == 0 {
            return Ok(Vec::new());
        }
        let found: Option<Revision> = self.read(key::price_revision(revision)).await?;
        let found = found.ok_or_else(|| Error::internal(format!("no revision {revision} of the price book")))?;
        unpacked(&found.entries)
    }

    /// Writes the revision after `revision` and lets it count.
    ///
    /// # Errors
    /// [`Kind::TooLarge`] for more entries than one item holds; [`Kind::Unavailable`]
    pub async fn write_prices(
        &self,
        revision: u64,
        entries: &[Entry],
        audit: &AuditEntry,
    ) -> Result<PriceWrite, Error> {
        let write = self
            .client
            .transact_write_items()
            .transact_items(self.move_price_head(revision)?)
            .transact_items(self.put_new(revision_item(revision + 1, entries)?)?)
            .transact_items(self.audit_write(audit)?)
            // A repetition after a lost answer is the same transaction, and not one that was overtaken by itself.
            .client_request_token(&audit.audit_id);
        let write = async {
            match write.send().await {
                Ok(_) => Ok(PriceWrite::Written),
                // The audit entry's id is this change's alone: if it is there, this is a repetition of what was written.
                Err(error) if condition_failed(&error, 2) => Ok(PriceWrite::Written),
                Err(error) if condition_failed(&error, 0) || condition_failed(&error, 1) => Ok(PriceWrite::Overtaken),
                Err(error) if was_conflict(&error) => Ok(PriceWrite::Overtaken),
                Err(error) => Err(unavailable(error)),
            }
        };
        self.changing(&[lookups::PRICE_REVISION.name(lookups::PRICES)], Box::pin(write))
            .await
    }

    fn move_price_head(&self, from: u64) -> Result<TransactWriteItem, Error> {
        let head = item(key::price_head(), VERSION, Head { revision: from + 1 })?;
        let put = Put::builder().table_name(&self.table).set_item(Some(head));
        let put = if from == 0 {
            put.condition_expression("attribute_not_exists(pk)")
        } else {
            put.condition_expression("revision = :from")
                .expression_attribute_values(":from", AttributeValue::N(from.to_string()))
        };
        let put = put.build().map_err(Error::internal)?;
        Ok(TransactWriteItem::builder().put(put).build())
    }
}

fn revision_item(revision: u64, entries: &[Entry]) -> Result<Item, Error> {
    let packed = packed(entries)?;
    let mut item = item(key::price_revision(revision), VERSION, Head { revision })?;
    item.insert("entries".to_owned(), AttributeValue::B(Blob::new(packed)));
    Ok(item)
}

fn packed(entries: &[Entry]) -> Result<Vec<u8>, Error> {
    let too_large = |text: String| Error::new(Kind::TooLarge, text);
    if entries.len() > MAX_PRICE_ENTRIES {
        return Err(too_large(format!(
            "The price book holds {MAX_PRICE_ENTRIES} entries at the most."
        )));
    }
    let compact: Vec<_> = entries.iter().map(Compact::of).collect();
    let json = serde_json::to_vec(&compact).map_err(Error::internal)?;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&json).map_err(Error::internal)?;
    let packed = encoder.finish().map_err(Error::internal)?;
    if packed.len() > MAX_COMPRESSED {
        return Err(too_large(
            "The price book is too large for one item of the table.".to_owned(),
        ));
    }
    Ok(packed)
}

fn unpacked(bytes: &[u8]) -> Result<Vec<Entry>, Error> {
    let mut json = Vec::new();
    let mut decoder = GzDecoder::new(bytes).take(MAX_JSON);
    decoder.read_to_end(&mut json).map_err(Error::internal)?;
    let compact: Vec<Compact> = serde_json::from_slice(&json).map_err(Error::internal)?;
    Ok(compact.into_iter().map(Compact::into_entry).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(seed: u64) -> [TokenRate; 5] {
        // Numbers of about seven digits that repeat nowhere.
        [1, 2, 3, 4, 5].map(|place| TokenRate::try_from((seed * 7_919 + place * 104_729) % 9_999_991 + 1).unwrap())
    }

    fn entry(number: u64) -> Entry {
        let long_context = number.is_multiple_of(2).then(|| LongContext {
            above_tokens: Tokens::new(200_000 + number),
            rates: BandRates::from(rates(number + 1)),
        });
        let base = BandRates::from(rates(number));
        Entry {
            model: format!("us.vendor.model-{number}-v1:0").parse().unwrap(),
            tier: ServiceTier::ALL[usize::try_from(number % 4).unwrap()],
            effective_from: Timestamp::from_second(i64::try_from(number).unwrap()).unwrap(),
            rates: (!number.is_multiple_of(3)).then_some(Rates { base, long_context }),
            revision: number,
        }
    }

    #[test]
    fn a_full_book_of_entries_comes_back_and_fits_an_item() {
        let entries: Vec<_> = (0..u64::try_from(MAX_PRICE_ENTRIES).unwrap()).map(entry).collect();
        let packed = packed(&entries).unwrap();
        assert!(packed.len() < MAX_COMPRESSED / 2, "{}", packed.len());
        assert_eq!(unpacked(&packed).unwrap(), entries);
    }

    #[test]
    fn one_entry_more_is_refused() {
        let entries = vec![entry(1); MAX_PRICE_ENTRIES + 1];
        assert_eq!(packed(&entries).unwrap_err().kind, Kind::TooLarge);
    }

    #[test]
    fn what_is_no_revision_is_refused() {
        let packed_text = |text: &str| {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(text.as_bytes()).unwrap();
            encoder.finish().unwrap()
        };
        assert!(unpacked(&packed_text("[]")).is_ok());
        for bad in [
            &b"[]"[..],
            b"",
            &packed_text("[["),
            &packed_text(r#"[["a.b","flex",1,1,[0,1,1,1,1],null]]"#),
        ] {
            assert_eq!(unpacked(bad).unwrap_err().kind, Kind::Internal);
        }
    }
}
