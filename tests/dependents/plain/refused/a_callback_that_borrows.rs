// says: may outlive borrowed value `text`
// says: use the `move` keyword

use raddle::CancelToken;

fn main() {
    let token = CancelToken::new();
    let text = String::from("a local");
    let kept = token.on_cancel(|| println!("{text}"));
    drop(kept);
}
