//! From bytes to moves.

use std::collections::HashMap;
use std::error::Error;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, SeekFrom};

use csv::{ByteRecord, Position, ReaderBuilder, StringRecord, Terminator};

use crate::args::Source;
use crate::report::{self, Kind, Rejections};

static BUNDLED: &[u8] = include_bytes!("../data/moves.csv");

const HEADING: [&str; 3] = ["researcher", "from", "to"];

/// A row with three names and known sites: its line, and the numbers of the names in [`Input`].
#[derive(Clone, Copy)]
pub(crate) struct Move {
    pub(crate) line: u64,
    pub(crate) researcher: usize,
    pub(crate) from: usize,
    pub(crate) to: usize,
}

/// Names, numbered from 0 as they are first met.
#[derive(Default)]
pub(crate) struct Names {
    names: Vec<String>,
    numbers: HashMap<String, usize>,
}

impl Names {
    fn find(&self, name: &str) -> Option<usize> {
        self.numbers.get(name).copied()
    }

    fn number(&mut self, name: &str) -> usize {
        self.find(name).unwrap_or_else(|| {
            self.numbers.insert(name.to_owned(), self.names.len());
            self.names.push(name.to_owned());
            self.names.len() - 1
        })
    }

    pub(crate) fn name(&self, number: usize) -> &str {
        &self.names[number]
    }

    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }
}

#[derive(Default)]
pub(crate) struct Input {
    pub(crate) moves: Vec<Move>,
    pub(crate) researchers: Names,
    pub(crate) sites: Names,
    pub(crate) rejected: Rejections,
    /// The file names its sites, so that others are unknown.
    declared: bool,
}

impl Input {
    pub(crate) fn read(source: &Source) -> Result<Self, String> {
        let parsed = match source {
            Source::Bundled => Self::parse(BUNDLED),
            Source::Stdin => Self::parse(io::stdin().lock()),
            Source::File(path) => {
                File::open(path).map_err(Into::into).and_then(|file| Self::parse(BufReader::new(file)))
            }
        };
        parsed.map_err(|error| format!("{source}: {error}"))
    }

    /// The number of rows: those that are moves, and the others.
    pub(crate) fn rows(&self) -> usize {
        self.moves.len() + self.rejected.total()
    }

    fn parse(mut reader: impl BufRead) -> Result<Self, Box<dyn Error>> {
        let mut input = Self::default();
        let mut splitter = Splitter::new();
        let mut buffer = Vec::new();
        let mut first = true;
        for number in 1.. {
            buffer.clear();
            if reader.read_until(b'\n', &mut buffer)? == 0 {
                break;
            }
            let bom: &[u8] = if number == 1 { b"\xEF\xBB\xBF" } else { b"" };
            let line = buffer.strip_prefix(bom).unwrap_or(&buffer).trim_ascii();
            if line.is_empty() {
                continue;
            }
            let fields = splitter.split(line);
            match &fields {
                Ok(fields) if first && fields.get(0) == Some("sites") => input.declare(fields)?,
                Err(reason) if first && line.starts_with(b"sites,") => {
                    return Err(format!("line {number}: {reason}").into());
                }
                Ok(fields) if input.rows() == 0 && fields.iter().eq(HEADING) => {}
                _ => input.row(number, fields),
            }
            first = false;
        }
        if input.moves.iter().all(|row| row.from == row.to) {
            for row in &input.moves {
                let reason = || "from a site to itself".to_owned();
                input.rejected.add(Kind::SelfMove, row.line, reason);
            }
            return Err(format!("no valid row\n{}", input.rejected).into());
        }
        Ok(input)
    }

    fn declare(&mut self, fields: &StringRecord) -> Result<(), String> {
        self.declared = true;
        // A spreadsheet pads a short line with empty cells.
        for name in fields.iter().skip(1).filter(|name| !name.is_empty()) {
            if self.sites.find(name).is_some() {
                report::note(&format!("transfer: site {name} is declared twice"));
            }
            self.sites.number(name);
        }
        match self.sites.len() {
            0 => Err("the `sites` line names no site".to_owned()),
            _ => Ok(()),
        }
    }

    fn row(&mut self, line: u64, fields: Result<StringRecord, String>) {
        let fields = match fields.and_then(three_names) {
            Ok(fields) => fields,
            Err(reason) => return self.rejected.add(Kind::Malformed, line, || reason),
        };
        let mut site = |name| match self.declared {
            true => self.sites.find(name).ok_or(name),
            false => Ok(self.sites.number(name)),
        };
        match (site(&fields[1]), site(&fields[2])) {
            (Ok(from), Ok(to)) => {
                let researcher = self.researchers.number(&fields[0]);
                self.moves.push(Move { line, researcher, from, to });
            }
            (Err(name), _) | (_, Err(name)) => {
                let reason = || format!("{name} is not a declared site");
                self.rejected.add(Kind::UnknownSite, line, reason);
            }
        }
    }
}

/// Splits lines, each by itself: one csv reader (they take long to make), set back for every line.
struct Splitter(csv::Reader<Cursor<Vec<u8>>>);

impl Splitter {
    fn new() -> Self {
        let mut builder = ReaderBuilder::new();
        builder.has_headers(false).flexible(true).terminator(Terminator::Any(b'\n'));
        Self(builder.from_reader(Cursor::default()))
    }

    /// The fields, trimmed. Refuses what the csv reader would pardon: an open quote, and a control
    /// character, which has no place in a name and could do as it likes with a terminal.
    fn split(&mut self, line: &[u8]) -> Result<StringRecord, String> {
        if line.iter().filter(|byte| **byte == b'"').count() % 2 == 1 {
            return Err("an open quote".to_owned());
        }
        let buffer = self.0.get_mut().get_mut();
        buffer.clear();
        buffer.extend_from_slice(line);
        let mut record = ByteRecord::new();
        self.0
            .seek_raw(SeekFrom::Start(0), Position::new())
            .and_then(|()| self.0.read_byte_record(&mut record))
            .map_err(|error| error.to_string())?;
        let mut record = StringRecord::from_byte_record(record).map_err(|_| "not UTF-8")?;
        record.trim();
        if record.iter().any(|field| field.contains(char::is_control)) {
            return Err("a control character in a name".to_owned());
        }
        Ok(record)
    }
}

fn three_names(fields: StringRecord) -> Result<StringRecord, String> {
    match fields.len() {
        3 if fields.iter().any(str::is_empty) => Err("an empty name".to_owned()),
        3 => Ok(fields),
        count => Err(format!("3 fields expected, found {count}")),
    }
}
