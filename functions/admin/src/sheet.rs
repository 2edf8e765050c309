//! Lists as CSV (RFC 4180): a header line, one line an item, and the next page's place in headers.

use axum::response::IntoResponse as _;
use gateway::error::Error;
use gateway::http::Outcome;
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use serde::Deserialize;

/// Where the next page of a list of CSV begins.
pub(crate) const NEXT_CURSOR: HeaderName = HeaderName::from_static("x-next-cursor");

/// What a list comes as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Format {
    Json,
    Csv,
}

impl Format {
    /// What is asked for by name counts; without that, CSV for whoever accepts that and no JSON.
    pub(crate) fn chosen(wish: Option<Self>, headers: &HeaderMap) -> Self {
        let accepted = headers.get_all(header::ACCEPT);
        let accepts = |media_type: &str| {
            let texts = accepted.iter().filter_map(|value| value.to_str().ok());
            let mut ranges = texts.flat_map(|text| text.split(','));
            ranges.any(|range| {
                let essence = range.split(';').next().unwrap_or_default().trim();
                essence.eq_ignore_ascii_case(media_type)
            })
        };
        wish.unwrap_or_else(|| {
            if accepts("text/csv") && !accepts("application/json") {
                Self::Csv
            } else {
                Self::Json
            }
        })
    }
}

/// The answer of CSV. `next` is the next page's cursor; the link to it is the request's own, with that cursor (RFC 8288).
pub(crate) fn csv<const N: usize>(
    file_name: &'static str,
    columns: [&str; N],
    lines: impl Iterator<Item = [String; N]>,
    next: Option<&str>,
    uri: &Uri,
) -> Outcome {
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    writer.write_record(columns).map_err(Error::internal)?;
    for line in lines {
        writer.write_record(line.map(defused)).map_err(Error::internal)?;
    }
    let body = writer
        .into_inner()
        .map_err(|error| Error::internal(error.to_string()))?;
    let disposition = format!("attachment; filename=\"{file_name}\"");
    let head = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, disposition),
    ];
    let mut response = (head, body).into_response();
    if let Some(cursor) = next {
        let value = |text: &str| HeaderValue::from_str(text).map_err(Error::internal);
        let headers = response.headers_mut();
        headers.insert(NEXT_CURSOR, value(cursor)?);
        headers.insert(
            header::LINK,
            value(&format!("<?{}>; rel=\"next\"", with_cursor(uri, cursor)?))?,
        );
    }
    Ok(response)
}

/// A cell that a spreadsheet does not take for a formula (OWASP, CSV Injection): no such cell begins as one does.
fn defused(cell: String) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{cell}")
    } else {
        cell
    }
}

fn with_cursor(uri: &Uri, cursor: &str) -> Result<String, Error> {
    let query = uri.query().unwrap_or_default();
    let mut pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).map_err(Error::internal)?;
    pairs.retain(|(name, _)| name != "cursor");
    pairs.push(("cursor".to_owned(), cursor.to_owned()));
    serde_urlencoded::to_string(pairs).map_err(Error::internal)
}

/// A cell of what may not be there.
pub(crate) fn cell(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_that_begins_as_a_formula_begins_with_an_apostrophe() {
        for bad in ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"] {
            assert_eq!(defused(bad.to_owned()), format!("'{bad}"));
        }
        for good in ["", "a=b", "1-1", "'", " =1"] {
            assert_eq!(defused(good.to_owned()), good);
        }
    }

    #[test]
    fn csv_comes_to_whoever_asks_for_it_by_name_or_accepts_nothing_else_of_ours() {
        let chosen = |wish, accept: &'static str| {
            let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]);
            Format::chosen(wish, &headers)
        };
        assert_eq!(chosen(None, "text/html, Text/CSV;q=0.9"), Format::Csv);
        assert_eq!(chosen(None, "text/csv, application/json"), Format::Json);
        assert_eq!(chosen(None, "*/*"), Format::Json);
        assert_eq!(chosen(Some(Format::Json), "text/csv"), Format::Json);
        assert_eq!(chosen(Some(Format::Csv), "application/json"), Format::Csv);
    }

    #[test]
    fn the_next_page_is_the_same_request_with_another_cursor() {
        let uri: Uri = "/x?a=%22%3E%3Cb%3E&cursor=old&limit=2".parse().unwrap();
        assert_eq!(with_cursor(&uri, "new").unwrap(), "a=%22%3E%3Cb%3E&limit=2&cursor=new");
    }
}
