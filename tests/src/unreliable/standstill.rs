//! One request that stands still, so that whoever sent it can be killed there.

use http::Uri;
use tokio::sync::watch;

/// Where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Nothing of it is done.
    Before,
    /// All of it is done, and its sender does not know.
    After,
}

/// Whether it stands yet.
#[derive(Debug)]
pub struct Standstill(watch::Receiver<bool>);

impl Standstill {
    /// Returns when it stands.
    pub async fn reached(&mut self) {
        self.0.wait_for(|stands| *stands).await.unwrap();
    }
}

/// Which request it is to be.
pub(super) struct Watched {
    texts: Vec<String>,
    left: usize,
    moment: Moment,
    stands: watch::Sender<bool>,
}

/// That it is this one.
pub(super) struct Stop {
    pub(super) moment: Moment,
    stands: watch::Sender<bool>,
}

impl Watched {
    pub(super) fn new(texts: &[&str], number: usize, moment: Moment) -> (Self, Standstill) {
        let stands = watch::Sender::new(false);
        let standstill = Standstill(stands.subscribe());
        let watched = Self {
            texts: texts.iter().map(|text| (*text).to_owned()).collect(),
            left: number + 1,
            moment,
            stands,
        };
        (watched, standstill)
    }

    /// Counts a request, and says whether it is the one.
    pub(super) fn stop(&mut self, uri: &Uri, body: &[u8]) -> Option<Stop> {
        let (uri, body) = (uri.to_string(), String::from_utf8_lossy(body));
        let is_of = |text: &String| uri.contains(text) || body.contains(text);
        if self.left == 0 || !self.texts.iter().any(is_of) {
            return None;
        }
        self.left -= 1;
        (self.left == 0).then(|| Stop {
            moment: self.moment,
            stands: self.stands.clone(),
        })
    }
}

impl Stop {
    /// Stands until the connection breaks.
    pub(super) async fn stand<T>(self) -> T {
        self.stands.send_replace(true);
        std::future::pending().await
    }
}
