//! What went to a target in a minute, over all environments: one item a target and minute, to which a call adds what Bedrock holds
//! for it, if there is room.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;

use super::{Store, key, unavailable};
use crate::error::Error;

/// How long an item outlives its minute, in seconds.
const KEPT_SECONDS: i64 = 3_600;

/// What a call takes of a target in a minute, and what there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taking<'a> {
    /// The target's name.
    pub target: &'a str,
    /// The start of the minute.
    pub minute: Timestamp,
    /// Tokens that Bedrock holds for the call at its start.
    pub tokens: u64,
    /// Tokens a minute of the target, if they are limited.
    pub most_tokens: Option<u64>,
    /// Requests a minute of the target, if they are limited.
    pub most_requests: Option<u64>,
}

/// Whether there was room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// It is taken.
    Taken,
    /// There was too little, and nothing was taken.
    Full,
}

fn number(value: impl Into<i128>) -> AttributeValue {
    AttributeValue::N(value.into().to_string())
}

impl Store {
    /// Takes room for a call. A call that needs more than a whole minute has is let through where nothing else went yet: Bedrock
    /// decides.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]: then it may be taken or not.
    pub async fn take_room(&self, taking: &Taking<'_>) -> Result<Room, Error> {
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key::quota(taking.target, taking.minute).into_item()))
            .update_expression("SET expires_at = :expires ADD tokens :tokens, requests :one")
            .expression_attribute_values(":expires", number(taking.minute.as_second() + KEPT_SECONDS))
            .expression_attribute_values(":tokens", number(taking.tokens))
            .expression_attribute_values(":one", number(1));
        let mut conditions = Vec::new();
        if let Some(most) = taking.most_tokens {
            conditions.push("tokens <= :tokens_left");
            let left = i128::from(most) - i128::from(taking.tokens);
            update = update.expression_attribute_values(":tokens_left", number(left.max(0)));
        }
        if let Some(most) = taking.most_requests {
            conditions.push("requests < :requests");
            update = update.expression_attribute_values(":requests", number(most));
        }
        if !conditions.is_empty() {
            let condition = format!("attribute_not_exists(pk) OR ({})", conditions.join(" AND "));
            update = update.condition_expression(condition);
        }
        match update.send().await {
            Ok(_) => Ok(Room::Taken),
            Err(SdkError::ServiceError(failure))
                if matches!(failure.err(), UpdateItemError::ConditionalCheckFailedException(_)) =>
            {
                Ok(Room::Full)
            }
            Err(error) => Err(unavailable(error)),
        }
    }

    /// Changes what a call has taken of a minute by so many tokens and requests: less than nothing gives back.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn change_room(&self, target: &str, minute: Timestamp, tokens: i64, requests: i64) -> Result<(), Error> {
        let update = self.client.update_item().table_name(&self.table);
        update
            .set_key(Some(key::quota(target, minute).into_item()))
            .update_expression("SET expires_at = :expires ADD tokens :tokens, requests :requests")
            .expression_attribute_values(":expires", number(minute.as_second() + KEPT_SECONDS))
            .expression_attribute_values(":tokens", number(tokens))
            .expression_attribute_values(":requests", number(requests))
            .send()
            .await
            .map(drop)
            .map_err(unavailable)
    }
}
