//! Embeds the built web application (`dashboards/dist`) in the binary, each file also gzip-compressed. Without a build
//! it embeds nothing and the collector serves a page that says how to make one: Node is not needed to build Rust.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

/// Below this, compression saves less than a packet.
const MIN_COMPRESSED_BYTES: usize = 1_024;

fn main() -> std::io::Result<()> {
    let dashboards = Path::new(&variable("CARGO_MANIFEST_DIR")?).join("../dashboards");
    let dist = dashboards.join("dist");
    println!("cargo:rerun-if-changed=build.rs");
    // Cargo takes a missing path for a changed one and would rebuild every time, so what exists is watched: the folder
    // in which a first build will appear, and from then on the build itself.
    if dist.is_dir() {
        println!("cargo:rerun-if-changed={}", dist.display());
    } else if dashboards.is_dir() {
        println!("cargo:rerun-if-changed={}", dashboards.display());
    }
    let out = PathBuf::from(variable("OUT_DIR")?);
    let mut files = Vec::new();
    // A build that was cut short has no index.html, and is none.
    if dist.join("index.html").is_file() {
        collect(&dist, &mut files)?;
        files.sort();
    }
    let mut table = String::from("static FILES: &[File] = &[\n");
    for (number, file) in files.iter().enumerate() {
        embed(&mut table, number, file, &dist, &out)?;
    }
    table.push_str("];\n");
    fs::write(out.join("site_files.rs"), table)
}

fn variable(name: &str) -> std::io::Result<String> {
    std::env::var(name)
        .map_err(|error| std::io::Error::other(format!("{name}: {error}; run this through cargo")))
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

fn embed(table: &mut String, number: usize, file: &Path, dist: &Path, out: &Path) -> std::io::Result<()> {
    let name = file.strip_prefix(dist).map_err(std::io::Error::other)?;
    let name = format!("/{}", name.to_string_lossy().replace('\\', "/"));
    let bytes = fs::read(file)?;
    let plain = out.join(format!("site_{number}"));
    fs::write(&plain, &bytes)?;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&bytes)?;
    let compressed = encoder.finish()?;
    let gzip = if bytes.len() >= MIN_COMPRESSED_BYTES && compressed.len() < bytes.len() {
        let path = out.join(format!("site_{number}.gz"));
        fs::write(&path, compressed)?;
        format!("Some(include_bytes!({path:?}))")
    } else {
        "None".to_owned()
    };
    let tag = fnv1a(&bytes);
    writeln!(
        table,
        "    File {{ path: {name:?}, etag: \"\\\"{tag:016x}\\\"\", plain: include_bytes!({plain:?}), gzip: {gzip} }},"
    )
    .map_err(std::io::Error::other)
}

/// FNV-1a, 64 bit: names a version of a file, guards nothing.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
