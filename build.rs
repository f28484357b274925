//! Only for `links` in Cargo.toml, which asks for a build script.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
}
