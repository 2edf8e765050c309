//! Takes an answer away from the SDK before the SDK reads it.
//!
//! The SDK signs, sends, pools connections and reports failures; but its decoder drops what it does not know, and
//! callers are to get every byte. So this interceptor stands before the decoder and leaves it an empty body.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextMut, BeforeTransmitInterceptorContextRef,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::Answer;

/// Where the answer of one call is kept until it is taken, and whether the call went out.
#[derive(Clone, Debug, Default)]
pub(super) struct Capture {
    answer: Arc<Mutex<Option<Answer>>>,
    sent: Arc<AtomicBool>,
}

impl Capture {
    pub(super) fn take(&self) -> Option<Answer> {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Whether the request was handed to a connection.
    pub(super) fn was_sent(&self) -> bool {
        self.sent.load(Ordering::SeqCst)
    }
}

#[dyn_dispatch_hint]
impl Intercept for Capture {
    fn name(&self) -> &'static str {
        "Capture"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.sent.store(true, Ordering::SeqCst);
        Ok(())
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response_mut();
        let mut headers = HeaderMap::new();
        for (name, value) in response.headers() {
            headers.append(HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
        }
        let status = StatusCode::from_u16(response.status().as_u16())?;
        let body = std::mem::replace(response.body_mut(), SdkBody::empty());
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(Answer { status, headers, body });
        Ok(())
    }
}
