//! Files that have ended, uploads that nobody completed, and bytes whose function died before or after their item: removed.
//!
//! The table has a reminder of each ([`FileEnd`]); what is done follows from what is there now. Everything may be done twice and cut
//! off anywhere: the reminder goes last.

use gateway::aws::Aws;
use gateway::clock::Clock;
use gateway::config::{ConfigError, Variables};
use gateway::error::Error;
use gateway::large_objects::{LargeObjects, Place};
use gateway::objects::Objects;
use gateway::store::{END_SHARDS, FileEnd, Store, StoredFile, UploadClaim, UploadSession, UploadState};
use jiff::Timestamp;

use crate::Time;
use crate::report::Report;

/// So many reminders are read at once.
const PAGE: usize = 100;

/// Where the bytes are.
pub(crate) struct Files {
    objects: Objects,
    large: LargeObjects,
}

impl Files {
    pub(crate) fn new(aws: &Aws, variables: &Variables, clock: &Clock) -> Result<Self, ConfigError> {
        let objects = Objects::read_from(aws, variables, clock)?;
        Ok(Self {
            large: LargeObjects::beside(&objects, aws, variables)?,
            objects,
        })
    }

    /// Looks at all that is due. A failure is told and left to the next run: what has ended is not shown meanwhile, and calls are
    /// settled whatever becomes of files.
    pub(crate) async fn look(&self, store: &Store, time: Time<'_>, report: &mut Report) {
        for shard in 0..END_SHARDS {
            if let Err(error) = self.shard(store, shard, time, report).await {
                tracing::error!(error = ?error, "the ends of files could not be looked at");
                report.files_failed += 1;
            }
        }
    }

    async fn shard(&self, store: &Store, shard: u8, time: Time<'_>, report: &mut Report) -> Result<(), Error> {
        loop {
            let now = time.clock.now();
            let due = store.file_ends(shard, now, PAGE).await?;
            let mut done = 0;
            for end in &due {
                if !time.is_left() {
                    return Ok(());
                }
                match self.end(store, end, now, report).await {
                    Ok(true) => {
                        store.remove_file_end(end).await?;
                        done += 1;
                    }
                    Ok(false) => {}
                    Err(error) => {
                        tracing::error!(id = end.id, error = ?error, "what has ended could not be removed");
                        report.files_failed += 1;
                    }
                }
            }
            // What stays would be read again, for ever.
            if due.len() < PAGE || done == 0 {
                return Ok(());
            }
        }
    }

    /// Does what is due. `false`: it is not over, and to be looked at again.
    async fn end(&self, store: &Store, end: &FileEnd, now: Timestamp, report: &mut Report) -> Result<bool, Error> {
        if let Some(session) = store.upload_session(&end.owner, &end.id).await? {
            return self.session(store, &session, now, report).await;
        }
        match store.file(&end.owner, &end.id).await? {
            Some(file) if file.is_there(now) => {
                remind(store, &file).await?;
                return Ok(true);
            }
            Some(file) if !store.delete_ended_file(&file).await? => return Ok(false),
            _ => {}
        }
        self.objects.delete(&end.owner, &end.id).await?;
        report.files_removed += 1;
        Ok(true)
    }

    async fn session(
        &self,
        store: &Store,
        session: &UploadSession,
        now: Timestamp,
        report: &mut Report,
    ) -> Result<bool, Error> {
        if matches!(session.state, UploadState::Pending | UploadState::Verifying) {
            if store.end_upload(session, now, "abandoned").await? == UploadClaim::Lost {
                return Ok(false);
            }
            report.uploads_abandoned += 1;
        }
        if session.state != UploadState::Stored {
            let place = Place {
                owner: &session.owner,
                file_id: &session.file_id,
            };
            self.large.abort(place, &session.storage_id).await?;
            self.objects.delete(&session.owner, &session.file_id).await?;
        }
        store.delete_upload(session).await
    }
}

/// A temporary file that is there yet, since its finalization is prepared, is looked at again when that is over.
async fn remind(store: &Store, file: &StoredFile) -> Result<(), Error> {
    let Some(at) = file.ends_at.max(file.prepared_until).filter(|_| file.ends_at.is_some()) else {
        return Ok(());
    };
    let again = FileEnd {
        at,
        owner: file.owner.clone(),
        id: file.file_id.clone(),
    };
    store.add_file_end(&again).await
}
