//! An imaging pipeline: uploaded images go through a queue of five places to three workers, each of which anonymises
//! an image, watermarks it and puts it into the archive.
//!
//! Without the cure (`--naive`) a worker ends at the first image that it cannot read. When all three have met one,
//! the producer waits for ever for room in the queue. Here every image has an end that is written down, whatever
//! becomes of it; closing the queue ends the workers, and cancelling the shift, which is their scope, ends everybody's
//! work early.

use std::collections::HashMap;
use std::error::Error;
use std::fs::{self, File};
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crossbeam_channel::bounded;
use raddle::{CancelToken, OrderedMutex, SendWithin, WaitGroup, scope};

const WIDTH: usize = 64;
const HEIGHT: usize = 48;
/// So many pixels from the top may show the patient's name, as the scanner writes it into the picture.
const BURNT_IN: usize = 8 * WIDTH;
/// The watermark brightens every seventh pixel below.
const STRIPES: usize = 7;
const PATIENT: &str = "Zhang Wei";

const UPLOADS: usize = 40;
const BROKEN: [usize; 3] = [3, 8, 20];
/// So many archived images end the shift that is cancelled.
const ENOUGH: usize = 12;
/// More than all of it should ever take.
const SEAT_BELT: Duration = Duration::from_secs(60);

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> ExitCode {
    scenarios::run(|| cured().map_err(|error| error.to_string()), || naive().map_err(|error| error.to_string()))
}

/// What became of an image.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Archived,
    Broken,
    NotHandled,
}

/// The archive, and how many images more end the shift.
type Archive = OrderedMutex<(tar::Builder<File>, usize)>;

/// Three workers, and this thread as the producer. The shift is cancelled when `enough` images are archived.
fn pipeline(uploads: &[PathBuf], archive: &Path, enough: usize) -> Result<Vec<(PathBuf, Fate)>> {
    let archive = OrderedMutex::new(1, (tar::Builder::new(File::create(archive)?), enough));
    let fates = OrderedMutex::new(2, Vec::new());
    let (images, queue) = bounded::<PathBuf>(5);
    scope(SEAT_BELT, |workers| {
        let shift = workers.token();
        for _ in 0..3 {
            let queue = queue.clone();
            // After a cancel too: whatever is in the queue has its fate noted.
            let work = |image: PathBuf| {
                let fate = handle(&image, &archive, shift);
                fates.lock()?.push((image, fate));
                Ok(())
            };
            workers.spawn(move |_| queue.into_iter().try_for_each(work))?;
        }
        drop(queue); // if no worker is left, sending is an error
        for image in uploads {
            if let Err(unsent) = images.send_within(image.clone(), shift) {
                fates.lock()?.push((unsent.into_inner(), Fate::NotHandled));
            }
        }
        drop(images); // closes the queue: the workers drain it and leave
        Result::Ok(())
    })?;
    archive.into_inner().0.finish()?;
    Ok(fates.into_inner())
}

fn handle(image: &Path, archive: &Archive, shift: &CancelToken) -> Fate {
    if shift.is_cancelled() {
        return Fate::NotHandled;
    }
    match prepare(image).map(|file| store(&name(image), &file, archive, shift)) {
        Ok(Ok(())) => Fate::Archived,
        Ok(Err(_)) => Fate::NotHandled,
        Err(error) => {
            println!("  {} is broken: {error}", name(image));
            Fate::Broken
        }
    }
}

fn store(name: &str, file: &[u8], archive: &Archive, shift: &CancelToken) -> Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(file.len() as u64);
    header.set_mode(0o644);
    let mut archive = archive.lock_within(shift)?;
    archive.0.append_data(&mut header, name, file)?;
    archive.1 = archive.1.saturating_sub(1);
    if archive.1 == 0 {
        shift.cancel_with("enough images are archived");
    }
    Ok(())
}

/// Anonymises and watermarks. Of the file only the pixels are kept, without those of the name.
fn prepare(image: &Path) -> Result<Vec<u8>> {
    let mut pixels = decode(&fs::read(image)?)?;
    pixels[..BURNT_IN].fill(0);
    pixels[BURNT_IN..].iter_mut().step_by(STRIPES).for_each(|pixel| *pixel = *pixel / 2 + 127);
    encode(&pixels, None)
}

fn decode(file: &[u8]) -> Result<Vec<u8>> {
    let mut pixels = vec![0; WIDTH * HEIGHT];
    png::Decoder::new(Cursor::new(file)).read_info()?.next_frame(&mut pixels)?;
    Ok(pixels)
}

fn encode(pixels: &[u8], patient: Option<&str>) -> Result<Vec<u8>> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, WIDTH as u32, HEIGHT as u32);
    encoder.set_color(png::ColorType::Grayscale);
    if let Some(patient) = patient {
        encoder.add_text_chunk("Patient".to_owned(), patient.to_owned())?;
    }
    encoder.write_header()?.write_image_data(pixels)?;
    Ok(file)
}

/// What the scanner sees at a pixel.
fn scan(number: usize, at: usize) -> u8 {
    ((number * 7 + at) % 200) as u8
}

/// Writes the images. The broken ones end half-way.
fn upload(folder: &Path) -> Result<Vec<PathBuf>> {
    let write = |number| {
        let patient = format!("{PATIENT} {number}");
        let mut pixels: Vec<_> = (0..WIDTH * HEIGHT).map(|at| scan(number, at)).collect();
        pixels[WIDTH..WIDTH + patient.len()].copy_from_slice(patient.as_bytes());
        let mut file = encode(&pixels, Some(&patient))?;
        assert!(has_name(&file) && has_name(&decode(&file)?), "there is something to anonymise");
        if BROKEN.contains(&number) {
            file.truncate(file.len() / 2);
        }
        let image = folder.join(format!("{number}.png"));
        fs::write(&image, file)?;
        Ok(image)
    };
    (0..UPLOADS).map(write).collect()
}

fn name(image: &Path) -> String {
    image.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn has_name(bytes: &[u8]) -> bool {
    bytes.windows(PATIENT.len()).any(|part| part == PATIENT.as_bytes())
}

/// Whether every image has one fate, and the archive holds those that are said to be in it, as they should be. How many
/// are archived, broken and not handled.
fn check(fates: &[(PathBuf, Fate)], archive: &Path) -> Result<[usize; 3]> {
    let mut open: HashMap<_, _> = fates.iter().map(|(image, fate)| (name(image), *fate)).collect();
    if fates.len() != UPLOADS || open.len() != UPLOADS {
        return Err(format!("{} fates for {} of {UPLOADS} images", fates.len(), open.len()).into());
    }
    for entry in tar::Archive::new(File::open(archive)?).entries()? {
        let (mut entry, mut file) = (entry?, Vec::new());
        entry.read_to_end(&mut file)?;
        let (name, pixels) = (name(&entry.path()?), decode(&file)?);
        let expected = open.remove(&name) == Some(Fate::Archived); // taken out: nothing comes twice
        let number = name.trim_end_matches(".png").parse()?;
        let is_right = |(at, pixel)| match at {
            ..BURNT_IN => pixel == 0,
            _ if (at - BURNT_IN).is_multiple_of(STRIPES) => pixel == scan(number, at) / 2 + 127,
            _ => pixel == scan(number, at),
        };
        if !expected || has_name(&file) || !pixels.into_iter().enumerate().all(is_right) {
            return Err(format!("{name} in the archive is not as it should be").into());
        }
    }
    if let Some((name, _)) = open.iter().find(|(_, fate)| **fate == Fate::Archived) {
        return Err(format!("{name} is not in the archive").into());
    }
    let mut counts = [0; 3];
    fates.iter().for_each(|(_, fate)| counts[*fate as usize] += 1);
    Ok(counts)
}

fn cured() -> Result<String> {
    let folder = tempfile::tempdir()?;
    let (uploads, archive) = (upload(folder.path())?, folder.path().join("archive.tar"));
    let run = |name, enough| {
        let counts = check(&pipeline(&uploads, &archive, enough)?, &archive)?;
        println!("{name}: {} archived, {} broken, {} not handled", counts[0], counts[1], counts[2]);
        Result::Ok(counts)
    };
    let whole = run("to the end", usize::MAX)? == [UPLOADS - BROKEN.len(), BROKEN.len(), 0];
    // Each of the two other workers may just be putting an image away.
    let stopped = (ENOUGH..=ENOUGH + 2).contains(&run("cancelled", ENOUGH)?[0]);
    match whole && stopped {
        true => Ok("every image is in the archive, broken or left, and known as such".to_owned()),
        false => Err("the numbers are not right".into()),
    }
}

/// The workers pass on what goes wrong, and both ends of the queue live as long as the service.
fn naive() -> Result<String> {
    let folder = tempfile::tempdir()?;
    let uploads = upload(folder.path())?;
    let (images, queue) = bounded::<PathBuf>(5);
    let (workers, producer) = (Arc::new(WaitGroup::new()), Arc::new(WaitGroup::new()));
    for _ in 0..3 {
        let (queue, worker) = (queue.clone(), workers.worker_owned());
        thread::spawn(move || {
            let _worker = worker;
            queue.into_iter().try_for_each(|image| prepare(&image).map(drop))
        });
    }
    let at_work = producer.worker_owned();
    thread::spawn(move || {
        let _at_work = at_work;
        uploads.into_iter().try_for_each(|image| images.send(image))
    });
    workers.wait_within(SEAT_BELT)?; // each has met a broken image
    match producer.wait_within(Duration::from_secs(1)) {
        Ok(()) => Err("the producer has found room for every image".into()),
        Err(_) => Ok(format!("no worker is left, and the producer waits for room in a queue of {}", queue.len())),
    }
}
