//! Which requests wait while another process may take over, and which go there.

use crate::net::http::connection::Connection;
use crate::net::http::method::Method;
use crate::net::http::request::Request;
use crate::net::http::wait::ConnectionEnd;

impl Connection {
    /// Whether another process is to answer the request. Waits while that is open and the request needs the store.
    pub(super) fn must_move(&mut self, request: &Request) -> Result<bool, ConnectionEnd> {
        let is_read = matches!(request.method(), Method::Get | Method::Head | Method::Options);
        if is_read && !self.transport.shared().is_holding() {
            return Ok(false);
        }
        self.wait_for_release(request, is_read)
    }

    /// What [`Connection::must_move`] does with the few that are no plain read.
    #[inline(never)]
    fn wait_for_release(&mut self, request: &Request, is_read: bool) -> Result<bool, ConnectionEnd> {
        let needs_store = !is_read || self.handler.needs_store(request.path());
        loop {
            let shared = self.transport.shared();
            if shared.is_aborting() {
                return Err(ConnectionEnd::Gone);
            }
            if shared.is_moving() {
                return Ok(true);
            }
            let may_go_on = match is_read {
                true => !needs_store || !shared.is_holding(),
                false => self.transport.begin_write(),
            };
            if may_go_on {
                return Ok(false);
            }
            self.transport.wait_for_phase();
        }
    }
}
