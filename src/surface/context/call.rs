//! One request on its way through a handler.

use std::cell::Cell;

use crate::base::stdx::meter::Meter;
use crate::base::stdx::text::Text;
use crate::core::model::{Caller, Command};
use crate::net::http::{Exchange, Query, Request, Response};
use crate::node::registry::error::WriteError;
use crate::node::registry::queue::Written;
use crate::surface::answers::fast_path::FastPathEntry;
use crate::surface::answers::key::AnswerKey;
use crate::surface::context::api::Api;
use crate::surface::context::error::ApiError;
use crate::surface::context::metered_views::MeteredViews;
use crate::surface::context::params::{ReadParams, query_of};
use crate::surface::context::rights::Rights;
use crate::surface::context::sight::Sight;
use crate::surface::context::write_permission;
use crate::surface::dispatch::route::Route;

/// What a handler comes to.
pub type HandlerResult = Result<Response, ApiError>;

/// A request that found its row: what a handler works with.
pub struct Call<'a, 'e> {
    /// The API and, through it, the registry.
    pub api: &'a Api,
    /// The request and the connection it came on.
    pub exchange: &'a mut Exchange<'e>,
    /// What its caller may do.
    pub rights: &'a Rights,
    /// Set when something was there that he may not see.
    pub hides: &'a Cell<bool>,
    /// Whether a read that is to wait for a change may.
    pub may_wait: bool,
    /// The route that it found, and its number in the table.
    pub route: &'static Route,
    /// See `route`.
    pub row: usize,
    /// The rest of the path where the row's path ends in `/`.
    pub argument: Text,
    /// What may be spent on the answer.
    pub meter: &'a Meter<'a>,
    /// Set by a handler whose answer would be the same for the same target.
    pub offer: Option<FastPathEntry>,
}

impl<'a> Call<'a, '_> {
    /// The tables of the registry, as far as the answer may cost.
    pub fn views(&self) -> MeteredViews<'a> {
        MeteredViews::of(&self.api.registry, self.meter, self.sight())
    }

    /// What its caller sees of them.
    pub fn sight(&self) -> Sight<'a> {
        Sight::of(self.rights, self.hides)
    }
}

impl Call<'_, '_> {
    /// The request.
    pub fn request(&self) -> &Request {
        self.exchange.request()
    }

    /// The body of the request, as large as the row of the route lets it be.
    ///
    /// # Errors
    /// 413 when it is larger.
    pub fn body(&self) -> Result<&[u8], ApiError> {
        let body = self.request().body();
        self.route.body_limit.check(body.len())?;
        Ok(body)
    }

    /// Who asks, for the log, the history and webhooks.
    pub fn caller(&self) -> Caller {
        Caller { by: self.exchange.peer_text(), request_id: self.request().id().as_str().into() }
    }

    /// Has a command carried out for whoever asks; answers when it is durable and visible.
    ///
    /// # Errors
    /// 403 that says what he lacks, and those of [`WriteError`]; nothing was changed then.
    pub fn write(&self, command: Command) -> Result<Written, ApiError> {
        Ok(self.try_write(command)??)
    }

    /// The same for whoever answers some refusals of the registry in words of his own.
    ///
    /// # Errors
    /// 403 that says what he lacks.
    pub fn try_write(&self, command: Command) -> Result<Result<Written, WriteError>, ApiError> {
        write_permission::check(self.rights, self.api.registry.views(), &command)?;
        Ok(self.api.registry.write_for(self.caller(), command))
    }

    /// That its caller may do now what he might when it came: to be asked whenever it has waited.
    ///
    /// # Errors
    /// See [`ApiError::rights_changed`].
    pub fn rights_hold(&self) -> Result<(), ApiError> {
        match self.rights.changed(self.api.registry.access(), || self.api.clock.unix_ms()) {
            None => Ok(()),
            Some(_) => Err(ApiError::rights_changed()),
        }
    }

    /// What tells the answer from others. `variant` is what it depends on beside the request; empty for nothing.
    pub fn key(&self, variant: &str) -> AnswerKey {
        AnswerKey::of(
            self.rights.key_of(self.route.permission.entries()),
            self.request(),
            &self.route.neutral,
            variant,
        )
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
