//! Writes the seeds of every target to `fuzz/corpus/`, where `cargo fuzz` looks for them. Does not remove what it has
//! found there itself.

use std::fs;
use std::io;
use std::path::Path;

use antiphon_fuzz::seeds;
use antiphon_fuzz::targets;

fn main() -> io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (name, _) in targets::ALL {
        let directory = corpus.join(name);
        fs::create_dir_all(&directory)?;
        for (index, seed) in seeds::of(name).iter().enumerate() {
            fs::write(directory.join(format!("seed-{index:04}")), seed)?;
        }
    }
    Ok(())
}
