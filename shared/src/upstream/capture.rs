//! Takes an answer away from the SDK before the SDK reads it.
//!
//! The SDK signs, sends, pools connections and reports failures; but its decoder drops what it does not know, and
//! callers are to get every byte. So this interceptor stands before the decoder and leaves it an empty body.

use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextMut;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::Answer;

/// Where the answer of one call is kept until it is taken.
#[derive(Clone, Debug, Default)]
pub(super) struct Capture(Arc<Mutex<Option<Answer>>>);

impl Capture {
    pub(super) fn take(&self) -> Option<Answer> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[dyn_dispatch_hint]
impl Intercept for Capture {
    fn name(&self) -> &'static str {
        "Capture"
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
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Answer { status, headers, body });
        Ok(())
    }
}
