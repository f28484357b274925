//! Cancellation by drop.

use super::CancelToken;
use crate::sync::cleanup;

/// Cancels its token when it is dropped.
///
/// [`CancelToken::cancel_on_drop`] makes it.
///
/// # Examples
///
/// ```
/// use raddle::CancelToken;
///
/// fn answer(request: &CancelToken) -> Result<u32, &'static str> {
///     let work = request.child();
///     let _stop = work.cancel_on_drop(); // whichever way this function is left
///     // … threads that work under `work` …
///     Err("no such patient")
/// }
///
/// let request = CancelToken::new();
/// assert!(answer(&request).is_err());
/// assert!(!request.is_cancelled());
/// ```
#[must_use = "if unused, the guard cancels its token immediately"]
#[derive(Debug)]
pub struct CancelOnDrop {
    /// Until it was taken out.
    token: Option<CancelToken>,
}

impl CancelToken {
    /// Returns a guard that cancels this token when it is dropped; [`CancelOnDrop`] has an example.
    pub fn cancel_on_drop(&self) -> CancelOnDrop {
        CancelOnDrop { token: Some(self.clone()) }
    }
}

impl CancelOnDrop {
    /// Consumes the guard and returns its token, without cancelling it.
    ///
    /// # Examples
    ///
    /// ```
    /// let stop = raddle::CancelToken::new().cancel_on_drop();
    /// let token = stop.disarm(); // all went well
    /// assert!(!token.is_cancelled());
    /// ```
    pub fn disarm(mut self) -> CancelToken {
        self.token.take().expect("taken out once, here, by value")
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        cleanup(|| {
            if let Some(token) = self.token.take() {
                token.cancel();
            }
        });
    }
}
