//! The csv-diff crate as a command: `csv-diff-peer OLD.csv NEW.csv` writes each differing record to standard output.
use csv_diff::{csv::Csv, csv_diff::CsvByteDiffLocal, diff_row::DiffByteRecord};
use std::{env, error::Error, fs::File, io};

fn main() -> Result<(), Box<dyn Error>> {
    let paths: Vec<String> = env::args().skip(1).collect();
    let mut differing = CsvByteDiffLocal::new()?.diff(
        Csv::with_reader_seek(File::open(&paths[0])?),
        Csv::with_reader_seek(File::open(&paths[1])?),
    )?;
    differing.sort_by_line();
    let mut out = csv::Writer::from_writer(io::BufWriter::new(io::stdout().lock()));
    for record in differing.as_slice() {
        match record {
            DiffByteRecord::Add(added) => out.write_byte_record(added.byte_record())?,
            DiffByteRecord::Delete(deleted) => out.write_byte_record(deleted.byte_record())?,
            DiffByteRecord::Modify { delete, add, .. } => {
                out.write_byte_record(delete.byte_record())?;
                out.write_byte_record(add.byte_record())?;
            }
        }
    }
    out.flush()?;
    Ok(())
}
