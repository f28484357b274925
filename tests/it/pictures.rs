//! The pictures in the documentation, which stand in its pages as they are.

use std::fs;
use std::path::Path;

/// Each picture is one HTML block, fits both themes, says in words what it shows, and shares no name with another on
/// the page.
#[test]
fn pictures_fit_in_the_pages() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let mut pictures = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "svg") {
            continue;
        }
        pictures += 1;
        let name = path.file_stem().unwrap().to_str().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        // Markdown takes a line with a whole tag as the beginning of a block, and an empty line as its end.
        let first = text.lines().next().unwrap();
        assert!(first.starts_with("<svg ") && first.ends_with('>') && text.ends_with("</svg>\n"), "{name}");
        assert!(text.lines().all(|line| !line.trim().is_empty()), "{name} has an empty line");
        let title = format!("raddle-{name}-title");
        assert!(text.contains(&format!("<title id=\"{title}\">")), "{name} has no title");
        assert!(first.contains(&format!(" role=\"img\" aria-labelledby=\"{title}\"")), "{name} is not labelled");
        for id in text.split(" id=\"").skip(1) {
            assert!(id.starts_with(&format!("raddle-{name}-")), "{name} has a name that another could have");
        }
        // Text and lines take the colour of the page's text; nothing is drawn in black or white.
        assert!(first.contains(" fill=\"currentColor\""), "{name}");
        let fixed = ["black", "white", "#000", "#fff", "<style", "<script", "href"];
        assert_eq!(fixed.into_iter().find(|fixed| text.contains(fixed)), None, "{name}");
    }
    assert_ne!(pictures, 0);
}
