//! One request on its way through a handler.

use crate::api::Api;
use crate::api::error::ApiError;
use crate::api::params::{ReadParams, query_of};
use crate::api::ready::Offer;
use crate::http::{Exchange, Query, Request, Response};
use crate::stdx::text::Text;

/// What a handler comes to.
pub type Outcome = Result<Response, ApiError>;

/// A request that found its row: what a handler works with.
pub struct Call<'a, 'e> {
    /// The API and, through it, the registry.
    pub api: &'a Api,
    /// The request and the connection it came on.
    pub exchange: &'a mut Exchange<'e>,
    /// The row, by its number in the table of routes.
    pub row: usize,
    /// The rest of the path where the row's path ends in `/`.
    pub argument: Text,
    /// Set by a handler whose answer would be the same for the same target.
    pub offer: Option<Offer>,
}

impl Call<'_, '_> {
    /// The request.
    pub fn request(&self) -> &Request {
        self.exchange.request()
    }

    /// The query parameters.
    ///
    /// # Errors
    /// 400 when they cannot be decoded.
    pub fn query(&self) -> Result<&Query, ApiError> {
        query_of(self.request())
    }

    /// The parameters common to all reads.
    ///
    /// # Errors
    /// See [`ReadParams::parse`].
    pub fn read_params(&self) -> Result<ReadParams, ApiError> {
        ReadParams::parse(self.request(), &self.api.registry.own_node().datacenter)
    }

    /// The argument, which must not be empty.
    ///
    /// # Errors
    /// 400 with `sentence` when it is.
    pub fn required(&self, sentence: &'static str) -> Result<Text, ApiError> {
        if self.argument.is_empty() {
            Err(ApiError::bad_request(sentence))
        } else {
            Ok(self.argument.clone())
        }
    }
}
