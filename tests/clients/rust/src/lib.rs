//! What the Rust clients share: the phases, the printed assertions and the parked query. It knows no client.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;

/// Far longer than a run: a check must change only when the client says so.
pub const TTL: &str = "600s";

/// A blocking query that waits this long without the change has missed it.
pub const WAIT: Duration = Duration::from_secs(30);

/// How long the watcher parks each time; it asks again until standard input closes.
pub const WATCH_WAIT: Duration = Duration::from_secs(60);

/// Between two attempts of the watcher while the server is away.
pub const RETRY: Duration = Duration::from_millis(100);

/// Gives a blocking query time to be parked before the change; its answer must come after the change all the same.
const CHANGE_AFTER: Duration = Duration::from_millis(300);

/// The phase named on the command line; ends the program with the list of names if there is none.
pub fn phase() -> String {
    let names = "register|verify|watch|critical|passing|deregister|all";
    std::env::args().nth(1).unwrap_or_else(|| fail("usage", &names))
}

/// Prints that `what` holds, or what was seen instead and ends the program with code 1.
pub fn expect(what: &str, holds: bool, saw: impl Debug) {
    if !holds {
        fail(what, &saw);
    }
    println!("ok: {what}");
}

/// Unwraps what a client answered, or prints its error and ends the program with code 1.
pub fn answer<T, E: Debug>(what: &str, result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| fail(what, &error))
}

/// Prints what was seen and ends the program with code 1.
pub fn fail(what: &str, saw: &dyn Debug) -> ! {
    println!("FAILED: {what}: saw {saw:?}");
    std::process::exit(1)
}

/// Runs the parked `query` and `change` side by side: the answer must come after the change began, and be `wanted`.
pub async fn sees(query: impl Future<Output = String>, change: impl Future<Output = ()>, wanted: &str) {
    let parked = async {
        let state = query.await;
        (state, Instant::now())
    };
    let changing = async {
        tokio::time::sleep(CHANGE_AFTER).await;
        let began_at = Instant::now();
        change.await;
        began_at
    };
    let ((state, answered_at), began_at) = tokio::join!(parked, changing);
    expect("the blocking query waited for the change", answered_at >= began_at, began_at - answered_at);
    expect(&format!("the blocking query saw {wanted}"), state == wanted, state);
    println!("took: {:.1?} from the change to the answer", answered_at - began_at);
}

/// Returns when standard input closes: the watcher's way to be told to stop, also if its driver died.
pub async fn stdin_closed() {
    let mut ignored = Vec::new();
    answer("standard input", tokio::io::stdin().read_to_end(&mut ignored).await);
}

/// Prints a watched state that differs from the one before.
pub fn report(state: String, seen: &mut Option<String>) {
    if seen.as_ref() != Some(&state) {
        println!("saw {state}");
        *seen = Some(state);
    }
}
